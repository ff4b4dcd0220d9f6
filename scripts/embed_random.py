"""Embeddings of one shard under a model with random weights."""

from functools import partial
from typing import Any

from dejavu.encoders import precision, untrained
from dejavu.encoders.device import prepare_torch
from dejavu.encoders.hub import downloads_allowed
from dejavu.encoders.shards import embed_images, embed_records
from dejavu.files.embeddings import write_embeddings
from dejavu.job import Progress, run
from dejavu.samples.images import read_places


def main(job: Any) -> None:
    """Draw the weights, and embed the shard batch by batch; of crops, those that there are."""
    device, params = prepare_torch(job.params.threads), job.params
    name, part = job.wildcards.model, job.wildcards.input
    if job.wildcards.domain == "vlm":
        model = untrained.of_captions(name, params.model, device, downloads_allowed())
        encoder = precision.applied(model, params.precision, device)
        embed_records(encoder, job.input.records, part, params.batch, job.threads, job.output[0])
        return
    drawn = untrained.of_images(name, params.model, params.metric == "cosine", device)
    images = precision.applied(drawn, params.precision, device)
    samples, places = read_places(job.input.records, part)
    progress = Progress(f"embedding with {name}", len(samples), f"{part}s")
    prepare = partial(images.prepare_image, part=part)
    vectors = embed_images(
        places, prepare, images.encode_images, params.batch, job.threads, progress
    )
    facts = {**images.facts, "input": part}
    write_embeddings(job.output[0], samples, vectors.reshape(-1, drawn.dimension), facts)


run(main)
