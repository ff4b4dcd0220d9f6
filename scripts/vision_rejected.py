"""Images of the sources that were left out: results/tables/vision_rejected.csv."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from dejavu.files.csv import write_csv_parts
from dejavu.files.parquet import read_parquet
from dejavu.job import run

COLUMNS = ["set", "source", "item", "reason"]


def main(job: Any) -> None:
    """List rejected images; a set stands where the source gives one set alone."""
    write_csv_parts(job.output[0], parts_of(job), job.params.digest)


def parts_of(job: Any) -> Iterator[pl.DataFrame]:
    """The images of each file, after a header."""
    params = job.params
    paths = iter(job.input)
    yield pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String))
    for source, parts in params.parts.items():
        fed = [name for name, of_set, _ in params.sets if of_set == source]
        for _ in range(parts):
            yield rejected(next(paths), source, fed[0] if len(fed) == 1 else None)
    for name, source, shards in params.sets:
        for _ in range(shards):
            yield rejected(next(paths), source, name)


def rejected(path: str, source: str, set_name: str | None) -> pl.DataFrame:
    """The images of one file."""
    items = pl.DataFrame(pl.from_arrow(read_parquet(path, ["item", "reason"])))
    return items.with_columns(set=pl.lit(set_name), source=pl.lit(source)).select(COLUMNS)


run(main)
