"""Arithmetic of splits: the hashes of a set and a shard, and the numbers of its samples.

Standard library only: the Snakefile imports it, and every job pays for that.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

HASHES = 2**64
ROWS_PER_SHARD = 10**8
SHARDS_PER_SET = 10**4


def parts(sets: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Fraction, Fraction]]:
    """Where the part of each set begins and ends, out of 1, in the mapping's order.

    A set begins `from` there or, without that key, where the one before it ends. Numbers are read
    as the decimals they are written as, so that 0.1 + 0.2 + 0.7 is a whole.
    """
    found, end = {}, Fraction(0)
    for name, settings in sets.items():
        low = Fraction(str(settings["from"])) if "from" in settings else end
        end = low + Fraction(str(settings["fraction"]))
        found[name] = (low, end)
    return found


def ranges_of_sets(
    order: Sequence[str], sets: Mapping[str, Mapping[str, Any]], source: str
) -> dict[str, tuple[int, int]]:
    """Hash ranges of the sets that share a source, in the domain's order of sets."""
    sharing = [name for name in order if name in sets and sets[name]["source"] == source]
    found = parts({name: sets[name] for name in sharing})
    return {name: (int(low * HASHES), int(high * HASHES)) for name, (low, high) in found.items()}


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
