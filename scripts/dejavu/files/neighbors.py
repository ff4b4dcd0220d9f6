"""Shards of rankings: the nearest public samples of each sample."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dejavu.files.arrays import read_arrays, write_arrays
from dejavu.files.seals import Metadata


@dataclass(frozen=True)
class Neighbors:
    """One shard of rankings: samples int64 [n], public samples int64 [n, k], scores float32."""

    samples: NDArray[np.int64]
    neighbors: NDArray[np.int64]
    scores: NDArray[np.float32]
    metadata: Metadata


def write_neighbors(path: str | Path, ranking: Neighbors) -> None:
    """Write one shard of rankings, sealed."""
    columns: dict[str, NDArray[Any]] = {
        "sample": ranking.samples,
        "neighbors": ranking.neighbors,
        "score": ranking.scores,
    }
    write_arrays(path, columns, ranking.metadata)


def read_neighbors(path: str | Path) -> Neighbors:
    """Read one shard of rankings and check its seal."""
    (samples, neighbors, scores), metadata = read_arrays(path, ["sample", "neighbors", "score"])
    return Neighbors(samples, neighbors, scores, metadata)
