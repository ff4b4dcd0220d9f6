"""Squared Euclidean neighbours, against float64 distances of everything to everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.search.exact import top_k
from dejavu.search.indexes import PublicIndex, build_index


def brute_force(queries, numbers, vectors, k):
    """Every distance in float64; runs of distances closer than 1e-6 go by the sample number."""
    ranked, scores = [], []
    for query in queries.astype(np.float64):
        distances = ((vectors.astype(np.float64) - query) ** 2).sum(axis=1)
        nearest_first = sorted(zip(distances.tolist(), numbers.tolist(), strict=True))
        runs = [[nearest_first[0]]]
        for each in nearest_first[1:]:
            if each[0] - runs[-1][-1][0] < 1e-6:
                runs[-1].append(each)
            else:
                runs.append([each])
        ordered = [each for run in runs for each in sorted(run, key=lambda x: x[1])]
        ranked.append([number for _, number in ordered[:k]])
        scores.append([distance for distance, _ in ordered[:k]])
    return np.array(ranked), np.array(scores)


@given(
    seed=st.integers(0, 2**32),
    d=st.sampled_from([1, 3, 16, 64]),
    rows=st.integers(1, 40),
    scale=st.sampled_from([0.05, 1.0, 30.0]),
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
    shards = [
        lambda part=part: PublicIndex(build_index(numbers[part], vectors[part], "euclidean"), {})
        for part in (slice(0, place), slice(place, None))
    ]
    found, scores = top_k(queries, shards, k, "euclidean")
    wanted, distances = brute_force(queries, numbers, vectors, k)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(scores, distances, rtol=1e-6, atol=1e-9)
    assert scores.dtype == np.float32 and (scores >= 0).all() and not np.signbit(scores).any()


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
