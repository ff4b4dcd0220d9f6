"""The classes that each reference predicts best: results/tables/vision_classes.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.samples.images import read_crops
from dejavu.scores.judged import read_judged
from dejavu.scores.vision import best_classes

COLUMNS = {
    "reference_model": pl.String,
    "rank": pl.Int64,
    "label": pl.String,
    "crops": pl.Int64,
    "percent": pl.Float64,
}


def main(job: Any) -> None:
    """Rank the classes by each reference's accuracy on A's crops."""
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    crops = duplicates.without(read_crops(job.input.records), left_out)
    labels = crops["label"].to_list()
    predictions = layout.predictions_of(job.input.predictions)
    rows = []
    for reference in job.params.references:
        path = predictions[reference["alone"]["predictors"][0], "A"]
        for row in best_classes(read_judged(path, left_out).correct, labels):
            rows.append({"reference_model": reference["name"], **row})
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
