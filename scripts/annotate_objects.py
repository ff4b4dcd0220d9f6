"""Objects of the samples of one shard: the labels whose score reaches the threshold."""

from typing import Any

import polars as pl

from dejavu.errors import InputError
from dejavu.files.parquet import read_parquet, write_parquet
from dejavu.job import run, warn
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
    annotated = labels["id"].unique()
    known = samples["id"].is_in(annotated.implode())
    shares = [f"{known.sum()} of {len(samples)} samples have annotations"]
    unmatched = 0
    if within is not None:
        # Those of the whole source would be of other shards' samples for the most part.
        unmatched = annotated.filter(~annotated.is_in(samples["id"].unique().implode())).len()
        shares.append(f"{unmatched} of {len(annotated)} annotated ids are of no sample")
    told = f"Set {job.wildcards.set}, shard {job.wildcards.shard}: {', '.join(shares)}."
    # Once a set: its shards are alike.
    doubtful = known.sum() < len(samples) / 2 or unmatched > len(annotated) / 2
    tell = warn if doubtful and int(job.wildcards.shard) == 0 else print
    tell(told)
    if len(samples) and not known.any():
        raise InputError(
            f"Set {job.wildcards.set}: the annotations know none of the {len(samples)} images of a"
            f" shard, such as {samples['id'][0]!r}: their ids must be those of the samples."
        )
    objects = annotations.objects_of(samples, labels, params.min_score)
    write_parquet(job.output[0], objects.to_arrow().cast(annotations.OBJECTS))


run(main)
