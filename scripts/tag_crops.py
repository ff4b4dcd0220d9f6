"""Samples of one shard: its images, and the tags of their background crops."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dejavu import tables, tagging
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Add the column `tags`: null where there is no crop."""
    params = job.params
    records = tables.read_parquet(job.input.records)
    crops = tables.read_crops([job.input.records], ["boxes", "context"])
    if params.tags["kind"] == "world":
        tags = tagging.from_world(crops)
    elif params.tags["kind"] == "table":
        tags = tagging.from_table(crops, params.tags)
    elif params.tags["kind"] == "visual_words":
        tags = tagging.from_words(crops, job.input.words[0], params.tags["side"])
    else:
        count = params.tags["per_crop"]
        tags = tagging.from_clip(
            crops, params.tags, count, params.batch, params.threads, "of vision.tags"
        )
    found = {
        sample: [{"tag": tag, "score": score} for tag, score in tags_of_crop]
        for sample, tags_of_crop in zip(crops["sample"], tags, strict=True)
    }
    column = [found.get(sample) for sample in records["sample"].to_pylist()]
    samples = records.drop_columns("context").append_column("tags", pa.array(column, tables.TAGS))
    tables.write_parquet(job.output[0], samples.cast(tables.VISION_SAMPLES))


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
