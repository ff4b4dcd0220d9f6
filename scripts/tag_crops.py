"""Samples of one shard: its images, and the tags of their background crops."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa

from dejavu.files.parquet import read_parquet, write_parquet
from dejavu.job import run
from dejavu.labels import table, visual_words, world, zero_shot
from dejavu.labels.tags import Tags
from dejavu.samples.images import read_crops
from dejavu.samples.schemas import TAGS, VISION_SAMPLES


def main(job: Any) -> None:
    """Add the column `tags`: null where there is no crop."""
    records = read_parquet(job.input.records)
    crops = read_crops([job.input.records], ["boxes", "context"])
    tags = TAGGERS[job.params.tags["kind"]](crops, job)
    found = {
        sample: [{"tag": tag, "score": score} for tag, score in tags_of_crop]
        for sample, tags_of_crop in zip(crops["sample"], tags, strict=True)
    }
    column = [found.get(sample) for sample in records["sample"].to_pylist()]
    samples = records.drop_columns("context").append_column("tags", pa.array(column, TAGS))
    write_parquet(job.output[0], samples.cast(VISION_SAMPLES))


def from_clip(crops: pl.DataFrame, job: Any) -> Tags:
    """Zero-shot tags by a model of OpenCLIP."""
    params = job.params
    size = params.tags["per_crop"], params.batch, params.threads
    return zero_shot.from_clip(crops, params.tags, *size, "of vision.tags")


TAGGERS: dict[str, Callable[[pl.DataFrame, Any], Tags]] = {
    "world": lambda crops, job: world.from_world(crops),
    "table": lambda crops, job: table.from_table(crops, job.params.tags),
    "visual_words": lambda crops, job: visual_words.from_words(
        crops, job.input.words[0], job.params.tags["side"]
    ),
    "clip": from_clip,
}

run(main)
