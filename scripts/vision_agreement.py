"""How often two references are right or wrong together: results/tables/vision_agreement.csv."""

from itertools import combinations
from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import duplicates, judged, tables
from dejavu.job import job_log
from dejavu.vision_scores import agreement

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


COLUMNS = {"first": pl.String, "second": pl.String, "agreement": pl.Float64}


def main(job: Any) -> None:
    """Compare every pair of references on A's crops."""
    left_out = duplicates.contaminated(job.input.left_out)
    correct = {
        reference["name"]: judged.judged(reference["alone"]["predictors"][0], "A", left_out).correct
        for reference in job.params.references
    }
    rows = [
        {"first": first, "second": second, "agreement": agreement(correct[first], correct[second])}
        for first, second in combinations(correct, 2)
    ]
    tables.write_csv(job.output[0], rows, COLUMNS)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
