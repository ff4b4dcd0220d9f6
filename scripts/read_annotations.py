"""Labels and scores of a source's annotation file, in the order of the hashes of its images."""

from typing import Any

from dejavu.errors import InputError
from dejavu.files.parquet import write_parquet
from dejavu.job import run, warn
from dejavu.labels import annotations
from dejavu.samples import checks


def main(job: Any) -> None:
    """Read the file, and sort it so that a shard's images are found without reading the rest."""
    try:
        rows = annotations.read(job.params.annotations)
    except InputError as error:
        raise InputError(f"Annotations of the source {job.wildcards.source}: {error}") from error
    counts = rows.drop_nulls("label")["label"].value_counts(name="images")
    doubt = checks.doubt_about_labels(dict(counts.iter_rows()))
    if doubt is not None:
        warn(f"Annotations of the source {job.wildcards.source}: {doubt}")
    write_parquet(job.output[0], annotations.by_hash(rows, job.params.seed))


run(main)
