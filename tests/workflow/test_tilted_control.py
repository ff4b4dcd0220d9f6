"""A control that is not quite like the target: numbers from the files, and the verdict's checks."""

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml

from dejavu.sources import scenes
from tests.conftest import SMALL, snakemake, written

pytestmark = pytest.mark.slow
TILT = {"kitchen": 4, "street": 2, "bedroom": 0.25}
HEADLINE = {"k": 10, "predict": "top10", "objects": "all"}


@pytest.fixture(scope="module")
def tilted(tmp_path_factory):
    """The smallest measurement with a control of other scenes and a null model, hardly trained."""
    config = yaml.safe_load(SMALL.read_text())
    vlm, text = config["vlm"], {"context_length": 16, "vocab_size": 49408, "width": 16}
    vlm["sources"]["world"]["pictures"] = 500
    vlm["sets"]["target"] |= {"from": 0, "fraction": 0.4}
    vlm["sets"]["public"] |= {"from": 0.4, "fraction": 0.6}
    vlm["sources"]["other"] = {
        "kind": "scenes", "pictures": 150, "parts": 1, "first": 500, "tilt": TILT,
    }  # fmt: skip
    vlm["sets"]["control"] = {"source": "other", "shards": 1}
    model = vlm["models"]["clip_a"]
    model["epochs"] = 2
    vlm["models"]["drawn"] = {
        "kind": "random",
        "model_cfg": {**model["model_cfg"], "text_cfg": {**text, "heads": 2, "layers": 1}},
    }
    vlm["models"]["pixels"] = {"kind": "pixels"}
    vlm["tests"]["one_model"]["null_models"] = ["drawn"]
    vlm["blind"] = {"model": "minilm"}
    folder = tmp_path_factory.mktemp("tilted")
    tables = [f"results/tables/vlm_{name}.csv" for name in ("ppg", "checks")]
    snakemake(folder, *tables, config=written(folder / "config.yaml", config))
    return folder


def shard(tilted, *parts):
    """Columns of the one shard of a set."""
    return pl.from_arrow(pq.read_table(tilted.joinpath("results/vlm", *parts, "0000.parquet")))


def table(tilted, name):
    return pl.read_csv(tilted / f"results/tables/vlm_{name}.csv", infer_schema_length=None)


def test_control_has_the_scenes_that_the_tilt_draws(tilted):
    captions = shard(tilted, "records", "control")["caption"]
    drawn = [scenes.picture(number, seed=0, tilt=TILT) for number in range(500, 650)]
    assert sorted(captions) == sorted(picture.caption for picture in drawn)


def test_the_gap_adjusted_for_the_shift_is_a_regression_of_the_files(tilted):
    """With pseudo-samples left out: the estimates alone."""
    rows = table(tilted, "ppg").filter(set="calibrated", **HEADLINE).to_dicts()
    [row] = rows
    frames, vectors = {}, {}
    for name in ("target", "control"):
        vectors[name] = np.stack(
            shard(tilted, "embeddings/minilm/caption", name)["embedding"].to_list()
        ).astype(float)
        sides = []
        for path in ("recovered/clip_a_s0/t2i", "recovered/minilm/t2t"):
            counts = shard(tilted, path, name)
            assert (counts["truth.all"] > 0).all()
            correct, predicted = (
                counts[f"{each}.10.top10.all"].to_numpy() for each in ("correct", "predicted")
            )
            sides.append(correct / np.maximum(predicted, 1))
        frames[name] = sides
    both = np.concatenate(list(vectors.values()))
    axes = np.linalg.eigh(np.cov(both.T)).eigenvectors
    number = row["shift_components"]
    assert number == len(vectors["control"]) // 5
    axes = axes[:, ::-1][:, :number]
    (t, g), (u, h) = frames["target"], frames["control"]
    design = np.column_stack([np.ones(len(u)), h, vectors["control"] @ axes])
    slopes = np.linalg.lstsq(design, u, rcond=None)[0]
    of_members = np.concatenate([[1, g.mean()], vectors["target"].mean(axis=0) @ axes])
    assert row["adjusted_shift"] == pytest.approx(t.mean() - of_members @ slopes, abs=1e-6)
    assert row["adjusted_shift_low"] < row["adjusted_shift"] < row["adjusted_shift_high"]
    bias = (of_members - design.mean(axis=0))[2:] @ slopes[2:]
    assert row["bias_bound"] > abs(bias)


def test_the_null_model_is_measured_and_the_verdict_has_all_checks(tilted):
    rows = table(tilted, "ppg").filter(**HEADLINE)
    gap = {row["set"]: row["adjusted_precision"] for row in rows.to_dicts()}
    assert gap["contrast"] == pytest.approx(gap["calibrated"] - gap["null"])
    checks = {row["check"]: row for row in table(tilted, "checks").to_dicts()}
    assert {"blind baseline of control", "shift of control", "null model drawn"} <= set(checks)
    [calibrated] = rows.filter(set="calibrated").to_dicts()
    shift = checks["shift of control"]
    assert shift["bound"] == pytest.approx(calibrated["bias_bound"])
    is_above = calibrated["adjusted_precision_low"] > calibrated["bias_bound"]
    assert (shift["outcome"] == "holds") == is_above
    assert is_above or not checks["verdict"]["outcome"].startswith("memorizes")
