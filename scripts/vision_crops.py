"""Images with and without a background crop, by reason: results/tables/vision_crops.csv."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import tables
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


COLUMNS = {"set": pl.String, "crop_status": pl.String, "images": pl.Int64}


def main(job: Any) -> None:
    """Count the images of every set by the status of their crop."""
    remaining = iter(job.input)
    rows = []
    for name, shards in job.params.shards.items():
        counts: Counter[str] = Counter()
        for _ in range(shards):
            records = tables.read_parquet(next(remaining), ["crop_status"])
            counts.update(tables.column_strings(records, "crop_status"))
        for status, images in sorted(counts.items()):
            rows.append({"set": name, "crop_status": status, "images": images})
    tables.write_csv(job.output[0], rows, COLUMNS)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
