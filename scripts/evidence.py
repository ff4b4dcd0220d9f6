"""The samples that are listed as memorized: results/tables/{domain}_evidence.csv."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from dejavu.audits import evidence
from dejavu.files.csv import write_csv_parts
from dejavu.job import run

COLUMNS = {
    **dict.fromkeys(("test", "target_model", "reference_model", "features"), pl.String),
    **dict.fromkeys(("rank", "sample"), pl.Int64),
    "id": pl.String,
    **dict.fromkeys(("score", "p_value", "q_value"), pl.Float64),
}


def main(job: Any) -> None:
    """List those members whose rate is low enough, test by test, the highest scores first."""
    write_csv_parts(job.output[0], parts(job), job.params.digest)


def parts(job: Any) -> Iterator[pl.DataFrame]:
    """The rows of every test and kind of features, after none."""
    yield pl.DataFrame(schema=COLUMNS)
    for facts, paths in evidence.by_facts(job.input.members):
        for some in evidence.listed(paths, job.input.samples, job.params.rate):
            yield some.select(
                *(pl.lit(facts[name]).alias(name) for name in list(COLUMNS)[:4]),
                pl.col("rank").cast(pl.Int64),
                *("sample", "id", "score"),
                p_value="p",
                q_value="q",
            )


run(main)
