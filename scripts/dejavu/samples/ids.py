"""Ids of samples by their numbers, which tell where they lie."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dejavu.files.parquet import read_parquet
from dejavu.samples.hashes import row_of, shard_of


def ids_in(samples: NDArray[np.int64], path: str) -> pa.ChunkedArray:
    """The ids of some samples of a shard, strings [n] in their order."""
    return read_parquet(path, ["id"])["id"].take(row_of(samples))


def ids_of(samples: NDArray[np.int64], paths: Sequence[str]) -> dict[int, str]:
    """The ids of some samples of a set by number, from its shards, one after the other."""
    wanted = np.unique(samples)
    shards = shard_of(wanted)
    ids: dict[int, str] = {}
    for shard in np.unique(shards).tolist():
        held = wanted[shards == shard]
        ids |= zip(held.tolist(), ids_in(held, paths[shard]).to_pylist(), strict=True)
    return ids
