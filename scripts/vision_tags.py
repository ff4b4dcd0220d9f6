"""The commonest dataset-level correlations: results/tables/vision_tags.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.errors import InputError
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.samples.images import read_crops
from dejavu.scores.judged import read_judged
from dejavu.scores.vision import best_classes

LEAST_CROPS = 5
COLUMNS = {
    "label": pl.String,
    "tag": pl.String,
    "crops": pl.Int64,
    "p_tag_given_label": pl.Float64,
    "lift": pl.Float64,
}


def main(job: Any) -> None:
    """Find the tags that are the most typical of the labels that Naive Bayes predicts best."""
    if job.params.predictor is None:
        raise InputError(
            "vision_tags.csv shows what Naive Bayes goes by: add naive_bayes@ and a number of tags"
            " to vision.tests.one_model.references."
        )
    left_out = duplicates.contaminated(job.input.left_out)
    crops = duplicates.without(read_crops(job.input.samples, ["tags"]), left_out)
    correct = read_judged(job.params.predictor, "A", left_out).correct
    best = [row["label"] for row in best_classes(correct, crops["label"].to_list())]
    rows = typical_tags(crops.select("label", "tags"), best)
    write_csv(job.output[0], rows.to_dicts(), COLUMNS)


def typical_tags(crops: pl.DataFrame, labels: list[str]) -> pl.DataFrame:
    """Tags on at least five crops of one of the labels, the highest lift first."""
    tagged = (
        crops.with_row_index("crop")
        .explode("tags")
        .select("crop", "label", tag=pl.col("tags").struct.field("tag"))
        .drop_nulls("tag")
        .unique()
    )
    overall = tagged.group_by("tag").agg(rate=pl.len() / len(crops))
    sizes = crops.group_by("label").agg(size=pl.len())
    return (
        tagged.filter(pl.col("label").is_in(labels))
        .group_by("label", "tag")
        .agg(crops=pl.len().cast(pl.Int64))
        .filter(pl.col("crops") >= LEAST_CROPS)
        .join(sizes, on="label")
        .join(overall, on="tag")
        .with_columns(p_tag_given_label=pl.col("crops") / pl.col("size"))
        .with_columns(lift=pl.col("p_tag_given_label") / pl.col("rate"))
        .sort("lift", "label", "tag", descending=[True, False, False])
        .select(list(COLUMNS))
    )


run(main)
