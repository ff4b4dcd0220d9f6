"""How the primary scores of two finished runs differ, on the same samples.

The two need not be of one config: whatever differs between them, as models, seeds, public sets and
versions, is in the difference. The measured samples have to be the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.audits import duplicates
from dejavu.config import layout, plan_vlm
from dejavu.config.domains import DOMAINS
from dejavu.config.replicates import Plan
from dejavu.errors import InputError
from dejavu.files.parquet import read_parquet
from dejavu.report import verdict
from dejavu.report.runs import Names, Row, Run
from dejavu.samples.images import read_crops
from dejavu.scores import contrasted_captions, contrasted_crops, families
from dejavu.scores.judged import Classes
from dejavu.scores.recovered import Setting

# Of differences.csv.
COLUMNS = {
    **dict.fromkeys(("domain", *verdict.PAIR, "from", "to", "replicate", "score"), pl.String),
    "samples": pl.Int64,
    **dict.fromkeys(("difference", "difference_low", "difference_high"), pl.Float64),
    **dict.fromkeys(("p_value", "p_family"), pl.Float64),
    **dict.fromkeys(("no_interval", "no_pairing"), pl.String),
}
# What two sums of the same numbers, in another order, may differ by.
ROUNDING = 1e-6
SETS = {"vlm": contrasted_captions.SETS, "vision": contrasted_crops.SETS}
ROLES = {"vlm": ("target", "reference"), "vision": ("targets", "references")}


class NotPaired(Exception):
    """Why the samples of two runs can't be compared one by one, in words."""


def differences(runs: Sequence[Run]) -> list[Row]:
    """Rows of differences.csv: each run's scores less those of the first, all of them one family.

    Args:
        runs: at least one.
    """
    first, *others = runs
    rows: list[Row] = []
    for other in others:
        for (domain, names), test in first.tests.items():
            row = {
                "domain": domain,
                **dict(zip(verdict.PAIR, names, strict=True)),
                **{"from": first.name, "to": other.name, "score": test["score"]},
            }
            try:
                row |= _difference(first, other, domain, names)
            except NotPaired as reason:
                row["no_pairing"] = str(reason)
            rows.append(row)
    corrected = families.holm([row.get("p_value", np.nan) for row in rows])
    for row, p_value in zip(rows, corrected, strict=True):
        row["p_family"] = float(p_value)
    return rows


def _difference(first: Run, other: Run, domain: str, names: Names) -> Row:
    """The difference of one test's scores; raises `NotPaired` where there is none."""
    known = [run.tests.get((domain, names)) for run in (first, other)]
    if known[1] is None:
        raise NotPaired("the second run has no test of these names")
    try:
        points = [run.plan(domain, names) for run in (first, other)]
    except KeyError as error:
        raise NotPaired(
            f"a config lacks {error}: another version of the workflow made it"
        ) from None
    _check_alike(first, other, domain, points)
    try:
        rows = _rows(first, other, domain, points)
    except InputError as error:
        raise NotPaired(str(error).rstrip(".")) from None
    found = next((row for row in rows if row["replicate"] == "pooled"), rows[0])
    found = rows[0] if found["no_interval"] else found
    values = [row["value"] for row in known if row is not None]
    if None in values or abs(values[1] - values[0] - found["difference"]) > ROUNDING:
        raise NotPaired("files of samples give other scores than the tables: one run goes on")
    kept = ("replicate", "samples", "difference", "difference_low", "difference_high", "p_value")
    return {key: found[key] for key in (*kept, "no_interval")}


def _check_alike(first: Run, other: Run, domain: str, points: Sequence[Plan]) -> None:
    """Raise `NotPaired` unless the same score is made of the same samples in both runs."""
    kinds = [point["kind"] for point in points]
    if kinds[0] != kinds[1]:
        raise NotPaired("the tests are of different kinds")
    for name in SETS[domain][kinds[0]]:
        contents = [run.content(domain, name) for run in (first, other)]
        if None in contents:
            raise NotPaired(f"there is no set {name} in one of the runs")
        if contents[0] != contents[1]:
            raise NotPaired(f"the set {name} holds other samples")
    if domain == "vlm":
        headlines = [plan_vlm.headline(run.settings("vlm")) for run in (first, other)]
        if headlines[0] != headlines[1]:
            raise NotPaired("the scores are of different headlines")
    seeds = {sum(len(each) == 1 for each in point["replicates"].values()) for point in points}
    if len(seeds - {1}) > 1:
        raise NotPaired("the numbers of seeds differ")


