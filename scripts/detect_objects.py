"""Labels and scores that a detector gives the images of one shard."""

from typing import Any

import polars as pl

from dejavu.files.parquet import read_parquet, write_parquet
from dejavu.job import run
from dejavu.labels import annotations, detection
from dejavu.samples.texts import image_ids


def main(job: Any) -> None:
    """Look at every image once, however many captions it has."""
    records = pl.DataFrame(pl.from_arrow(read_parquet(job.input.records, ["id", "image"])))
    images = records.select(image_ids(pl.col("id"), job.params.captions), "image").unique(
        "id", keep="first", maintain_order=True
    )
    rows = detection.detect(images, job.params.annotations, job.params.threads)
    write_parquet(job.output[0], annotations.by_hash(rows, job.params.seed))


run(main)
