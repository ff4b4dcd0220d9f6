"""Keyed hashes of ids: the sets, shards and halves that samples fall into.

A sample's place depends on its id and the seed alone, never on file order. Within a domain a
sample's number is ``set | shard | row`` in decimal digits, so that a number tells where the sample
lies and no count of other samples is needed to give it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

HASHES = 2**64
ROWS_PER_SHARD = 10**8
SHARDS_PER_SET = 10**4


def keyed_hash(ids: Sequence[str], seed: int, purpose: str) -> NDArray[np.uint64]:
    """Hash ids to uint64 [n], uniformly; other seeds and purposes give independent hashes."""
    keyed = hashlib.blake2b(digest_size=8, key=str(seed).encode(), person=purpose.encode()[:16])

    def digest(identifier: str) -> bytes:
        hashed = keyed.copy()
        hashed.update(identifier.encode())
        return hashed.digest()

    return np.frombuffer(b"".join(map(digest, ids)), dtype=">u8").astype(np.uint64)


def hash_ranges(fractions: Mapping[str, float]) -> dict[str, tuple[int, int]]:
    """Give each name its half-open range of hashes, in the mapping's order.

    Fractions are read as the decimals they are written as, so that 0.1 + 0.2 + 0.7 is a whole.
    """
    ranges, low = {}, Fraction(0)
    for name, fraction in fractions.items():
        high = low + Fraction(str(fraction))
        ranges[name] = (int(low * HASHES), int(high * HASHES))
        low = high
    return ranges


def ranges_of_sets(
    order: Sequence[str], sets: Mapping[str, Mapping[str, Any]], source: str
) -> dict[str, tuple[int, int]]:
    """Hash ranges of the sets that share a source, in the domain's order of sets."""
    sharing = [name for name in order if name in sets and sets[name]["source"] == source]
    return hash_ranges({name: sets[name]["fraction"] for name in sharing})


def shard_range(hash_range: tuple[int, int], shard: int, shards: int) -> tuple[int, int]:
    """Give one shard its half-open part of a set's range of hashes."""
    low, high = hash_range
    return low + (high - low) * shard // shards, low + (high - low) * (shard + 1) // shards


def covering(files: list[Any], shard: int, shards: int) -> list[Any]:
    """Of files that share a range of hashes evenly and in order, those that a shard meets."""
    return files[shard * len(files) // shards : -(-(shard + 1) * len(files) // shards)]


def first_number(set_position: int, shard: int) -> int:
    """Number of the first sample of a shard; its rows count on from there.

    `set_position` is the place of the set in its domain's list of sets, from 0.
    """
    return ((set_position + 1) * SHARDS_PER_SET + shard) * ROWS_PER_SHARD


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
    """Halve samples by a keyed hash of their ids, for the placebo (method: §3)."""
    return keyed_hash(ids, seed, "placebo") < np.uint64(HASHES // 2)
