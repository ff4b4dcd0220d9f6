"""Embeddings of one shard of images or captions under a CLIP model."""

from typing import Any

from dejavu.encoders import clip, precision
from dejavu.encoders.device import prepare_torch
from dejavu.encoders.hub import downloads_allowed
from dejavu.encoders.shards import embed_records
from dejavu.files.weights import read_settings
from dejavu.job import run


def main(job: Any) -> None:
    """Embed the shard batch by batch."""
    device = prepare_torch(job.params.threads)
    if job.input.model:
        weights, config = job.input.model
        read_settings(config, weights)
    encoder = clip.load(job.wildcards.model, job.params.model, device, downloads_allowed())
    embed_records(
        precision.applied(encoder, job.params.precision, device),
        job.input.records,
        job.wildcards.input,
        batch=job.params.batch,
        workers=job.threads,
        output=job.output[0],
    )


run(main)
