"""Null models and contrasts, against regressions of the samples' own differences."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import vlm_ppg
from dejavu.config import layout, plan_vision, plan_vlm
from dejavu.scores import recovered
from dejavu.scores.judged import Comparison, Judged
from dejavu.scores.vision import rows_of_null
from tests.unit.scores.regressions import explicit

SETTINGS = recovered.settings([1, 10], ["all"], ["all", "unnamed"])
MODELS = {"a": "t2i", "b": "t2i", "g": "t2t"}
# As in paths.
STANDS = {"a": "a_s0", "b": "b_s0", "g": "g"}
SHARDS = {"target": 2, "control": 2}
VLM = {
    "sets": SHARDS,
    "queries": ["t2i"],
    "models": {
        "a": {"kind": "clip", "train_on": "target"},
        "b": {"kind": "clip", "train_on": "reference"},
        "g": {"kind": "sentence_transformers"},
    },
    "tests": {
        "one": {"kind": "one_model", "target": "a", "reference": "g", "null_models": ["b"]},
    },
}


@pytest.fixture
def counts(tmp_path, monkeypatch):
    """Counts of three models, written as shards: the samples' results by model, set and setting."""
    monkeypatch.chdir(tmp_path)
    found = {}
    for name, shards in SHARDS.items():
        for shard in range(shards):
            rng = np.random.default_rng([len(name), shard])
            truth = {"all": rng.integers(1, 6, 60), "unnamed": rng.integers(0, 4, 60)}
            for place, (model, query) in enumerate(MODELS.items()):
                skill = 0.3 + 0.1 * place + 0.2 * (name == "target" and model == "a")
                predicted = {each: rng.integers(1, 9, 60) for each in SETTINGS}
                correct = {
                    each: np.minimum(rng.binomial(truth[each.objects], skill), predicted[each])
                    for each in SETTINGS
                }
                path = f"{STANDS[model]}/{query}/{name}/{layout.shard_name(shard)}.parquet"
                half = np.arange(60) % 2 == 0 if name == "control" else None
                recovered.write(
                    path, np.arange(60), half, np.zeros(60, np.float32), truth, predicted, correct
                )
                for each in SETTINGS:
                    known = truth[each.objects] > 0
                    results = [correct[each] / predicted[each]]
                    results.append(correct[each] / np.maximum(truth[each.objects], 1))
                    for kind, values in zip(("precision", "recall"), results, strict=True):
                        found.setdefault((model, name, each, kind), []).append(values[known])
    return {key: np.concatenate(parts) for key, parts in found.items()}


def table():
    """What the script makes of the shards."""
    files = [
        f"{STANDS[model]}/{query}/{name}/{layout.shard_name(shard)}.parquet"
        for model, query in MODELS.items()
        for name, shards in SHARDS.items()
        for shard in range(shards)
    ]
    params = {"k": [1, 10], "predict": ["all"], "objects": ["all", "unnamed"], "digest": "config"}
    params |= {"shift_components": None}
    job = SimpleNamespace(
        input=SimpleNamespace(left_out=[], recovered=files, blind=[]),
        params=SimpleNamespace(comparisons=list(plan_vlm.comparisons(VLM)), **params),
        output=["scores.csv"],
    )
    vlm_ppg.main(job)
    return pl.read_csv("scores.csv", infer_schema_length=None)


def test_a_null_model_stands_in_the_targets_place_and_a_contrast_pairs_the_samples(counts):
    found = table()
    for setting in SETTINGS:
        facts = {"k": setting.k, "objects": setting.objects, "null_model": "b"}
        rows = {row["set"]: row for row in found.filter(**facts).to_dicts()}
        assert set(rows) == {"null", "contrast"}
        assert (rows["null"]["target_model"], rows["contrast"]["target_model"]) == ("b", "a")
        for kind in ("precision", "recall"):
            t, u, g = ([counts[model, name, setting, kind] for name in SHARDS] for model in "abg")
            names = [f"adjusted_{kind}{end}" for end in ("", "_low", "_high", "_beta")]
            cases = {
                "null": (u, (0, 1)),
                "contrast": ([one - other for one, other in zip(t, u, strict=True)], (-1, 1)),
            }
            for name, (values, ends) in cases.items():
                *expected, p_value = explicit(*zip(values, g, strict=True), ends)
                assert [rows[name][each] for each in names] == pytest.approx(expected, abs=1e-9)
                if kind == "precision":
                    assert rows[name]["p_value"] == pytest.approx(p_value, abs=1e-9)


