"""A linear probe: how well a vision model's features of whole images tell their labels."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from dejavu.audits import regression
from dejavu.encoders import ssl
from dejavu.encoders.device import prepare_torch
from dejavu.encoders.shards import embed_images
from dejavu.errors import InputError
from dejavu.files.facts import write_json
from dejavu.files.parquet import read_parquet
from dejavu.job import Progress, run
from dejavu.samples.hashes import keyed_hash


def main(job: Any) -> None:
    """Fit to one half of the images taken, and count on the other whose label is predicted."""
    params = job.params
    images = chosen(job.input.records, params.images, params.seed)
    device = prepare_torch(params.threads)
    folder = Path(job.input.weights).parent
    encoder = ssl.load(job.wildcards.model, folder, params.model, True, device)
    progress = Progress(f"embedding with {job.wildcards.model}", len(images), "images")
    features = embed_images(
        [(image, None) for image in images["image"]],
        partial(encoder.prepare_image, part="image"),
        encoder.encode_images,
        params.batch,
        job.threads,
        progress,
    )
    labels = images["label"].to_numpy()
    is_fitted = np.arange(len(images)) % 2 == 0
    with threadpool_limits(params.threads):
        model = regression.fit(features[is_fitted], labels[is_fitted])
        right = model.predict(features[~is_fitted]) == labels[~is_fitted]
    fact = {"domain": "vision", "model": params.name, "task": "linear_probe"}
    write_json(job.output[0], {**fact, "right": int(right.sum()), "images": len(right)})


def chosen(records: list[str], limit: int, seed: int) -> pl.DataFrame:
    """Images with their labels in the order of a keyed hash of their ids, at most `limit`.

    Raises:
        InputError: they have fewer than two labels, so that there is nothing to tell.
    """
    kept = pl.DataFrame(schema={"hash": pl.UInt64, "image": pl.String, "label": pl.String})
    for path in records:
        shard = pl.DataFrame(pl.from_arrow(read_parquet(path, ["id", "image", "label"])))
        hashes = keyed_hash(shard["id"].to_list(), seed, "probe")
        shard = shard.select(pl.Series("hash", hashes), "image", "label")
        kept = pl.concat([kept, shard]).sort("hash", maintain_order=True).head(limit)
    if kept[::2]["label"].n_unique() < 2:
        raise InputError(
            "A linear probe needs images of two labels at least in public: enlarge the set, or"
            " leave vision.utility out."
        )
    return kept


run(main)
