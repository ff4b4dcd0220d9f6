"""Every pass gives the neighbours of float64 brute force, however hard to tell apart they are."""

from contextlib import contextmanager
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dejavu.search import PublicIndex, build_index, exact, reduced, scoring, top_k

ON_CPU = torch.device("cpu")
# What `exact._choose` decides by, so that each way of searching serves any size.
WAYS = {
    "dense": {"DENSE_RATIO": 1e9},
    "single": {"DENSE_RATIO": 1e-9, "REDUCED_WORK": np.inf},
    "single, given up": {"DENSE_RATIO": 1e-9, "REDUCED_WORK": np.inf},
    "reduced": {"DENSE_RATIO": 1e-9, "REDUCED_WORK": 0, "REDUCED_QUERIES": 0},
    "reduced, given up": {"DENSE_RATIO": 1e-9, "REDUCED_WORK": 0, "REDUCED_QUERIES": 0},
    "reduced, as on a GPU": {"DENSE_RATIO": 1e-9, "REDUCED_WORK": 0, "REDUCED_QUERIES": 0},
}


@contextmanager
def only(way):
    """Search in one way alone, with small blocks."""
    with (
        mock.patch.multiple(exact, QUERY_BLOCK=3, **WAYS[way]),
        mock.patch.multiple(reduced, ROWS=16, device=lambda: ON_CPU),
        mock.patch.object(scoring, "DENSE_VALUES", 256),
        mock.patch("dejavu.search.proposals.SPARE", 0 if way == "single, given up" else 32),
    ):
        if way == "reduced, given up":
            made = reduced.ReducedPrecision

            def give_up(queries, vectors, k, metric, most, on, pool):
                return made(queries, vectors, k, metric, k + 1, on, pool)

            with mock.patch.object(reduced, "ReducedPrecision", give_up):
                yield
        elif way == "reduced, as on a GPU":

            def packed(self, queries, part, start, cut):
                found = reduced.hits_on_device(queries[: self.count], part, cut)
                return reduced.pack(*found, start)

            with mock.patch.object(reduced._Filter, "packed", packed):
                yield
        else:
            yield


def brute_force(queries, numbers, vectors, k, metric):
    """Float64 scores of all with all; runs of scores closer than 1e-6 go by the sample number."""
    ranked = []
    vectors = vectors.astype(np.float64)
    for query in queries.astype(np.float64):
        if metric == "cosine":
            distance = -np.array([np.dot(query, vector) for vector in vectors])
        else:
            distance = ((vectors - query) ** 2).sum(axis=1)
        order = np.argsort(distance, kind="stable")
        runs = np.cumsum(np.diff(distance[order], prepend=-np.inf) >= 1e-6)
        ranked.append([number for _, number in sorted(zip(runs, numbers[order], strict=True))][:k])
    return np.array(ranked)


def sharded(numbers, vectors, cuts, metric):
    parts = zip(np.split(numbers, cuts), np.split(vectors, cuts), strict=True)
    return [
        lambda ids=ids, rows=rows: PublicIndex(build_index(ids, rows, metric), {})
        for ids, rows in parts
    ]


def normalised(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)


@st.composite
def hard_worlds(draw):
    """Queries, numbers and public vectors of one hard kind, in any number of shards."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    d = draw(st.sampled_from([1, 7, 33, 64]))
    rows = draw(st.integers(1, 120))
    public = rng.normal(size=(rows, d))
    queries = np.concatenate([rng.normal(size=(5, d)), public[rng.integers(0, rows, 3)]])
    kind = draw(
        st.sampled_from(
            [
                *("plain", "duplicates", "near bfloat16", "near ties", "collapsed", "zeros"),
                *("lengths apart", "tiny", "huge", "subnormal", "far away", "one outlier", "half"),
            ]
        )
    )
    if kind == "duplicates":
        public = public[rng.integers(0, min(3, rows), rows)]
    elif kind in ("near bfloat16", "near ties"):
        # Apart by less than bfloat16, or float32, or the tolerance, can tell.
        step = 1e-4 if kind == "near bfloat16" else draw(st.sampled_from([3e-8, 4e-7, 1.1e-6]))
        public = normalised(queries[rng.integers(0, 8, rows)])
        public = public + step * rng.normal(size=public.shape)
        queries = normalised(queries)
    elif kind == "collapsed":
        public = normalised(np.ones((rows, d)) + 1e-7 * rng.normal(size=(rows, d)))
        queries = normalised(np.ones((8, d)) + 1e-7 * rng.normal(size=(8, d)))
    elif kind == "zeros":
        public[rng.random(rows) < 0.5] = 0
        queries[rng.random(8) < 0.5] = 0
    elif kind == "lengths apart":
        public = public * 10.0 ** rng.uniform(-12, 3, size=(rows, 1))
    elif kind in ("tiny", "huge", "subnormal"):
        public = public * {"tiny": 1e-18, "huge": 1e14, "subnormal": 1e-40}[kind]
        queries = queries * {"tiny": 1e-3, "huge": 1e4, "subnormal": 1e30}[kind]
    elif kind == "far away":
        public, queries = public + 300, queries + 300
    elif kind == "one outlier":
        public[:, 0] += 50
        queries[:, 0] += 50
    if draw(st.booleans()) and kind not in ("tiny", "huge", "subnormal", "lengths apart"):
        queries, public = normalised(queries), normalised(public)
    if kind == "half":
        queries, public = queries.astype(np.float16), public.astype(np.float16)
    numbers = rng.choice(10**6, rows, replace=False).astype(np.int64) + 10**12
    cuts = sorted(draw(st.lists(st.integers(0, rows), max_size=3)))
    chosen = draw(st.integers(1, 8))
    return queries[:chosen].astype(np.float32), numbers, public.astype(np.float32), cuts


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=80)
@given(world=hard_worlds(), part=st.floats(0, 1))
def test_neighbours_are_those_of_brute_force(way, metric, world, part):
    queries, numbers, public, cuts = world
    k = max(1, round(part * len(public)))
    expected = brute_force(queries, numbers, public, k, metric)
    with only(way):
        found, _ = top_k(queries, sharded(numbers, public, cuts, metric), k, metric, threads=2)
    np.testing.assert_array_equal(found, expected)
