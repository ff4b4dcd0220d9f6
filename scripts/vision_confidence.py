"""How sure the memorized crops are: results/tables/vision_confidence.csv."""

from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import duplicates, judged, tables
from dejavu.job import job_log
from dejavu.vision_scores import confidence_bins, memorized

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


COLUMNS = {
    **dict.fromkeys(("target_model", "reference", "test"), pl.String),
    **dict.fromkeys(("low", "high"), pl.Float64),
    "crops": pl.Int64,
}


def main(job: Any) -> None:
    """Count A's memorized crops by their memorization confidence."""
    left_out = duplicates.contaminated(job.input.left_out)
    rows = []
    for each in job.params.comparisons:
        comparison = judged.comparison(each["sides"]["A"], left_out)
        _, confidence = memorized(comparison.targets[0], comparison.references[0])
        facts = {key: each[key] for key in ("target_model", "reference", "test")}
        rows += [{**facts, **row} for row in confidence_bins(confidence)]
    tables.write_csv(job.output[0], rows, COLUMNS)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
