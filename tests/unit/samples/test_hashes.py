"""Keyed hashes: sets, shards, halves and numbers of samples."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.config import ranges
from dejavu.samples.hashes import in_first_half, keyed_hash, row_of, shard_of

IDS = st.lists(st.text(max_size=8), max_size=30)


def hash_ranges(fractions):
    """Hash ranges of sets with these fractions, which share a source."""
    sets = {name: {"source": "s", "fraction": each} for name, each in fractions.items()}
    return ranges.ranges_of_sets(list(fractions), sets, "s")


@given(IDS, st.integers(0, 10**6), st.sampled_from(["split", "placebo", "a rather long purpose"]))
def test_a_hash_is_that_of_the_id_alone(ids, seed, purpose):
    person = purpose.encode()[:16]
    expected = []
    for each in ids:
        hashed = hashlib.blake2b(
            each.encode(), digest_size=8, key=str(seed).encode(), person=person
        )
        expected.append(int.from_bytes(hashed.digest(), "big"))
    found = keyed_hash(ids, seed, purpose)
    assert found.dtype == np.uint64
    assert found.tolist() == expected


def test_seeds_and_purposes_give_independent_and_uniform_hashes():
    ids = [f"image-{number}" for number in range(20_000)]
    hashes = [
        keyed_hash(ids, seed, purpose) / 2.0**64
        for seed, purpose in ((0, "split"), (1, "split"), (0, "placebo"))
    ]
    for each in hashes:
        counts = np.histogram(each, bins=10, range=(0, 1))[0]
        assert np.abs(counts - 2000).max() < 5 * np.sqrt(2000)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(hashes[first], hashes[second])[0, 1]) < 5 / np.sqrt(20_000)


def test_fractions_are_the_decimals_that_they_are_written_as():
    hashes_of = hash_ranges({"a": 0.1, "b": 0.2, "c": 0.7})
    assert hashes_of["a"] == (0, 2**64 // 10)
    assert hashes_of["b"] == (2**64 // 10, 3 * 2**64 // 10)
    assert hashes_of["c"] == (3 * 2**64 // 10, 2**64)
    assert hash_ranges({"all": 1}) == {"all": (0, 2**64)}
    assert hash_ranges({"few": 1e-9})["few"][1] == 2**64 // 10**9


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=4), st.integers(1, 50))
def test_sets_and_shards_are_disjoint_and_without_gaps(weights, shards):
    fractions = {str(place): weight / 4000 for place, weight in enumerate(weights)}
    hashes_of = list(hash_ranges(fractions).values())
    assert hashes_of[0][0] == 0
    assert all(first[1] == second[0] for first, second in pairwise(hashes_of))
    assert hashes_of[-1][1] == pytest.approx(sum(weights) / 4000 * 2**64)
    for low, high in hashes_of:
        parts = [ranges.shard_range((low, high), shard, shards) for shard in range(shards)]
        assert (parts[0][0], parts[-1][1]) == (low, high)
        assert all(first[1] == second[0] for first, second in pairwise(parts))
        widths = [end - start for start, end in parts]
        assert max(widths) - min(widths) <= 1


@given(st.integers(0, 4), st.integers(0, 9999), st.integers(0, 10**8 - 1))
def test_a_number_tells_set_shard_and_row(position, shard, row):
    number = ranges.first_number(position, shard) + row
    assert str(number) == f"{position + 1}{shard:04d}{row:08d}"
    numbers = np.array([number], dtype=np.int64)
    assert shard_of(numbers)[0] == shard
    assert row_of(numbers)[0] == row


def test_halves_depend_on_id_and_seed_alone_and_are_halves():
    ids = [f"image-{number}" for number in range(10_000)]
    half = in_first_half(ids, 0)
    assert abs(half.sum() - 5000) < 5 * 50
    assert in_first_half(ids[::-1], 0).tolist() == half[::-1].tolist()
    assert abs((half == in_first_half(ids, 1)).sum() - 5000) < 5 * 50
    expected = keyed_hash(ids, 0, "placebo") < 2.0**63
    assert half.tolist() == expected.tolist()


def test_a_set_that_says_where_it_begins_stays_there_whatever_the_others_take():
    order = ("target", "reference", "public", "extra")
    sets = {
        "target": {"source": "s", "from": 0, "fraction": 0.2},
        "public": {"source": "s", "from": 0.5, "fraction": 0.25},
        "extra": {"source": "s", "fraction": 0.25},
        "reference": {"source": "other", "fraction": 1},
    }
    found = ranges.ranges_of_sets(order, sets, "s")
    assert found == {
        "target": (0, 2**64 // 5),
        "public": (2**63, 3 * 2**62),
        # Without `from` a set follows the one before it.
        "extra": (3 * 2**62, 2**64),
    }
    sets["target"]["fraction"] = 0.1
    changed = ranges.ranges_of_sets(order, sets, "s")
    assert {name for name in found if found[name] != changed[name]} == {"target"}
