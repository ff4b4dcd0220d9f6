"""The samples that are listed as memorized: results/tables/{domain}_evidence.csv."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from dejavu.audits import evidence
from dejavu.files.csv import write_csv_parts
from dejavu.job import run
from dejavu.samples.ids import ids_of

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
        listed = evidence.listed(paths, job.params.rate)
        ids = ids_of(listed["sample"].to_numpy(), job.input.samples)
        yield listed.select(
            *(pl.lit(facts[name]).alias(name) for name in list(COLUMNS)[:4]),
            rank=pl.int_range(1, pl.len() + 1),
            sample="sample",
            id=pl.Series([ids[sample] for sample in listed["sample"]], dtype=pl.String),
            score="score",
            p_value="p",
            q_value="q",
        )


run(main)
