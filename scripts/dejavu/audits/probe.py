"""Linear probes: how well features of images tell their labels."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dejavu.audits import regression
from dejavu.errors import InputError
from dejavu.samples.hashes import keyed_hash

TASK = "linear_probe"


def chosen(shards: Iterable[pl.DataFrame], limit: int, seed: int, domain: str) -> pl.DataFrame:
    """Images with their labels in the order of a keyed hash of their ids, each once.

    Args:
        shards: `id`, `image`, `label` and whatever else is kept, shard by shard.
        limit: how many are taken at most.
        seed: of the hash.
        domain: that asks for the probe.

    Raises:
        InputError: they have fewer than two labels, so that there is nothing to tell.
    """
    kept = pl.DataFrame()
    for shard in shards:
        hashes = keyed_hash(shard["id"].to_list(), seed, "probe")
        shard = shard.select(pl.Series("hash", hashes, pl.UInt64), pl.exclude("id"))
        kept = pl.concat([kept, shard]) if len(kept) else shard
        kept = kept.sort("hash", maintain_order=True)
        # Captions of one image must not be on both sides.
        kept = kept.unique("image", keep="first", maintain_order=True).head(limit)
    if kept.is_empty() or kept[::2]["label"].n_unique() < 2:
        raise InputError(
            "A linear probe needs images of two labels at least in public: enlarge the set, or"
            f" leave {domain}.utility out."
        )
    return kept


def counted(features: NDArray[Any], labels: NDArray[Any], threads: int) -> dict[str, Any]:
    """Fit to every other image, and count the rest whose label is predicted.

    Args:
        features: float [n, d], in random order.
        labels: [n].
        threads: of the fit, on which its sums depend.
    """
    is_fitted = np.arange(len(labels)) % 2 == 0
    with threadpool_limits(threads):
        model = regression.fit(features[is_fitted], labels[is_fitted])
        right = model.predict(features[~is_fitted]) == labels[~is_fitted]
    return {"task": TASK, "right": int(right.sum()), "images": len(right)}
