"""Items of the sources that were left out: results/tables/vlm_rejected.csv."""

from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import tables
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """List rejected items with the set that their ids belong to."""
    params = job.params
    paths = iter(job.input)
    rows = []
    for source, parts in params.parts.items():
        ranges = params.ranges[source]
        for _ in range(parts):
            for item in tables.read_parquet(next(paths)).to_pylist():
                sets = [
                    name
                    for name, (low, high) in ranges.items()
                    if item["hash"] is not None and low <= item["hash"] < high
                ]
                facts = {"source": source, "item": item["item"], "reason": item["reason"]}
                # An item outside every set, or without an id, is told of all the same.
                rows.append({"set": sets[0] if sets else None, **facts})
    for name, source, shards in params.sets:
        for _ in range(shards):
            for item in tables.read_parquet(next(paths)).to_pylist():
                facts = {"source": source, "item": item["item"], "reason": item["reason"]}
                rows.append({"set": name, **facts})
    tables.write_csv(
        job.output[0], rows, dict.fromkeys(("set", "source", "item", "reason"), pl.String)
    )


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
