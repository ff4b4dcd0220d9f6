"""The classes that each reference predicts best: results/tables/vision_classes.csv."""

from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import duplicates, judged, tables
from dejavu.job import job_log
from dejavu.vision_scores import best_classes

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


COLUMNS = {
    "reference": pl.String,
    "rank": pl.Int64,
    "label": pl.String,
    "crops": pl.Int64,
    "percent": pl.Float64,
}


def main(job: Any) -> None:
    """Rank the classes by each reference's accuracy on A's crops."""
    left_out = duplicates.contaminated(job.input.left_out)
    crops = duplicates.without(tables.read_crops(job.input.records), left_out)
    labels = crops["label"].to_list()
    rows = []
    for reference in job.params.references:
        correct = judged.judged(reference["alone"]["predictors"][0], "A", left_out).correct
        for row in best_classes(correct, labels):
            rows.append({"reference": reference["name"], **row})
    tables.write_csv(job.output[0], rows, COLUMNS)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
