"""Scores from arrays are those of the workflow's tables."""

import numpy as np
import polars as pl
import pytest

from dejavu.arrays import caption_scores, crop_scores, voted_labels


def read(folder):
    """All shards of a folder, by sample."""
    return pl.concat([pl.read_parquet(path) for path in folder.glob("*.parquet")]).sort("sample")


def neighbors_of(ranking, public):
    """Rows of public in the place of sample numbers, int [n, k]."""
    found = np.stack(ranking["neighbors"].to_numpy())
    return np.searchsorted(public["sample"].to_numpy(), found)


def agree(table, rows):
    """Every cell is the workflow's; `rows` are of one test and setting."""
    known = {row["set"]: row for row in rows.to_dicts()}
    for row in table.to_dicts():
        same = known[row["set"]]
        assert row == pytest.approx({name: same[name] for name in row}, nan_ok=True), row["set"]


@pytest.mark.parametrize(("k", "predict"), [(10, "top10"), (1, "all")])
def test_captions_have_the_scores_of_a_run(smoke_run, k, predict):
    results = smoke_run[0] / "results"
    public = read(results / "vlm/samples/public")
    table = pl.read_csv(results / "tables/vlm_ppg.csv", infer_schema_length=None)
    setting = {"query": "t2i", "k": k, "predict": predict, "objects": "all", "replicate": 0}
    for test, model, query, sets in (
        ("two_model", "clip_b_s0", "t2i", ("target", "control", "reference")),
        ("one_model", "minilm", "t2t", ("target", "control")),
    ):
        objects, target, reference = {}, {}, {}
        for name in sets:
            objects[name] = read(results / f"vlm/samples/{name}")["objects"].to_list()
            for side, path in ((target, "clip_a_s0/t2i"), (reference, f"{model}/{query}")):
                ranking = read(results / f"vlm/neighbors/{path}/{name}")
                side[name] = neighbors_of(ranking, public)[:, :k]
        scores = caption_scores(objects, target, reference, public["objects"].to_list(), predict)
        agree(scores, table.filter(test=test, **setting))


def test_crops_have_the_scores_of_a_run(vision_smoke_run):
    results = vision_smoke_run / "results"
    public = read(results / "vision/samples/public")
    table = pl.read_csv(results / "tables/vision_dejavu.csv", infer_schema_length=None)
    for test, model, sets in (
        ("two_model", "vicreg_b", ("A", "control", "B")),
        ("one_model", "resnet", ("A", "control")),
    ):
        labels, target, reference = {}, {}, {}
        for name in sets:
            predicted = pl.read_parquet(
                results / f"vision/predictions/{model}_s0/{name}.parquet"
            ).sort("sample")
            reference[name] = predicted["prediction"].to_list()
            crops = read(results / f"vision/samples/{name}").join(predicted, "sample", how="semi")
            labels[name] = crops["label"].to_list()
            ranking = read(results / f"vision/neighbors/vicreg_a_s0/crop/{name}")
            rows = neighbors_of(ranking, public)
            target[name] = voted_labels(rows, public["label"].to_list())
        scores = crop_scores(labels, target, reference)
        kept = {"target_model": "vicreg_a", "reference_model": model, "replicate": "0"}
        rows = table.with_columns(pl.col("replicate").cast(pl.String))
        agree(scores, rows.filter(test=test, top=1, confident=1.0, **kept))
