"""Leaving contaminated samples out of scores is the same as never having had them."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import contamination
import vision_crops
import vlm_agreement
import vlm_distributions
import vlm_memorized
import vlm_ppg
import vlm_samples
from dejavu.config import layout, plan_vlm, ranges
from dejavu.config.domains import DOMAINS
from dejavu.files.csv import write_csv
from dejavu.files.parquet import write_parquet
from dejavu.scores import recovered
from dejavu.scores.judged import Classes, among_top5, read_comparison, read_judged

SETTINGS = recovered.settings([1, 10], ["all"], ["all"])
SHARDS = {"target": 2, "control": 1}
LEFT_OUT = {("target", 0): [3, 8], ("target", 1): [0], ("control", 0): [5, 6, 7]}
VLM = {
    "sets": SHARDS,
    "queries": ["t2i"],
    "models": {"a": {"kind": "open_clip"}, "g": {"kind": "sentence_transformers"}},
    "tests": {"one": {"kind": "one_model", "target": "a", "reference": "g"}},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def numbers(name, shard, count=40):
    return ranges.first_number(DOMAINS["vlm"].sets.index(name), shard) + np.arange(count)


def recovered_path(model, query, name, shard):
    """Not where the workflow has them: jobs read what they are handed."""
    return f"elsewhere/{model}/{query}/{name}/{layout.shard_name(shard)}.parquet"


def write_counts(removed):
    """Random counts of two models, with or without the samples that are left out."""
    for model, query in (("a", "t2i"), ("g", "t2t")):
        for name, shards in SHARDS.items():
            for shard in range(shards):
                rng = np.random.default_rng([len(model + query), len(name), shard, ord(model)])
                truth = rng.integers(0, 5, 40).astype(np.int32)
                predicted = {each: rng.integers(1, 9, 40).astype(np.int32) for each in SETTINGS}
                correct = {
                    each: rng.integers(0, 1 + np.minimum(truth, predicted[each])).astype(np.int32)
                    for each in SETTINGS
                }
                first_half = rng.random(40) < 0.5
                distance = rng.random(40).astype(np.float32)
                kept = np.ones(40, dtype=bool)
                kept[LEFT_OUT[name, shard] if removed else []] = False
                recovered.write(
                    recovered_path(model, query, name, shard),
                    numbers(name, shard)[kept],
                    first_half[kept] if name == "control" else None,
                    distance[kept],
                    {"all": truth[kept]},
                    {each: counts[kept] for each, counts in predicted.items()},
                    {each: counts[kept] for each, counts in correct.items()},
                )


def scores(script, left_out):
    """What a script makes of the counts."""
    samples = []
    for shard in range(2):
        samples.append(f"samples{shard}.parquet")
        ids = [f"id{number}" for number in numbers("target", shard)]
        write_parquet(samples[-1], pa.table({"id": ids}))
    counts = [
        recovered_path(*side, name, shard)
        for side in (("a", "t2i"), ("g", "t2t"))
        for name, shards in SHARDS.items()
        for shard in range(shards)
    ]
    params = {
        "comparisons": list(plan_vlm.comparisons(VLM)),
        "pairs": [
            {
                "query": "t2i",
                "first": {"name": "a", "model": "a", "query": "t2i"},
                "second": {"name": "g", "model": "g", "query": "t2t"},
            }
        ],
        "k": [1, 10],
        "predict": ["all"],
        "objects": ["all"],
        "memorized": 60,
        "digest": "config",
    }
    script.main(
        SimpleNamespace(
            input=SimpleNamespace(left_out=left_out, samples=samples, recovered=counts, blind=[]),
            params=SimpleNamespace(**params),
            output=["scores.csv"],
        )
    )
    return pl.read_csv("scores.csv", infer_schema_length=None)


def audit(path):
    """A table of contamination that names the samples to be left out."""
    pairs = [
        {"first_sample": numbers(name, shard)[row], "second_sample": numbers("public", 0)[row]}
        for (name, shard), rows in LEFT_OUT.items()
        for row in rows
    ]
    write_csv(path, pairs, contamination.COLUMNS, "config")
    return [str(path)]


@pytest.mark.parametrize(
    "script", [vlm_ppg, vlm_samples, vlm_agreement, vlm_memorized, vlm_distributions]
)
def test_scores_without_contaminated_samples_are_those_without_their_rows(folder, script):
    write_counts(removed=False)
    whole = scores(script, [])
    found = scores(script, audit(folder / "contamination.csv"))
    if "contaminated" in found.columns:
        counted = dict(found.filter(k=1).select("set", "contaminated").drop_nulls().rows())
        assert counted == {"target": 3, "control": 6 // 2}
        assert set(whole["contaminated"].drop_nulls()) == {0}
        found, whole = found.drop("contaminated"), whole.drop("contaminated")
    write_counts(removed=True)
    removed = scores(script, [])
    assert not found.equals(whole)
    assert found.equals(removed.drop("contaminated", strict=False))


def test_judged_crops_are_those_that_are_left(folder):
    samples = np.arange(20)
    rng = np.random.default_rng(0)
    columns = {
        "sample": samples,
        "correct": rng.random(20) < 0.5,
        "confidence": rng.random(20),
        "tiebreak": rng.random(20),
        "entropy": rng.random(20),
        "top5": [["a", "b"] if place % 3 else ["b"] for place in range(20)],
    }
    path = "elsewhere/m/A.parquet"
    write_parquet(path, pa.table(columns))
    left_out = np.array([2, 3, 11, 999])
    found = read_judged(path, left_out)
    kept = ~np.isin(samples, left_out)
    for name in ("correct", "confidence", "tiebreak", "entropy"):
        assert np.array_equal(getattr(found, name), columns[name][kept])
    crops = pl.DataFrame({"sample": samples[kept], "label": ["a"] * 17})
    assert np.array_equal(among_top5(path, crops), (samples % 3 > 0)[kept])
    side = {"set": "A", "targets": ["m"], "references": ["m"]}
    classes = Classes.of(pl.DataFrame({"sample": samples, "label": ["a", "b"] * 10}))
    comparison = read_comparison(side, {("m", "A"): path}, left_out, classes)
    assert comparison.classes.tolist() == (samples[kept] % 2).tolist()


def test_contaminated_crops_have_a_status_of_their_own(folder):
    first = ranges.first_number(DOMAINS["vision"].sets.index("A"), 0)
    status = ["ok", "ok", "too small", "ok", "too small"]
    records = pa.table({"sample": first + np.arange(5), "crop_status": status})
    write_parquet("records.parquet", records)
    pairs = [{"first_sample": first + row, "second_sample": 7} for row in (1, 2)]
    write_csv("audit.csv", pairs, contamination.COLUMNS, "config")
    for left_out, expected in (
        ([], [("A", "ok", 3), ("A", "too small", 2)]),
        (["audit.csv"], [("A", "contaminated", 1), ("A", "ok", 2), ("A", "too small", 2)]),
    ):
        vision_crops.main(
            SimpleNamespace(
                input=SimpleNamespace(records=["records.parquet"], left_out=left_out),
                params=SimpleNamespace(shards={"A": 1}, digest="config"),
                output=["crops.csv"],
            )
        )
        assert pl.read_csv("crops.csv").rows() == expected
