"""Embeddings of one shard of images or background crops under a model of timm."""

from typing import Any

from dejavu.encoders import precision, timm_models
from dejavu.encoders.device import prepare_torch
from dejavu.encoders.hub import downloads_allowed
from dejavu.encoders.shards import embed_pictures
from dejavu.job import run


def main(job: Any) -> None:
    """Embed the shard batch by batch; of crops, those that there are."""
    device, params = prepare_torch(job.params.threads), job.params
    normalise = params.metric == "cosine"
    asked = (job.wildcards.model, params.model, normalise, device, downloads_allowed())
    embed_pictures(
        precision.applied(timm_models.load(*asked), params.precision, device),
        job.input.records,
        job.wildcards.input,
        batch=params.batch,
        workers=job.threads,
        output=job.output[0],
    )


run(main)
