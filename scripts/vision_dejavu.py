"""Déjà vu scores of every target model and reference: results/tables/vision_dejavu.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.files.csv import write_csv
from dejavu.job import Progress, run
from dejavu.samples.hashes import in_first_half
from dejavu.samples.images import read_crops
from dejavu.scores.intervals import Bootstrap
from dejavu.scores.judged import read_comparison
from dejavu.scores.vision import rows_of_pair

COLUMNS = {
    **dict.fromkeys(
        ("target_model", "reference", "test", "direction", "set", "replicate"), pl.String
    ),
    "confident": pl.Float64,
    "crops": pl.Int64,
    **dict.fromkeys(
        (
            *("accuracy_target", "accuracy_reference", "score", "score_low", "score_high"),
            *("p_value", "adjusted", "adjusted_low", "adjusted_high", "beta"),
        ),
        pl.Float64,
    ),
}


def main(job: Any) -> None:
    """Score every pair in every direction, set and replicate."""
    params = job.params
    left_out = duplicates.contaminated(job.input.left_out)
    halves = None
    if job.input.control:
        control = duplicates.without(read_crops(job.input.control), left_out)
        halves = in_first_half(control["id"].to_list(), params.seed)
    progress = Progress("scoring", len(params.comparisons), "pairs")
    rows = []
    for each in params.comparisons:
        parts = {name: read_comparison(side, left_out) for name, side in each["sides"].items()}
        if halves is not None:
            parts["first_half"] = parts["control"].where(halves)
            parts["second_half"] = parts["control"].where(~halves)
        names = {key: each[key] for key in ("target_model", "reference", "test")}
        bootstrap = Bootstrap(params.replications, (params.seed, *names.values()))
        for row in rows_of_pair(parts, each["replicates"], params.confident, bootstrap):
            rows.append({**names, **row})
        progress.advance(1)
    write_csv(job.output[0], rows, COLUMNS)


run(main)
