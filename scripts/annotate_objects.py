"""Objects of the samples of one shard: the labels whose score reaches the threshold."""

from typing import Any

import polars as pl

from dejavu.errors import InputError
from dejavu.files.parquet import read_parquet, write_parquet
from dejavu.job import run
from dejavu.labels import annotations
from dejavu.samples.hashes import within_hashes
from dejavu.samples.texts import image_ids


def main(job: Any) -> None:
    """Match samples and annotations by the ids of the images."""
    params = job.params
    within = None if params.hashes is None else within_hashes(*params.hashes)
    labels = pl.DataFrame(pl.from_arrow(read_parquet(job.input.labels, filters=within)))
    records = pl.DataFrame(pl.from_arrow(read_parquet(job.input.records, ["sample", "id"])))
    samples = records.with_columns(image_ids(pl.col("id"), params.captions))
    known = samples["id"].is_in(labels["id"].unique().implode())
    print(f"{known.sum()} of {len(samples)} samples have annotations")
    if len(samples) and not known.any():
        raise InputError(
            f"Set {job.wildcards.set}: the annotations know none of the {len(samples)} images of a"
            f" shard, such as {samples['id'][0]!r}: their ids must be those of the samples."
        )
    objects = annotations.objects_of(samples, labels, params.min_score)
    write_parquet(job.output[0], objects.to_arrow().cast(annotations.OBJECTS))


run(main)
