"""Samples of one shard: its images, and the tags of their background crops."""

from typing import Any

import pyarrow as pa

from dejavu.files.parquet import read_parquet, write_parquet
from dejavu.job import run
from dejavu.labels import table, visual_words, world, zero_shot
from dejavu.samples.images import read_crops
from dejavu.samples.schemas import TAGS, VISION_SAMPLES


def main(job: Any) -> None:
    """Add the column `tags`: null where there is no crop."""
    params = job.params
    records = read_parquet(job.input.records)
    crops = read_crops([job.input.records], ["boxes", "context"])
    if params.tags["kind"] == "world":
        tags = world.from_world(crops)
    elif params.tags["kind"] == "table":
        tags = table.from_table(crops, params.tags)
    elif params.tags["kind"] == "visual_words":
        tags = visual_words.from_words(crops, job.input.words[0], params.tags["side"])
    else:
        count = params.tags["per_crop"]
        tags = zero_shot.from_clip(
            crops, params.tags, count, params.batch, params.threads, "of vision.tags"
        )
    found = {
        sample: [{"tag": tag, "score": score} for tag, score in tags_of_crop]
        for sample, tags_of_crop in zip(crops["sample"], tags, strict=True)
    }
    column = [found.get(sample) for sample in records["sample"].to_pylist()]
    samples = records.drop_columns("context").append_column("tags", pa.array(column, TAGS))
    write_parquet(job.output[0], samples.cast(VISION_SAMPLES))


run(main)
