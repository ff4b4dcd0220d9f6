"""Embeddings of one shard of images or background crops under a self-supervised model."""

from pathlib import Path
from typing import Any

from dejavu.encoders import precision, ssl
from dejavu.encoders.device import prepare_torch
from dejavu.encoders.shards import embed_pictures
from dejavu.job import run


def main(job: Any) -> None:
    """Embed the shard batch by batch; of crops, those that there are."""
    params = job.params
    device = prepare_torch(params.threads)
    folder, normalise = Path(job.input.weights).parent, params.metric == "cosine"
    encoder = ssl.load(job.wildcards.model, folder, params.model, normalise, device)
    embed_pictures(
        precision.applied(encoder, params.precision, device),
        job.input.records,
        job.wildcards.input,
        batch=params.batch,
        workers=job.threads,
        output=job.output[0],
    )


run(main)