def _rows(first: Run, other: Run, domain: str, points: Sequence[Plan]) -> list[Row]:
    """Rows of the difference, one a replicate.

    Raises:
        NotPaired: samples or references differ, or files are gone.
        InputError: a file is damaged.
    """
    runs, kind = (first, other), points[0]["kind"]
    part = {"vlm": "tallies", "vision": "sides"}[domain]
    left_out, others = (_left_out(run, domain) for run in runs)
    if not np.array_equal(left_out, others):
        raise NotPaired("other near-duplicates are left out")
    for name in SETS[domain][kind]:
        _check_same_order(runs, domain, name)
    files: dict[Any, Any] = {}
    named: list[Plan] = []
    for place, (run, point) in enumerate(zip(runs, points, strict=True)):
        sides = {}
        for name in SETS[domain][kind]:
            side = dict(point[part][name])
            for role in ROLES[domain]:
                side[role] = _named(run, domain, place, side[role], side["set"], files)
            sides[name] = side
        named.append({**point, part: sides, "point": {"run": place}})
    if kind == "one_model":
        _check_one_reference(domain, named, files)
    if domain == "vlm":
        return contrasted_captions.rows_of(named, [], kind, files, left_out)
    classes = Classes.of(duplicates.without(_crops(first), left_out))
    return contrasted_crops.rows_of(named, [], kind, files, left_out, classes)


def _left_out(run: Run, domain: str) -> NDArray[np.int64]:
    """Numbers of the samples that a run's scores leave out."""
    if not run.settings(domain).get("exclude_contaminated"):
        return np.empty(0, dtype=np.int64)
    path, digest = run.table(f"{domain}_contamination")
    return duplicates.contaminated([str(path)], digest)


def _shards(run: Run, domain: str, folder: str, name: str) -> list[str]:
    """The shards of a set's samples or records, all of which are there."""
    count = run.settings(domain)["sets"][name]["shards"]
    return [
        _there(run, f"results/{domain}/{folder}/{name}/{layout.shard_name(shard)}.parquet")
        for shard in range(count)
    ]


def _there(run: Run, path: str) -> str:
    """Where a file of a run lies; raises `NotPaired` where it is gone."""
    found = run.folder / path
    if not found.is_file():
        raise NotPaired(f"{run.name} has no {path}: deleted, or of another version")
    return str(found)


def _check_same_order(runs: Sequence[Run], domain: str, name: str) -> None:
    """Raise `NotPaired` unless both runs give the samples of a set the same numbers and shards."""
    shards = [_shards(run, domain, "samples", name) for run in runs]
    if len(shards[0]) != len(shards[1]):
        raise NotPaired(f"the set {name} is cut into other shards")
    for pair in zip(*shards, strict=True):
        one, two = (read_parquet(path, ["sample", "id"]) for path in pair)
        if not one.equals(two):
            raise NotPaired(f"the samples of the set {name} are in another order")


def _named(run: Run, domain: str, place: int, role: Any, name: str, files: dict[Any, Any]) -> Any:
    """The models of one role under names that tell the runs apart; adds their `files`."""
    if domain == "vision":
        for model in role:
            files[f"{place}:{model}", name] = _there(run, layout.prediction_path(model, name))
        return [f"{place}:{model}" for model in role]
    shards = range(run.settings(domain)["sets"][name]["shards"])
    for model in role["models"]:
        files[f"{place}:{model}", role["query"], name] = [
            _there(run, layout.recovered_path(model, role["query"], name, shard))
            for shard in shards
        ]
    return {**role, "models": [f"{place}:{model}" for model in role["models"]]}


def _check_one_reference(domain: str, points: Sequence[Plan], files: dict[Any, Any]) -> None:
    """Raise `NotPaired` unless the references' results are the same: gaps are adjusted for them."""
    columns = ["sample", "correct"]
    if domain == "vlm":
        setting = Setting(**points[0]["setting"])
        counts = [setting.column(count) for count in ("predicted", "correct")]
        columns = ["sample", f"truth.{setting.objects}", *counts]
    for name in SETS[domain]["one_model"]:
        found = []
        for point in points:
            if domain == "vlm":
                side = point["tallies"][name]["reference"]
                found.append([files[each, side["query"], name] for each in side["models"]])
            else:
                side = point["sides"][name]["references"]
                found.append([[files[each, name]] for each in side])
        count = max(map(len, found))
        for replicate in zip(*(_repeated(each, count) for each in found), strict=True):
            for pair in zip(*replicate, strict=True):
                one, two = (read_parquet(path, columns) for path in pair)
                if not one.equals(two):
                    raise NotPaired("the reference, which gaps are adjusted for, has other results")


def _repeated(files: Sequence[Any], count: int) -> list[Any]:
    """Files of so many replicates; those of a single one serve all."""
    return [*files] * count if len(files) == 1 else [*files]


def _crops(run: Run) -> pl.DataFrame:
    """The crops of a run's measured sets."""
    sets = [name for name in DOMAINS["vision"].measured if name in run.settings("vision")["sets"]]
    return read_crops([path for name in sets for path in _shards(run, "vision", "records", name)])
