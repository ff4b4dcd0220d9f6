"""Arithmetic of splits: the hashes of a set and a shard, and the numbers of its samples.

Standard library only: the Snakefile imports it, and every job pays for that.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

HASHES = 2**64
ROWS_PER_SHARD = 10**8
SHARDS_PER_SET = 10**4


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
