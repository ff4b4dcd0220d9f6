"""How often two references are right or wrong together: results/tables/vision_agreement.csv."""

from itertools import combinations
from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.scores.judged import read_judged
from dejavu.scores.vision import agreement

COLUMNS = {"first": pl.String, "second": pl.String, "agreement": pl.Float64}


def main(job: Any) -> None:
    """Compare every pair of references on A's crops."""
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    predictions = layout.predictions_of(job.input.predictions)
    correct = {}
    for reference in job.params.references:
        path = predictions[reference["alone"]["predictors"][0], "A"]
        correct[reference["name"]] = read_judged(path, left_out).correct
    rows = [
        {"first": first, "second": second, "agreement": agreement(correct[first], correct[second])}
        for first, second in combinations(correct, 2)
    ]
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
