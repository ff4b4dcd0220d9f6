"""Labels and scores of a source's annotation file, in the order of the hashes of its images."""

from typing import TYPE_CHECKING, Any

from dejavu import annotations, tables
from dejavu.errors import InputError
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Read the file, and sort it so that a shard's images are found without reading the rest."""
    try:
        rows = annotations.read(job.params.annotations)
    except InputError as error:
        raise InputError(f"Annotations of the source {job.wildcards.source}: {error}") from error
    tables.write_parquet(job.output[0], annotations.by_hash(rows, job.params.seed))


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
