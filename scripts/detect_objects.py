"""Labels and scores that a detector gives the images of one shard."""

from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import annotations, detection, tables
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Look at every image once, however many captions it has."""
    records = pl.DataFrame(pl.from_arrow(tables.read_parquet(job.input.records, ["id", "image"])))
    images = records.select(
        annotations.image_ids(pl.col("id"), job.params.captions), "image"
    ).unique("id", keep="first", maintain_order=True)
    rows = detection.detect(images, job.params.annotations, job.params.threads)
    tables.write_parquet(job.output[0], annotations.by_hash(rows, job.params.seed))


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
