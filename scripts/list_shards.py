"""The shards of a folder, with sizes and hashes: one input for jobs that read all of them."""

from typing import TYPE_CHECKING, Any

from dejavu import tables
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """List the shards in their order."""
    tables.write_list(job.output[0], job.input)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
