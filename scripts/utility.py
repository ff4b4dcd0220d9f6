"""What the measured models are good for: results/tables/utility.csv."""

from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import tables
from dejavu.intervals import wilson
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


COLUMNS = {
    **dict.fromkeys(("model", "task"), pl.String),
    **dict.fromkeys(("accuracy", "low", "high"), pl.Float64),
}


def main(job: Any) -> None:
    """Turn counts into accuracies with their intervals."""
    rows = []
    for path in job.input:
        fact = tables.read_json(path)
        low, high = wilson(fact["right"], fact["images"])
        accuracy = fact["right"] / fact["images"]
        row = {"model": fact["model"], "task": fact["task"], "accuracy": accuracy}
        rows.append({**row, "low": low, "high": high})
    tables.write_csv(job.output[0], rows, COLUMNS)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
