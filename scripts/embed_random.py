"""Embeddings of one shard under a model with random weights."""

from typing import Any

from dejavu.encoders import precision, untrained
from dejavu.encoders.device import prepare_torch
from dejavu.encoders.hub import downloads_allowed
from dejavu.encoders.shards import embed_pictures, embed_records
from dejavu.job import run


def main(job: Any) -> None:
    """Draw the weights, and embed the shard batch by batch; of crops, those that there are."""
    device, params = prepare_torch(job.params.threads), job.params
    name = job.wildcards.model
    asked = (job.input.records, job.wildcards.input, params.batch, job.threads, job.output[0])
    if job.wildcards.domain == "vlm":
        model = untrained.of_captions(name, params.model, device, downloads_allowed())
        embed_records(precision.applied(model, params.precision, device), *asked)
    else:
        drawn = untrained.of_images(name, params.model, params.metric == "cosine", device)
        embed_pictures(precision.applied(drawn, params.precision, device), *asked)


run(main)
