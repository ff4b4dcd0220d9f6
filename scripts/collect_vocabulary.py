"""The labels of all sources, sorted."""

from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from dejavu import tables
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """List every label once."""
    labels: set[str] = set()
    for path in job.input:
        objects = tables.read_parquet(path, ["objects"]).column("objects")
        labels.update(pc.unique(pc.list_flatten(objects)).to_pylist())
    tables.write_json(job.output[0], {"labels": sorted(labels)})


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