def test_a_contrast_is_the_difference_of_both_gaps(counts):
    found = table().filter(k=10, objects="all")
    rows = {row["set"]: row for row in found.to_dicts()}
    for kind in ("adjusted_precision", "adjusted_recall"):
        difference = rows["calibrated"][kind] - rows["null"][kind]
        assert rows["contrast"][kind] == pytest.approx(difference, abs=1e-12)


def judged(right):
    """A predictor that is as sure of all."""
    return Judged(np.arange(len(right)), right, *(np.zeros(len(right)) for _ in range(3)))


def crops(rng, size, skills, replicates=1):
    """Target, null model and reference on the crops of one class."""
    reference = rng.random(size) < 0.5
    return [
        Comparison(
            tuple(judged(rng.random(size) < skill + 0.2 * reference) for _ in range(replicates)),
            (judged(reference),) * replicates,
            np.zeros(size, np.int64),
        )
        for skill in skills
    ]


def test_crops_are_contrasted_one_by_one():
    rng = np.random.default_rng(3)
    target, null = crops(rng, 300, (0.6, 0.3))
    target_control, null_control = crops(rng, 200, (0.3, 0.3))
    sides = {"A": target, "control": target_control}
    nulls = {"null_A": null, "null_control": null_control}
    [contrast] = rows_of_null({**sides, **nulls}, {"0": [0]})
    [alone] = rows_of_null({"A": null, "control": null_control}, {"0": [0]})
    assert (contrast["set"], alone["set"]) == ("contrast", "null")

    def results(comparison, other=None):
        t = comparison.targets[0].correct.astype(float)
        return t - (0 if other is None else other.targets[0].correct), (
            comparison.references[0].correct.astype(float)
        )

    names = [f"adjusted_accuracy{end}" for end in ("", "_low", "_high", "_beta")]
    cases = (
        (contrast, results(target, null), results(target_control, null_control), (-1, 1)),
        (alone, results(null), results(null_control), (0, 1)),
    )
    for row, members, controls, ends in cases:
        value, low, high, slope, p_value = explicit(members, controls, ends)
        assert row["adjusted_accuracy"] == pytest.approx(value, abs=1e-12)
        # Pseudo-samples lie about means of classes there.
        assert [row[each] for each in names] == pytest.approx([value, low, high, slope], abs=4e-3)
        assert row["p_value"] == pytest.approx(p_value, abs=0.02)


def test_replicates_of_a_contrast_are_pooled():
    rng = np.random.default_rng(4)
    target, null = crops(rng, 200, (0.6, 0.3), 3)
    others = crops(rng, 200, (0.3, 0.3), 3)
    sides = {"A": target, "control": others[0], "null_A": null, "null_control": others[1]}
    replicates = {"0": [0], "1": [1], "2": [2], "two": [0, 1], "pooled": [0, 1, 2]}
    rows = {row["replicate"]: row for row in rows_of_null(sides, replicates)}
    values = [rows[each]["adjusted_accuracy"] for each in "012"]
    assert rows["pooled"]["adjusted_accuracy"] == pytest.approx(np.mean(values))
    assert rows["pooled"]["adjusted_accuracy_low"] < np.mean(values)
    assert rows["two"]["no_interval"] == "two seeds"
    assert np.isnan(rows["two"]["adjusted_accuracy_low"])


def test_of_images_each_null_model_meets_every_reference_alone_and_every_target():
    vision = {
        "models": {"a": {"kind": "ssl", "seeds": [1, 2, 3]}, "c": {}, "net": {}, "resnet": {}},
        "tests": {
            "two_model": [],
            "one_model": {
                "targets": ["a", "c"],
                "references": ["resnet", "naive_bayes@1"],
                "null_models": ["net"],
            },
        },
    }
    found = list(plan_vision.null_comparisons(vision))
    assert len(found) == 3 * 2
    alone, _, of_a, *_ = found
    assert (alone["target_model"], alone["null_model"]) == ("net", "net")
    assert alone["sides"] == {
        name: {"set": name, "targets": ["net"], "references": ["resnet"]}
        for name in ("A", "control")
    }
    assert of_a["sides"]["A"]["targets"] == ["a_s1", "a_s2", "a_s3"]
    assert of_a["sides"]["null_control"] == {
        "set": "control", "targets": ["net"] * 3, "references": [],
    }  # fmt: skip
    assert list(of_a["replicates"]) == ["1", "2", "3", "pooled"]
    assert "net" in plan_vision.predictors_in_tests(vision)
