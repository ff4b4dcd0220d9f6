"""Labels and scores of a source's annotation file, in the order of the hashes of its images."""

from typing import Any

from dejavu.errors import InputError
from dejavu.files.parquet import write_parquet
from dejavu.job import run
from dejavu.labels import annotations


def main(job: Any) -> None:
    """Read the file, and sort it so that a shard's images are found without reading the rest."""
    try:
        rows = annotations.read(job.params.annotations)
    except InputError as error:
        raise InputError(f"Annotations of the source {job.wildcards.source}: {error}") from error
    write_parquet(job.output[0], annotations.by_hash(rows, job.params.seed))


run(main)
