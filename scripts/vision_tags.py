"""The commonest dataset-level correlations: results/tables/vision_tags.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.errors import InputError
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.samples.images import read_crops
from dejavu.scores.judged import read_judged
from dejavu.scores.lifts import typical_tags
from dejavu.scores.vision import best_classes

COLUMNS = {
    "label": pl.String,
    "tag": pl.String,
    "crops": pl.Int64,
    "p_tag_given_label": pl.Float64,
    "lift": pl.Float64,
}


def main(job: Any) -> None:
    """Find the tags that are the most typical of the labels that Naive Bayes predicts best."""
    if not job.input.predictions:
        raise InputError(
            "vision_tags.csv shows what Naive Bayes goes by: add naive_bayes@ and a number of tags"
            " to vision.tests.one_model.references."
        )
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    crops = duplicates.without(read_crops(job.input.samples, ["tags"]), left_out)
    correct = read_judged(job.input.predictions[0], left_out).correct
    best = [row["label"] for row in best_classes(correct, crops["label"].to_list())]
    rows = typical_tags(crops.select("label", "tags"), best)
    write_csv(job.output[0], rows.to_dicts(), COLUMNS, job.params.digest)


run(main)
