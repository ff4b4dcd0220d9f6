"""Embeddings of one shard of images or background crops under a self-supervised model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dejavu import tables
from dejavu.encoders import prepare_torch, ssl
from dejavu.job import Progress, job_log
from dejavu.sources.images import open_available

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Embed the shard batch by batch; of crops, those that there are."""
    device = prepare_torch(job.params.threads)
    name, part = job.wildcards.model, job.wildcards.input
    folder, normalise = Path(job.input.weights).parent, job.params.metric == "cosine"
    encoder = ssl.load(name, folder, job.params.model, normalise, device)
    samples, places = tables.read_places(job.input.records, part)
    progress = Progress(f"embedding with {name}", len(samples), f"{part}s")
    vectors = [np.empty((0, encoder.dimension), dtype=np.float32)]
    for start in range(0, len(places), job.params.batch):
        images = [open_available(*place) for place in places[start : start + job.params.batch]]
        vectors.append(encoder.encode_images(images, part))
        progress.advance(len(images))
    facts = {**encoder.facts, "input": part}
    tables.write_embeddings(job.output[0], samples, np.concatenate(vectors), facts)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
