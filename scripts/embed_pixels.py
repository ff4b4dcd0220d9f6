"""Embeddings of one shard of images or background crops under the fixed encoder of pixels."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dejavu import tables, thumbnails
from dejavu.job import Progress, job_log
from dejavu.sources.images import open_available

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Embed the shard batch by batch; of crops, those that there are."""
    part = job.wildcards.input
    samples, places = tables.read_places(job.input.records, part)
    progress = Progress(f"embedding with {job.wildcards.model}", len(samples), f"{part}s")
    vectors = [np.empty((0, thumbnails.DIMENSION), dtype=np.float32)]
    for start in range(0, len(places), job.params.batch):
        images = [open_available(*place) for place in places[start : start + job.params.batch]]
        vectors.append(thumbnails.encode_images(images))
        progress.advance(len(images))
    facts = {**thumbnails.facts(job.wildcards.model), "input": part}
    tables.write_embeddings(job.output[0], samples, np.concatenate(vectors), facts)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
