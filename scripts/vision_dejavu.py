"""Déjà vu scores of every target model and reference: results/tables/vision_dejavu.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import Progress, run
from dejavu.samples.hashes import in_first_half
from dejavu.samples.images import read_crops
from dejavu.scores.intervals import Bootstrap
from dejavu.scores.judged import read_comparison
from dejavu.scores.vision import rows_of_pair

NAMES = ("test", "target_model", "reference_model")
SCORES = [f"dejavu{end}" for end in ("", "_low", "_high")]
MEANS = ["accuracy_target", "accuracy_reference"]
ADJUSTED = [f"adjusted_accuracy{end}" for end in ("", "_low", "_high", "_beta")]
COLUMNS = {
    **dict.fromkeys((*NAMES, "replicate"), pl.String),
    "confident": pl.Float64,
    "set": pl.String,
    "crops": pl.Int64,
    **dict.fromkeys((*SCORES, *MEANS, "p_value", *ADJUSTED), pl.Float64),
}


def main(job: Any) -> None:
    """Score every pair on every set and replicate."""
    params = job.params
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    halves = None
    if job.input.control:
        control = duplicates.without(read_crops(job.input.control), left_out)
        halves = in_first_half(control["id"].to_list(), params.seed)
    predictions = layout.predictions_of(job.input.predictions)
    progress = Progress("scoring", len(params.comparisons), "pairs")
    rows = []
    for each in params.comparisons:
        parts = {
            name: read_comparison(side, predictions, left_out)
            for name, side in each["sides"].items()
        }
        if halves is not None:
            parts["first_half"] = parts["control"].where(halves)
            parts["second_half"] = parts["control"].where(~halves)
        test, target, reference = (each[key] for key in NAMES)
        bootstrap = Bootstrap(params.replications, (params.seed, target, reference, test))
        for row in rows_of_pair(parts, each["replicates"], params.confident, bootstrap):
            rows.append({**{key: each[key] for key in NAMES}, **row})
        progress.advance(1)
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
