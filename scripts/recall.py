"""The table of what approximate indexes find of the exact neighbours."""

from typing import Any

import polars as pl

from dejavu.files.csv import write_csv
from dejavu.files.facts import read_json
from dejavu.job import run

COLUMNS = {
    "model": pl.String,
    "input": pl.String,
    "index": pl.String,
    "k": pl.Int64,
    "queries": pl.Int64,
    "recall": pl.Float64,
}


def main(job: Any) -> None:
    """One row a model, input and k."""
    rows = []
    for path, searched in zip(job.input, job.params.searched, strict=True):
        facts = read_json(path)
        for k, value in facts["recall"].items():
            measured = {"k": int(k), "queries": facts["queries"], "recall": value}
            rows.append({**searched, "index": job.params.index, **measured})
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
