"""A linear probe: how well a vision model's features of whole images tell their labels."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from dejavu.audits import probe
from dejavu.encoders import ssl
from dejavu.encoders.device import prepare_torch
from dejavu.encoders.shards import embed_images, encoding
from dejavu.files.facts import write_json
from dejavu.files.parquet import read_parquet
from dejavu.job import Progress, run


def main(job: Any) -> None:
    """Fit to one half of the images taken, and count on the other whose label is predicted."""
    params = job.params
    images = probe.chosen(labelled(job.input.records), params.images, params.seed, "vision")
    device = prepare_torch(params.threads)
    folder = Path(job.input.weights).parent
    encoder = ssl.load(job.wildcards.model, folder, params.model, True, device)
    progress = Progress(f"embedding with {job.wildcards.model}", len(images), "images")
    features = embed_images(
        [(image, None) for image in images["image"]],
        partial(encoder.prepare_image, part="image"),
        encoding(encoder),
        params.batch,
        job.threads,
        progress,
    )
    fact = {"domain": "vision", "model": params.name}
    counts = probe.counted(features, images["label"].to_numpy(), params.threads)
    write_json(job.output[0], fact | counts)


def labelled(paths: list[str]) -> Iterator[pl.DataFrame]:
    """Images with their labels, shard by shard."""
    for path in paths:
        yield pl.DataFrame(pl.from_arrow(read_parquet(path, ["id", "image", "label"])))


run(main)
