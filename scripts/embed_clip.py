"""Embeddings of one shard of images or captions under a CLIP model."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dejavu import tables
from dejavu.encoders import clip, downloads_allowed, prepare_torch
from dejavu.errors import InputError
from dejavu.job import Progress, job_log
from dejavu.sources.images import open_image

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Embed the shard batch by batch."""
    device = prepare_torch(job.params.threads)
    name = job.wildcards.model
    if job.input.model:
        weights, config = job.input.model
        tables.read_settings(config, weights)
    encoder = clip.load(name, job.params.model, device, downloads_allowed())
    column = job.wildcards.input
    records = tables.read_parquet(job.input.records, ["sample", column])
    progress = Progress(f"embedding with {name}", len(records), f"{column}s")
    vectors = []
    for batch in records.to_batches(max_chunksize=job.params.batch):
        values = batch.column(column).to_pylist()
        try:
            vectors.append(
                encoder.encode_images([open_image(value) for value in values])
                if column == "image"
                else encoder.encode_texts(values)
            )
        except OSError as error:
            raise InputError(
                f"An image that was readable before no longer is ({error}): restore the source, or"
                " remove results/vlm/sources to read it anew."
            ) from error
        progress.advance(len(values))
    facts = {**encoder.facts, "input": column}
    tables.write_embeddings(
        job.output[0], records["sample"].to_numpy(), np.concatenate(vectors), facts
    )


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
