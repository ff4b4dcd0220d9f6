"""Near-duplicates between the sets of a domain: results/tables/{domain}_contamination.csv."""

from typing import Any

import polars as pl
import pyarrow as pa

from dejavu.audits import duplicates
from dejavu.files.csv import write_csv
from dejavu.files.parquet import read_parquet
from dejavu.job import run

COLUMNS = {
    "first_set": pl.String,
    "first_sample": pl.Int64,
    "second_set": pl.String,
    "second_sample": pl.Int64,
    "similarity": pl.Float64,
}
# Rounding that other orders of summation don't reach.
DECIMALS = 6


def main(job: Any) -> None:
    """List the pairs of all shards, by their sample numbers."""
    pairs = pa.concat_tables([read_parquet(path) for path in job.input])
    frame = pl.DataFrame(pl.from_arrow(pairs)).sort("first_sample", "second_sample")
    frame = frame.with_columns(pl.col("similarity").round(DECIMALS))
    for side in ("first", "second"):
        sets = duplicates.sets_of(frame[f"{side}_sample"].to_numpy(), job.params.sets)
        frame = frame.with_columns(pl.Series(f"{side}_set", sets, dtype=pl.String))
    write_csv(
        job.output[0], frame.select(list(COLUMNS)).iter_rows(named=True), COLUMNS, job.params.digest
    )


run(main)
