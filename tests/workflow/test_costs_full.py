"""A plan from two small runs, against the run that it is a plan of."""

import pytest
import yaml

from dejavu.costs import __main__ as costs
from dejavu.costs import configs, fits
from tests.conftest import SMALL, snakemake, written

pytestmark = pytest.mark.full
FACTOR = 1.5


def run(folder, pictures, epochs):
    """A finished run of the smallest config at another size; its folder and its config's file."""
    config = yaml.safe_load(SMALL.read_text())
    config["vlm"]["sources"]["world"]["pictures"] = pictures
    config["vlm"]["models"]["clip_a"]["epochs"] = epochs
    folder.mkdir()
    path = written(folder / "config.yaml", config)
    snakemake(folder, config=path, cores=1)
    return folder, path


def test_a_plan_is_within_a_factor_of_one_and_a_half_of_what_the_run_took(tmp_path):
    pilots = [run(tmp_path / name, size, 20)[0] for name, size in (("a", 500), ("b", 1500))]
    folder, path = run(tmp_path / "whole", 4500, 40)
    config = configs.completed(path)
    found = costs.costs(pilots, config, [path], [], frozenset())
    took = [fits.took(folder / each.job.benchmark) for each in found]
    assert len(found) > 50 and None not in took
    seconds = sum(each["cpu"] for each in took)
    assert 1 / FACTOR < 3600 * sum(each.hours for each in found) / seconds < FACTOR
    files = [path for each in found for path in each.job.outputs]
    size = sum((folder / file).stat().st_size for file in files)
    assert 1 / FACTOR < sum(each.bytes for each in found) / size < FACTOR
    for row in costs.by_rule(found):
        of_rule = [
            each for job, each in zip(found, took, strict=True) if job.job.rule == row["rule"]
        ]
        if sum(each["cpu"] for each in of_rule) > 0.1 * seconds:
            assert 1 / FACTOR < 3600 * row["hours"] / sum(x["cpu"] for x in of_rule) < FACTOR, row
            assert 1 / FACTOR < row["peak_mb"] / max(x["megabytes"] for x in of_rule) < FACTOR, row
