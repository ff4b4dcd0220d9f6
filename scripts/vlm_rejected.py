"""Items of the sources that were left out: results/tables/vlm_rejected.csv."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from dejavu.files.csv import write_csv_parts
from dejavu.files.parquet import read_parquet
from dejavu.job import run

COLUMNS = ["set", "source", "item", "reason"]


def main(job: Any) -> None:
    """List rejected items with the set that their ids belong to."""
    write_csv_parts(job.output[0], parts_of(job), job.params.digest)


def parts_of(job: Any) -> Iterator[pl.DataFrame]:
    """The items of each file, after a header."""
    params = job.params
    paths = iter(job.input)
    yield pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String))
    for source, parts in params.parts.items():
        # An item outside every set, or without an id, is told of all the same.
        inside = [
            pl.when(pl.col("hash").is_between(low, high - 1)).then(pl.lit(name))
            for name, (low, high) in params.ranges[source].items()
        ]
        for _ in range(parts):
            yield rejected(next(paths), source, pl.coalesce(inside))
    for name, source, shards in params.sets:
        for _ in range(shards):
            yield rejected(next(paths), source, pl.lit(name))


def rejected(path: str, source: str, set_name: pl.Expr) -> pl.DataFrame:
    """The items of one file."""
    items = pl.DataFrame(pl.from_arrow(read_parquet(path)))
    return items.with_columns(set=set_name, source=pl.lit(source)).select(COLUMNS)


run(main)
