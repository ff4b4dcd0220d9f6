"""Keyed hashes of ids: the sets, shards and halves that samples fall into.

A sample's place depends on its id and the seed alone, never on file order. Within a domain a
sample's number is ``set | shard | row`` in decimal digits, so that a number tells where the sample
lies and no count of other samples is needed to give it.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dejavu.config.ranges import HASHES, ROWS_PER_SHARD, SHARDS_PER_SET


def keyed_hash(ids: Sequence[str], seed: int, purpose: str) -> NDArray[np.uint64]:
    """Hash ids to uint64 [n], uniformly; other seeds and purposes give independent hashes."""
    keyed = hashlib.blake2b(digest_size=8, key=str(seed).encode(), person=purpose.encode()[:16])

    def digest(identifier: str) -> bytes:
        hashed = keyed.copy()
        hashed.update(identifier.encode())
        return hashed.digest()

    return np.frombuffer(b"".join(map(digest, ids)), dtype=">u8").astype(np.uint64)


def set_of(samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place of each sample's set in its domain's list of sets, from 0."""
    return samples // (ROWS_PER_SHARD * SHARDS_PER_SET) - 1


def shard_of(samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """Shard of each sample number, within its set."""
    # NumPy divides by a constant several times faster than it takes remainders.
    shards = samples // ROWS_PER_SHARD
    return shards - shards // SHARDS_PER_SET * SHARDS_PER_SET


def row_of(samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row of each sample number, within its shard."""
    return samples - samples // ROWS_PER_SHARD * ROWS_PER_SHARD


def in_first_half(ids: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """Halve samples by a keyed hash of their ids, for the placebo (method: raw scores)."""
    return keyed_hash(ids, seed, "placebo") < np.uint64(HASHES // 2)


def within_hashes(low: int, high: int) -> list[tuple[str, str, Any]]:
    """A filter for `read_parquet`: rows with hashes from `low`, up to `high` without it."""
    within = [("hash", ">=", pa.scalar(low, pa.uint64()))]
    if high < HASHES:
        within.append(("hash", "<", pa.scalar(high, pa.uint64())))
    return within
