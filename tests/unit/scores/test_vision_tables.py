"""Tables and gallery of images from files that lie elsewhere than the workflow has them."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import vision_agreement
import vision_classes
import vision_confidence
import vision_correlated
import vision_correlation
import vision_dejavu
import vision_gallery
import vision_memorized
import vision_quadrants
import vision_tags
from dejavu.config import domains, plan_vision, ranges
from dejavu.files.embeddings import write_embeddings
from dejavu.files.facts import read_json
from dejavu.files.neighbors import Neighbors, write_neighbors
from dejavu.files.parquet import write_parquet

CROPS = 40
TAGS = pa.list_(pa.struct([("tag", pa.string())]))
VISION = {
    "sets": {"A": {}, "B": {}, "control": {}},
    "models": {
        "a": {"kind": "ssl", "seeds": [3, 5], "train_on": "A"},
        "b": {"kind": "checkpoint", "trained_on": "B"},
        "resnet": {},
    },
    "tests": {
        "two_model": [{"target": "a", "reference": "b"}],
        "one_model": {"targets": ["a"], "references": ["resnet", "naive_bayes@2"]},
    },
}
PREDICTORS = ("a_s3", "a_s5", "b", "resnet", "naive_bayes@2")
REFERENCES = plan_vision.references(VISION)


@pytest.fixture
def crops(tmp_path, monkeypatch):
    """Predictions by predictor and set, with the files that a job is handed."""
    monkeypatch.chdir(tmp_path)
    labels = ["crib", "pig"] * (CROPS // 2)
    known, paths, records = {}, [], {}
    for name in (*VISION["sets"], "public"):
        place = domains.DOMAINS["vision"].sets.index(name)
        samples = ranges.first_number(place, 0) + np.arange(CROPS)
        records[name] = f"elsewhere/{name}.parquet"
        columns = {
            "sample": samples,
            "id": [f"{number}" for number in samples],
            "image": [""] * CROPS,
            "label": labels,
            "crop": [{"xmin": 0, "ymin": 0, "xmax": 9, "ymax": 9}] * CROPS,
            **{each: [None] * CROPS for each in ("width", "height", "boxes", "context")},
        }
        table = pa.table(columns)
        tags = pa.array([[{"tag": f"near {label}"}] for label in labels], TAGS)
        write_parquet(records[name], table.append_column("tags", tags))
        for predictor in PREDICTORS:
            rng = np.random.default_rng([place, PREDICTORS.index(predictor)])
            correct = rng.random(CROPS) < 0.5
            known[predictor, name] = {
                "sample": samples,
                "correct": correct,
                "prediction": labels,
                "confidence": -rng.random(CROPS),
                "entropy": rng.random(CROPS),
                "tiebreak": rng.random(CROPS),
                "top5": [
                    [label] if right else ["x"]
                    for label, right in zip(labels, correct, strict=True)
                ],
            }
            paths.append(f"elsewhere/{predictor}/{name}.parquet")
            write_parquet(paths[-1], pa.table(known[predictor, name]))
    return SimpleNamespace(known=known, paths=paths[::-1], records=records, labels=labels)


def table(script, crops, **inputs):
    """What a script makes of the files."""
    params = {
        "comparisons": list(plan_vision.comparisons(VISION)),
        "nulls": [],
        "shift_components": None,
        "references": REFERENCES,
        "confident": [1],
        "preferred": None,
        "tilt": [],
        "memorized": 100,
        "seed": 0,
        "digest": "config",
    }
    handed = {"predictions": crops.paths, "left_out": [], "blind": [], **inputs}
    job = SimpleNamespace(
        input=SimpleNamespace(**handed), params=SimpleNamespace(**params), output=["table.csv"]
    )
    script.main(job)
    types = {"replicate": pl.String}
    return pl.read_csv("table.csv", schema_overrides=types, infer_schema_length=None)


def records_of(crops, *sets):
    return [crops.records[name] for name in sets]


def right(crops, predictor, name="A"):
    return crops.known[predictor, name]["correct"]


def test_every_set_has_the_accuracies_of_its_crops(crops):
    found = table(vision_dejavu, crops, records=records_of(crops, "A", "B", "control"))
    assert found.columns[:3] == ["test", "target_model", "reference_model"]
    sides = {"target": ("A", "a_s5", "b"), "reference": ("B", "b", "a_s5")}
    sides["control"] = ("control", "a_s5", "b")
    for name, (place, target, reference) in sides.items():
        [row] = found.filter(reference_model="b", set=name, replicate="5", top=1).to_dicts()
        means = [right(crops, each, place).mean() for each in (target, reference)]
        assert [row["accuracy_target"], row["accuracy_reference"]] == pytest.approx(means)
        assert row["dejavu"] == pytest.approx(means[0] - means[1])
    assert set(found.filter(reference_model="resnet")["set"]) == {
        *("target", "control", "calibrated", "placebo", "nonmember")
    }


def test_a_blind_encoder_adjusts_the_calibrated_rows_alone(crops):
    """Least squares with a level for each class, control's classes weighed as A's."""
    vectors, paths = {}, []
    for name in ("A", "control"):
        samples = crops.known["a_s3", name]["sample"]
        vectors[name] = np.random.default_rng(len(name)).normal(size=(CROPS, 3)) + (name == "A")
        paths.append(f"elsewhere/pixels/crop/{name}/0000.parquet")
        facts = {"model": "pixels", "fingerprint": "", "versions": {}, "normalised": False}
        write_embeddings(paths[-1], samples, vectors[name].astype(np.float32), facts)
    records = records_of(crops, "A", "B", "control")
    found = table(vision_dejavu, crops, records=records, blind=paths)
    plain = table(vision_dejavu, crops, records=records)
    assert plain["adjusted_shift"].null_count() == len(plain)
    assert plain.select("set", "adjusted_accuracy").equals(found.select("set", "adjusted_accuracy"))
    shifted = found.filter(pl.col("adjusted_shift").is_not_null())
    assert set(shifted["set"]) == {"calibrated"}
    [row] = shifted.filter(reference_model="resnet", replicate="3", top=1).to_dicts()
    assert row["shift_components"] == 3
    frames = {}
    for name in ("A", "control"):
        g = right(crops, "resnet", name).astype(float)
        frames[name] = right(crops, "a_s3", name), np.column_stack([g, vectors[name]])
    (t, x), (u, y) = frames["A"], frames["control"]
    classes = np.arange(CROPS) % 2
    design = np.column_stack([classes == 0, classes == 1, y]).astype(float)
    slopes = np.linalg.lstsq(design, u.astype(float), rcond=None)[0][2:]
    reach = x.mean(axis=0) - y.mean(axis=0)
    expected = t.mean() - u.mean() - reach @ slopes
    assert row["adjusted_shift"] == pytest.approx(expected, abs=1e-6)
    assert row["adjusted_shift_low"] < expected < row["adjusted_shift_high"]
    assert row["bias_bound"] > abs(reach[1:] @ slopes[1:])


def test_quadrants_have_the_sets_of_the_scores(crops):
    found = table(vision_quadrants, crops, records=records_of(crops, "A", "B", "control"))
    wins = right(crops, "a_s3") & ~right(crops, "b")
    others = right(crops, "b", "B") & ~right(crops, "a_s3", "B")
    rows = found.filter(reference_model="b", replicate="3", top=1)
    assert dict(rows.select("set", "memorized").rows()) == pytest.approx(
        {
            "target": wins.mean(),
            "reference": others.mean(),
            "symmetric": (wins.mean() + others.mean()) / 2,
        }
    )
    false = right(crops, "a_s3", "control") & ~right(crops, "b", "control")
    [row] = rows.filter(set="target").to_dicts()
    assert row["expected_false"] == pytest.approx(CROPS * false.mean())
    assert found.select("test", "reference_model").unique(maintain_order=True).rows() == [
        ("two_model", "b"),
        ("one_model", "resnet"),
        ("one_model", "naive_bayes@2"),
    ]


def test_memorized_crops_and_their_bins_are_of_the_first_replicate(crops):
    memorized = table(vision_memorized, crops, records=records_of(crops, "A", "control"))
    bins = table(vision_confidence, crops, records=records_of(crops, "A", "control"))
    for test, reference in (("two_model", "b"), ("one_model", "resnet")):
        wins = right(crops, "a_s3") & ~right(crops, reference)
        rows = memorized.filter(test=test, target_model="a", reference_model=reference)
        samples = crops.known["a_s3", "A"]["sample"][wins]
        assert sorted(rows["sample"]) == samples.tolist()
        of_pair = bins.filter(reference_model=reference)
        assert of_pair["crops"].sum() == wins.sum()
        others = right(crops, "a_s3", "control") & ~right(crops, reference, "control")
        assert of_pair["expected_false"].sum() == pytest.approx(CROPS * others.mean())


def test_correlated_crops_are_those_that_the_reference_gets_right_its_surest_first(crops):
    found = table(vision_correlated, crops, records=[crops.records["A"]])
    assert found.select("test", "reference_model").unique(maintain_order=True).rows() == [
        ("two_model", "b"),
        ("one_model", "resnet"),
        ("one_model", "naive_bayes@2"),
    ]
    for reference in ("b", "resnet"):
        told = {name: crops.known[name, "A"] for name in ("a_s3", reference)}
        expected = sorted(
            (-sure, sample, "correlated" if own else "misrepresented", confidence)
            for sample, sure, answer, own, confidence in zip(
                told[reference]["sample"],
                told[reference]["confidence"],
                told[reference]["correct"],
                told["a_s3"]["correct"],
                told["a_s3"]["confidence"],
                strict=True,
            )
            if answer
        )
        rows = found.filter(reference_model=reference)
        columns = ("confidence_reference", "sample", "quadrant", "confidence_target")
        held = [(-sure, *rest) for sure, *rest in rows.select(columns).iter_rows()]
        assert held == expected
        assert rows["rank"].to_list() == list(range(1, len(expected) + 1))
        labels = dict(zip(told["a_s3"]["sample"].tolist(), crops.labels, strict=True))
        assert rows["label"].to_list() == [labels[sample] for sample in rows["sample"]]
        assert rows["prediction_target"].to_list() == rows["label"].to_list()
        assert set(rows["quadrant"]) == {"correlated", "misrepresented"}


def test_the_documented_lines_tell_the_quadrant_of_every_crop(crops):
    places = {"a_s3": "vicreg_a_s0", "resnet": "resnet_s0"}
    for name, shown in places.items():
        known = pa.table(crops.known[name, "A"])
        write_parquet(f"results/vision/predictions/{shown}/A.parquet", known)
    page = (Path(__file__).parents[3] / "docs/evidence.md").read_text()
    [lines] = [
        each for each in re.findall(r"```python\n(.*?)```", page, re.S) if "quadrant" in each
    ]
    exec(lines, {})
    found = pl.read_parquet("quadrants.parquet")
    names = {(1, 1): "correlated", (1, 0): "memorized", (0, 1): "misrepresented"}
    expected = {
        sample: names.get((own, other), "unassociated")
        for sample, own, other in zip(
            crops.known["a_s3", "A"]["sample"].tolist(),
            right(crops, "a_s3").tolist(),
            right(crops, "resnet").tolist(),
            strict=True,
        )
    }
    assert dict(found.rows()) == expected and len(set(expected.values())) == 4


def test_references_are_judged_by_their_own_files(crops):
    correlation = table(vision_correlation, crops, records=[crops.records["A"]])
    classes = table(vision_classes, crops, records=[crops.records["A"]])
    agreement = table(vision_agreement, crops)
    everywhere = correlation.filter(on="all")
    assert everywhere["reference_model"].to_list() == ["b", "resnet", "naive_bayes@2"]
    for row in everywhere.to_dicts():
        mean = right(crops, row["reference_model"]).mean()
        assert row["accuracy_top1"] == row["accuracy_top5"] == pytest.approx(mean)
    for reference, label, percent in classes.select(
        "reference_model", "label", "percent"
    ).iter_rows():
        own = right(crops, reference)[np.array(crops.labels) == label]
        assert percent == pytest.approx(100 * own.mean())
    for first, second, value in agreement.rows():
        assert value == pytest.approx((right(crops, first) == right(crops, second)).mean())


def test_tags_are_those_of_the_crops(crops):
    handed = {"samples": [crops.records["A"]], "predictions": ["elsewhere/naive_bayes@2/A.parquet"]}
    found = table(vision_tags, crops, **handed)
    assert set(found.rows()) == {
        (label, f"near {label}", CROPS // 2, 1.0, 2.0) for label in ("crib", "pig")
    }


def test_examples_have_the_neighbours_under_their_own_model(crops):
    memorized = table(vision_memorized, crops, records=records_of(crops, "A", "control"))
    samples = crops.known["b", "A"]["sample"]
    near = {"a_s3": 7, "b": 9}
    public = ranges.first_number(domains.DOMAINS["vision"].sets.index("public"), 0)
    paths = []
    for model, row in near.items():
        paths.append(f"far/{model}/crop/A/0000.parquet")
        neighbors = np.full((CROPS, 1), public + row)
        write_neighbors(paths[-1], Neighbors(samples, neighbors, np.zeros((CROPS, 1)), {}))
    inputs = {
        "predictions": crops.paths, "neighbors": paths, "memorized": ["table.csv"], "tags": [],
        "samples": [crops.records["A"]], "public": [crops.records["public"]], "left_out": [],
        "evidence": [],
    }  # fmt: skip
    params = {
        "rates": [0.1],
        "pairs": plan_vision.shown_pairs(VISION),
        "predictors": {"a": "a_s3", **{each: each for each in PREDICTORS[2:]}},
        "references": [each["name"] for each in REFERENCES],
        "two_model": ["b"],
        "digest": "config",
    }
    job = SimpleNamespace(
        input=SimpleNamespace(**inputs), params=SimpleNamespace(**params), output=["gallery.json"]
    )
    vision_gallery.main(job)
    groups = {group["group"]: group for group in read_json("gallery.json")["groups"]}
    assert groups["memorized"]["reference_model"] == "b"
    wins = set(samples[right(crops, "a_s3") & ~right(crops, "b")].tolist())
    listed = [each["sample"] for each in groups["memorized"]["examples"]]
    assert set(listed) <= wins
    [held] = memorized.filter(reference_model="b", rank=len(listed)).to_dicts()
    assert groups["memorized"]["expected_false"] == held["expected_false"] > 0
    assert all("expected_false" not in groups[name] for name in groups if name != "memorized")
    for group, model in (("memorized", "a_s3"), ("neighbours right", "b")):
        assert groups[group]["examples"]
        for example in groups[group]["examples"]:
            assert [each["id"] for each in example["neighbors"]] == [f"{public + near[model]}"]
