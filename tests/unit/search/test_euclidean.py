"""Squared Euclidean neighbours, against float64 distances of everything to everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.search.exact import top_k
from dejavu.search.indexes import PublicIndex, build_index


def brute_force(queries, numbers, vectors, k):
    """Every distance in float64; runs of ties go by the sample number.

    Tied are two that are equal, or closer than 1e-6 of the larger.
    """
    ranked, scores = [], []
    for query in queries.astype(np.float64):
        distances = ((vectors.astype(np.float64) - query) ** 2).sum(axis=1)
        nearest_first = sorted(zip(distances.tolist(), numbers.tolist(), strict=True))
        runs = [[nearest_first[0]]]
        for each in nearest_first[1:]:
            apart = each[0] - runs[-1][-1][0]
            if apart == 0 or apart < 1e-6 * each[0]:
                runs[-1].append(each)
            else:
                runs.append([each])
        ordered = [each for run in runs for each in sorted(run, key=lambda x: x[1])]
        ranked.append([number for _, number in ordered[:k]])
        scores.append([distance for distance, _ in ordered[:k]])
    return np.array(ranked), np.array(scores)


def sharded(numbers, vectors, place):
    """Functions that open two shards, the second from a place on."""
    return [
        lambda part=part: PublicIndex(build_index(numbers[part], vectors[part], "euclidean"), {})
        for part in (slice(0, place), slice(place, None))
    ]


@given(
    seed=st.integers(0, 2**32),
    d=st.sampled_from([1, 3, 16, 64]),
    rows=st.integers(1, 40),
    scale=st.sampled_from([1e-4, 0.05, 1.0, 30.0]),
    cut=st.floats(0, 1),
    k=st.integers(1, 12),
)
def test_ranking_equals_brute_force_whatever_the_shards(seed, d, rows, scale, cut, k):
    rng = np.random.default_rng(seed)
    originals = scale * rng.normal(size=(rows, d))
    copies = originals[rng.integers(0, rows, 15)]
    nudged = originals[rng.integers(0, rows, 10)] + 3e-7 * rng.normal(size=(10, d))
    vectors = np.concatenate([originals, copies, nudged]).astype(np.float32)
    numbers = rng.permutation(1000)[: len(vectors)].astype(np.int64)
    queries = np.concatenate([scale * rng.normal(size=(4, d)), vectors[:2]]).astype(np.float32)
    place = int(cut * len(vectors))
    found, scores = top_k(queries, sharded(numbers, vectors, place), k, "euclidean")
    wanted, distances = brute_force(queries, numbers, vectors, k)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(scores, distances, rtol=1e-6, atol=0)
    assert scores.dtype == np.float32 and (scores >= 0).all() and not np.signbit(scores).any()


def test_only_distances_closer_than_a_millionth_of_the_larger_are_ties():
    # Squared: 4e-8 times 1, a millionth less than 1 + 1e-6, a run of two more, and twice as much.
    first = np.array([2e-4, 2e-4 * (1 + 4e-7), 2e-4 * (1 + 8e-7), 2e-4 * (1 + 2e-6), 3e-4])
    vectors = np.stack([first, np.zeros(5)], axis=1).astype(np.float32)
    assert (np.diff(vectors[:3, 0].astype(float) ** 2) < 1e-6 * 4e-8).all()
    assert vectors[3, 0].astype(float) ** 2 - vectors[2, 0].astype(float) ** 2 > 1e-6 * 4e-8
    query = np.zeros((1, 2), np.float32)
    numbers = np.array([9, 7, 5, 1, 0])
    found, _ = top_k(query, sharded(numbers, vectors, 2), 5, "euclidean")
    assert found[0].tolist() == [5, 7, 9, 1, 0]


@pytest.mark.parametrize("exponent", [-50, -13, 12, 50])
def test_scaling_by_a_power_of_two_changes_no_neighbour(exponent):
    rng = np.random.default_rng(5)
    public = rng.normal(size=(300, 16)).astype(np.float32)
    public = np.concatenate([public, public[:40] * np.float32(1 + 1e-7), public[:40]])
    queries = np.concatenate([rng.normal(size=(6, 16)), public[:6]]).astype(np.float32)
    numbers = rng.permutation(len(public))
    found, distances = top_k(queries, sharded(numbers, public, 250), 90, "euclidean")
    scale = np.float32(2.0**exponent)
    scaled, others = top_k(scale * queries, sharded(numbers, scale * public, 250), 90, "euclidean")
    assert scaled.tolist() == found.tolist()
    np.testing.assert_array_equal(others, np.float32(4.0**exponent) * distances)


@pytest.mark.parametrize("offset", [1.0, -1024.0])
def test_a_common_offset_loses_no_digit_of_a_distance(offset):
    # Few multiples of 1/8192: with the offset they are float32 numbers, too, and their products in
    # float64 lose what the distances are made of.
    rng = np.random.default_rng(6)
    public = (rng.integers(0, 16, (300, 256)) / 8192).astype(np.float32)
    queries = (rng.integers(0, 16, (8, 256)) / 8192).astype(np.float32)
    moved = public + np.float32(offset), queries + np.float32(offset)
    assert (moved[0] - np.float32(offset) == public).all()
    numbers = rng.permutation(300)
    found, distances = top_k(queries, sharded(numbers, public, 9), 30, "euclidean")
    same, others = top_k(moved[1], sharded(numbers, moved[0], 9), 30, "euclidean")
    assert same.tolist() == found.tolist() and others.tobytes() == distances.tobytes()


def test_close_rows_far_from_the_origin_are_told_apart():
    """There float32 products cancel, and FAISS alone would order by rounding."""
    rng = np.random.default_rng(0)
    far = 1000 + rng.normal(size=(300, 8)).astype(np.float32)
    index = build_index(np.arange(300), far.astype(np.float32), "euclidean")
    found, _ = top_k(far[:20], [lambda: PublicIndex(index, {})], 10, "euclidean")
    wanted, _ = brute_force(far[:20], np.arange(300), far, 10)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_no_queries_give_no_neighbours(metric):
    index = build_index(np.arange(5), np.eye(5, dtype=np.float32), metric)
    empty = np.empty((0, 5), np.float32)
    found, scores = top_k(empty, [lambda: PublicIndex(index, {})], 3, metric)
    assert found.shape == scores.shape == (0, 3)
