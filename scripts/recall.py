"""The table of what approximate indexes find of the exact neighbours."""

from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import tables
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

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
        facts = tables.read_json(path)
        for k, value in facts["recall"].items():
            measured = {"k": int(k), "queries": facts["queries"], "recall": value}
            rows.append({**searched, "index": job.params.index, **measured})
    tables.write_csv(job.output[0], rows, COLUMNS)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
