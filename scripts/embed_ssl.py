"""Embeddings of one shard of images or background crops under a self-supervised model."""

from functools import partial
from pathlib import Path
from typing import Any

from dejavu.encoders import precision, ssl
from dejavu.encoders.device import prepare_torch
from dejavu.encoders.shards import embed_images
from dejavu.files.embeddings import write_embeddings
from dejavu.job import Progress, run
from dejavu.samples.images import read_places


def main(job: Any) -> None:
    """Embed the shard batch by batch; of crops, those that there are."""
    device = prepare_torch(job.params.threads)
    name, part = job.wildcards.model, job.wildcards.input
    folder, normalise = Path(job.input.weights).parent, job.params.metric == "cosine"
    loaded = ssl.load(name, folder, job.params.model, normalise, device)
    encoder = precision.applied(loaded, job.params.precision, device)
    samples, places = read_places(job.input.records, part)
    progress = Progress(f"embedding with {name}", len(samples), f"{part}s")
    prepare = partial(encoder.prepare_image, part=part)
    vectors = embed_images(
        places, prepare, encoder.encode_images, job.params.batch, job.threads, progress
    )
    facts = {**encoder.facts, "input": part}
    write_embeddings(job.output[0], samples, vectors.reshape(-1, loaded.dimension), facts)


run(main)
