"""Samples of one shard: its records, and the labels that their captions name."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dejavu import naming, tables
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Add the column `named`, and the objects where they are annotated."""
    records = tables.read_parquet(job.input.records)
    vocabulary = tables.read_json(job.input.vocabulary)["labels"]
    captions = tables.column_strings(records, "caption")
    named = naming.named_labels(captions, vocabulary, job.params.synonyms)
    if job.input.objects:
        objects = tables.read_parquet(job.input.objects[0])
        place = records.schema.get_field_index("objects")
        records = records.set_column(place, "objects", objects["objects"])
    samples = records.append_column("named", pa.array(named, type=tables.STRINGS))
    tables.write_parquet(job.output[0], samples.cast(tables.VLM_SAMPLES))


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
