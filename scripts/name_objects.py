"""Samples of one shard: its records, and the labels that their captions name."""

from typing import Any

import pyarrow as pa

from dejavu.files.facts import read_json
from dejavu.files.parquet import column_strings, read_parquet, write_parquet
from dejavu.job import run
from dejavu.samples import naming
from dejavu.samples.schemas import STRINGS, VLM_SAMPLES


def main(job: Any) -> None:
    """Add the column `named`, and the objects where they are annotated."""
    records = read_parquet(job.input.records)
    vocabulary = read_json(job.input.vocabulary)["labels"]
    captions = column_strings(records, "caption")
    named = naming.named_labels(captions, vocabulary, job.params.synonyms)
    if job.input.objects:
        objects = read_parquet(job.input.objects[0])
        place = records.schema.get_field_index("objects")
        records = records.set_column(place, "objects", objects["objects"])
    samples = records.append_column("named", pa.array(named, type=STRINGS))
    write_parquet(job.output[0], samples.select(VLM_SAMPLES.names).cast(VLM_SAMPLES))


run(main)
