"""Encoders that no pilot had, timed on samples of one before a run is paid for."""

import csv

import pytest

from dejavu.costs import __main__ as costs
from tests.conftest import written


def asked(folder, config, settings):
    """The config of a run with another target; its file."""
    config["vlm"]["models"]["other"] = settings
    config["vlm"]["tests"]["other"] = {
        "kind": "one_model",
        "target": "other",
        "reference": "minilm",
    }
    return written(folder / "config.yaml", config)


def files(folder):
    """All files of a folder and when they were written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_an_encoder_that_no_pilot_had_embeds_samples_of_one_and_leaves_it_as_it_was(
    smoke_run, smoke_config, tmp_path
):
    cfg = smoke_config["vlm"]["models"]["clip_a"]["model_cfg"]
    path = asked(tmp_path, smoke_config, {"kind": "random", "model_cfg": cfg})
    pilot, table = smoke_run[0], tmp_path / "plan.csv"
    before = files(pilot)
    words = [str(pilot), "--configfile", str(path), "--cores", "2", "--time-encoders"]
    costs.main([*words, "--csv", str(table)])
    rows = {row["rule"]: row for row in csv.DictReader(table.open())}
    # Images and captions of the smallest and of the largest shard.
    assert rows["embed_random"]["source"] == "timed"
    assert rows["embed_text"]["source"] == "pilot"
    seconds = 3600 * float(rows["embed_random"]["hours"])
    assert 0.05 * int(rows["embed_random"]["jobs"]) < seconds < 300
    assert float(rows["embed_random"]["peak_mb"]) > 100
    assert files(pilot) == before


def test_an_encoder_that_cannot_be_loaded_is_told_by_the_plan(
    smoke_run, smoke_config, tmp_path, capfd
):
    path = asked(tmp_path, smoke_config, {"kind": "transformers", "model": "nobody/nothing"})
    words = [str(smoke_run[0]), "--configfile", str(path), "--time-encoders"]
    with pytest.raises(SystemExit, match=r"vlm\.models: other could not be timed on samples of"):
        costs.main([*words, "--targets", "results/tables/vlm_ppg.csv"])
    assert "nobody/nothing" in capfd.readouterr().err
