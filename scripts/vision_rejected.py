"""Images of the sources that were left out: results/tables/vision_rejected.csv."""

from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import tables
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """List rejected images; a set stands where the source gives one set alone."""
    params = job.params
    paths = iter(job.input)
    rows = []
    for source, parts in params.parts.items():
        fed = [name for name, of_set, _ in params.sets if of_set == source]
        for _ in range(parts):
            for item in tables.read_parquet(next(paths), ["item", "reason"]).to_pylist():
                rows.append({"set": fed[0] if len(fed) == 1 else None, "source": source, **item})
    for name, source, shards in params.sets:
        for _ in range(shards):
            for item in tables.read_parquet(next(paths), ["item", "reason"]).to_pylist():
                rows.append({"set": name, "source": source, **item})
    tables.write_csv(
        job.output[0], rows, dict.fromkeys(("set", "source", "item", "reason"), pl.String)
    )


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
