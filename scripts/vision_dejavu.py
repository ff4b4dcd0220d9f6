"""Déjà vu scores of every target model and reference: results/tables/vision_dejavu.csv."""

from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import duplicates, judged, splits, tables
from dejavu.intervals import Bootstrap
from dejavu.job import Progress, job_log
from dejavu.vision_scores import rows_of_pair

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


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
        control = duplicates.without(tables.read_crops(job.input.control), left_out)
        halves = splits.in_first_half(control["id"].to_list(), params.seed)
    progress = Progress("scoring", len(params.comparisons), "pairs")
    rows = []
    for each in params.comparisons:
        parts = {name: judged.comparison(side, left_out) for name, side in each["sides"].items()}
        if halves is not None:
            parts["first_half"] = parts["control"].where(halves)
            parts["second_half"] = parts["control"].where(~halves)
        names = {key: each[key] for key in ("target_model", "reference", "test")}
        bootstrap = Bootstrap(params.replications, (params.seed, *names.values()))
        for row in rows_of_pair(parts, each["replicates"], params.confident, bootstrap):
            rows.append({**names, **row})
        progress.advance(1)
    tables.write_csv(job.output[0], rows, COLUMNS)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
