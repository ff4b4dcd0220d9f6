"""Tables of sweeps: the primary scores of points on what all of them learned, by plain counts."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import vision_sweeps
import vlm_sweeps
from dejavu.config import domains, layout, plan, ranges
from dejavu.files.csvw import write_frames
from dejavu.files.facts import write_json
from dejavu.files.parquet import write_parquet
from dejavu.scores import recovered
from dejavu.scores.recovered import Setting

SETTING = Setting(10, "all", "all")
ROWS = 40
NAMES = ("a", "b", "a_train_fraction_0_5", "b_train_fraction_0_5")


def sized(kind, *trained_on):
    """Two models, and both at the point that learns half of its set."""
    return {
        name: {"kind": kind, "train_on": trained_on["b" in name[0]], "train_fraction": fraction}
        for name, fraction in zip(NAMES, (1, 1, 0.5, 0.5), strict=True)
    }


SWEEP = {"target": "a", "reference": "b", "vary": {"train_fraction": [0.5, 1]}}
SWEEP |= {"taken": {name: [f"{name}_train_fraction_0_5", name] for name in ("a", "b")}}
VLM = {
    "sets": {"target": {}, "reference": {}, "control": {}},
    **{"queries": ["t2i"], "k": [10], "predict": ["all"], "objects": ["all"], "headline": {}},
    "models": {**sized("clip", "target", "reference"), "g": {"kind": "sentence_transformers"}},
    "tests": {"one": {"kind": "one_model", "target": "a", "reference": "g"}},
    "sweeps": {"size": SWEEP},
    "utility": {},
}
VISION = {
    "sets": {"A": {}, "B": {}, "control": {}},
    "k": 5,
    "models": sized("ssl", "A", "B"),
    "tests": {"two_model": [], "one_model": {"targets": ["a"], "references": ["naive_bayes@1"]}},
    "sweeps": {"size": SWEEP},
}


def handed(domain, settings, **further):
    """Plans, and what is given to a script beside its own files."""
    plans = plan.sweeps(domain, settings)
    for name in {path for each in plans for point in each["points"] for path in point["histories"]}:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        loss = [2.0, 0.5 if "fraction" in name else 0.25]
        write_frames(name, [pl.DataFrame({"epoch": [1, 2], "loss": loss})], None)
    for path in {point["utility"] for each in plans for point in each["points"]} - {None}:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"right": 30, "images": 40})
    params = SimpleNamespace(plans=plans, digest="sweeps", tables_digest="tables")
    return SimpleNamespace(
        input=SimpleNamespace(left_out=[], **further), params=params, output=["table.csv"]
    )


def one(table, **keys):
    [row] = table.filter(**keys).to_dicts()
    return row


def test_captions_are_scored_on_the_part_that_every_point_learned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    right, files = {}, []
    for model, query in (*((f"{name}_s0", "t2i") for name in NAMES), ("g", "t2t")):
        for place, name in enumerate(("target", "reference", "control")):
            for shard in range(2):
                rng = np.random.default_rng([place, shard, len(model), ord(model[0])])
                found = rng.integers(0, 5, ROWS)
                samples = np.arange(ROWS) + ranges.first_number(place, shard)
                counts = {SETTING: np.full(ROWS, 4)}, {SETTING: found}
                half = np.arange(ROWS) % 2 == 0 if name == "control" else None
                path = f"{model}/{query}/{name}/{layout.shard_name(shard)}.parquet"
                distance, truth = np.zeros(ROWS, np.float32), {"all": np.full(ROWS, 4)}
                recovered.write(path, samples, half, distance, truth, *counts)
                files.append(path)
                right.setdefault((model, name), []).extend(found / 4)
    vlm_sweeps.main(handed("vlm", VLM, recovered=files[::-1]))
    table = pl.read_csv("table.csv", schema_overrides={"value_1": pl.String})
    assert table.columns == list(vlm_sweeps.COLUMNS) and len(table) == 4
    right = {key: np.array(values) for key, values in right.items()}
    for value, a, b in (("0.5", *NAMES[2:]), ("1", *NAMES[:2])):
        a, b = f"{a}_s0", f"{b}_s0"
        first = slice(0, ROWS)
        two = one(table, kind="two_model", value_1=value)
        wins = np.sign(right[a, "target"] - right[b, "target"])[first].mean()
        losses = np.sign(right[b, "reference"] - right[a, "reference"])[first].mean()
        assert two["ppg"] == pytest.approx((wins + losses) / 2)
        assert two["ppg_low"] < two["ppg"] < two["ppg_high"] and two["targets"] == 2 * ROWS
        assert (two["fraction"], two["point"]) == (0.5, f"train_fraction={value}")
        assert two["adjusted_precision"] is None
        alone = one(table, kind="one_model", value_1=value)
        # All of control.
        beta, base = np.polyfit(right["g", "control"], right[a, "control"], 1)
        gap = (right[a, "target"] - base - beta * right["g", "target"])[first].mean()
        assert alone["adjusted_precision"] == pytest.approx(gap)
        assert alone["ppg"] is None and alone["reference_model"] == "g"
        assert alone["training_loss"] == (0.5 if value == "0.5" else 0.25)
        assert alone["zero_shot"] == 0.75 and 0.5 < alone["zero_shot_low"] < 0.75


def test_crops_are_scored_on_the_part_of_each_class_that_every_point_learned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    labels = ["crib"] * 24 + ["pig"] * (ROWS - 24)
    records, right, files = {}, {}, []
    for name in VISION["sets"]:
        place = domains.DOMAINS["vision"].sets.index(name)
        samples = ranges.first_number(place, 0) + np.arange(ROWS)
        records[name] = [f"{name}.parquet"]
        columns = {"sample": samples, "id": [str(each) for each in samples], "image": [""] * ROWS}
        columns |= {"label": labels}
        columns |= {"crop": [{"xmin": 0, "ymin": 0, "xmax": 9, "ymax": 9}] * ROWS}
        write_parquet(records[name][0], pa.table(columns))
        for model in (*(f"{name}_s0" for name in NAMES), "naive_bayes@1"):
            rng = np.random.default_rng([place, len(model), ord(model[0])])
            right[model, name] = rng.random(ROWS) < 0.5
            files.append(f"{model}/{name}.parquet")
            zero = np.zeros(ROWS)
            told = {"correct": right[model, name], "confidence": zero, "entropy": zero}
            told |= {"tiebreak": zero, "top5": [["x"]] * ROWS}
            write_parquet(files[-1], pa.table({"sample": samples, **told}))
    vision_sweeps.main(handed("vision", VISION, predictions=files, **records))
    table = pl.read_csv("table.csv", schema_overrides={"value_1": pl.String})
    assert table.columns == list(vision_sweeps.COLUMNS) and len(table) == 4
    kept = np.r_[0:12, 24:32]
    for value, a, b in (("0.5", *NAMES[2:]), ("1", *NAMES[:2])):
        a, b = f"{a}_s0", f"{b}_s0"
        two = one(table, kind="two_model", value_1=value)
        gaps = [
            right[first, name][kept].mean() - right[second, name][kept].mean()
            for first, second, name in ((a, b, "A"), (b, a, "B"))
        ]
        assert two["dejavu"] == pytest.approx(np.mean(gaps)) and two["crops"] == 2 * len(kept)
        assert (two["k"], two["fraction"]) == (5, 0.5)
        alone = one(table, kind="one_model", value_1=value)
        assert alone["adjusted_accuracy"] is not None and alone["dejavu"] is None
        assert alone["crops"] == len(kept)
