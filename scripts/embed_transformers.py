"""Embeddings of one shard under a model of Transformers."""

from typing import Any

from dejavu.encoders import image_transformers, precision, transformers
from dejavu.encoders.device import prepare_torch
from dejavu.encoders.hub import downloads_allowed
from dejavu.encoders.shards import embed_pictures, embed_records
from dejavu.job import run


def main(job: Any) -> None:
    """Embed the shard batch by batch: images and captions, or images and background crops."""
    device, params = prepare_torch(job.params.threads), job.params
    name, allowed = job.wildcards.model, downloads_allowed()
    asked = (job.input.records, job.wildcards.input, params.batch, job.threads, job.output[0])
    if job.wildcards.domain == "vlm":
        model = transformers.load(name, params.model, device, allowed)
        embed_records(precision.applied(model, params.precision, device), *asked)
    else:
        normalise = params.metric == "cosine"
        tower = image_transformers.load(name, params.model, normalise, device, allowed)
        embed_pictures(precision.applied(tower, params.precision, device), *asked)


run(main)
