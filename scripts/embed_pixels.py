"""Embeddings of one shard of images or background crops under the fixed encoder of pixels."""

from typing import Any

from dejavu.encoders import pixels
from dejavu.encoders.shards import embed_images
from dejavu.files.embeddings import write_embeddings
from dejavu.job import Progress, run
from dejavu.samples.images import read_places


def main(job: Any) -> None:
    """Embed the shard batch by batch; of crops, those that there are."""
    part = job.wildcards.input
    samples, places = read_places(job.input.records, part)
    progress = Progress(f"embedding with {job.wildcards.model}", len(samples), f"{part}s")
    prepare, encode = pixels.prepare_image, pixels.encode_images
    vectors = embed_images(places, prepare, encode, job.params.batch, job.threads, progress)
    facts = {**pixels.facts(job.wildcards.model), "input": part}
    write_embeddings(job.output[0], samples, vectors.reshape(-1, pixels.DIMENSION), facts)


run(main)
