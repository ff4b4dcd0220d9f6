"""Every pass gives the neighbours of float64 brute force, however hard to tell apart they are."""

import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dejavu.search import exact, gpu, reduced, scoring
from dejavu.search.exact import top_k
from dejavu.search.indexes import PublicIndex, build_index

pytestmark = pytest.mark.slow

try:
    from dejavu.search import kernels
except ImportError:
    kernels = None
interpreted = pytest.mark.skipif(kernels is None, reason="Triton is not installed")
# Where there is no GPU, the kernels are interpreted (tests/conftest.py).
ON = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# What `exact._choose` decides by, so that each way of searching serves any size.
WAYS = {
    "dense": {"DENSE_RATIO": 1e9},
    "single": {"DENSE_RATIO": 1e-9, "REDUCED_WORK": np.inf},
    "single, given up": {"DENSE_RATIO": 1e-9, "REDUCED_WORK": np.inf},
    "reduced": {"DENSE_RATIO": 1e-9, "REDUCED_WORK": 0, "REDUCED_QUERIES": 0},
    "reduced, given up": {"DENSE_RATIO": 1e-9, "REDUCED_WORK": 0, "REDUCED_QUERIES": 0},
    "gpu": {"DENSE_RATIO": 1e-9, "REDUCED_WORK": 0, "REDUCED_QUERIES": 0},
    "gpu, given up": {"DENSE_RATIO": 1e-9, "REDUCED_WORK": 0, "REDUCED_QUERIES": 0},
}
EACH_WAY = [pytest.param(way, marks=interpreted) if "gpu" in way else way for way in WAYS]
# Several blocks of each, and queries that a GPU gives up.
GROUP = 4
SMALL = gpu.Sizes(queries=8, rows=35 * GROUP, slab=12 * GROUP)


@contextmanager
def only(way):
    """Search in one way alone, with small blocks."""
    sizes = replace(SMALL, spare=-7) if way == "gpu, given up" else SMALL
    with (
        mock.patch.multiple(exact, QUERY_BLOCK=3, **WAYS[way]),
        mock.patch.multiple(reduced, ROWS=16, is_fast=lambda: True),
        mock.patch.multiple(
            gpu,
            GROUP=GROUP,
            device=lambda: ON if "gpu" in way else None,
            kernels=lambda: kernels,
            sizes_for=lambda on, d: sizes,
        ),
        # Fewer programs for the interpreter.
        mock.patch("dejavu.search.kernels.PAIRS", 256) if "gpu" in way else nullcontext(),
        mock.patch.object(scoring, "DENSE_VALUES", 256),
        mock.patch("dejavu.search.proposals.SPARE", 0 if way == "single, given up" else 32),
    ):
        if way == "reduced, given up":
            made = reduced.ReducedPrecision

            def give_up(queries, vectors, k, metric, most, pool):
                return made(queries, vectors, k, metric, k + 1, pool)

            with mock.patch.object(reduced, "ReducedPrecision", give_up):
                yield
        else:
            yield


def brute_force(queries, numbers, vectors, k, metric):
    """Float64 scores of all with all; runs of ties go by the sample number.

    Products are tied where they are closer than 1e-6, squared distances where they are closer than
    1e-6 of the larger, or equal.
    """
    ranked = []
    vectors = vectors.astype(np.float64)
    for query in queries.astype(np.float64):
        if metric == "cosine":
            distance = -np.array([np.dot(query, vector) for vector in vectors])
        else:
            distance = ((vectors - query) ** 2).sum(axis=1)
        order = np.argsort(distance, kind="stable")
        steps = np.diff(distance[order], prepend=-np.inf)
        least = 1e-6 if metric == "cosine" else 1e-6 * distance[order]
        runs = np.cumsum((steps >= least) & (steps > 0))
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
                *("scaled down", "scaled up"),
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
    elif kind in ("scaled down", "scaled up"):
        # A few of them tied by distance, and the query itself among them.
        public[rng.random(rows) < 0.3] *= 1 + 1e-7
        factor = draw(st.sampled_from([1e-3, 1e-8, 1e-16])) if kind == "scaled down" else 1e7
        public, queries = factor * public, factor * queries
    elif kind == "far away":
        public, queries = public + 300, queries + 300
    elif kind == "one outlier":
        public[:, 0] += 50
        queries[:, 0] += 50
    if draw(st.booleans()) and kind not in (
        "tiny",
        "huge",
        "subnormal",
        "lengths apart",
        "scaled down",
    ):
        queries, public = normalised(queries), normalised(public)
    if kind == "half":
        queries, public = queries.astype(np.float16), public.astype(np.float16)
    numbers = rng.choice(10**6, rows, replace=False).astype(np.int64) + 10**12
    cuts = sorted(draw(st.lists(st.integers(0, rows), max_size=3)))
    chosen = draw(st.integers(1, 8))
    return queries[:chosen].astype(np.float32), numbers, public.astype(np.float32), cuts


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("way", EACH_WAY)
@settings(max_examples=80)
@given(world=hard_worlds(), part=st.floats(0, 1))
def test_neighbours_are_those_of_brute_force(way, metric, world, part):
    queries, numbers, public, cuts = world
    k = max(1, round(part * len(public)))
    expected = brute_force(queries, numbers, public, k, metric)
    with only(way):
        found, _ = top_k(queries, sharded(numbers, public, cuts, metric), k, metric, threads=2)
    np.testing.assert_array_equal(found, expected)


def unit_vectors(rng, rows, d=32):
    return normalised(rng.normal(size=(rows, d))).astype(np.float32)


def test_the_reduced_pass_rules_out_most_rows_and_not_one_that_matters():
    rng = np.random.default_rng(0)
    public, queries = unit_vectors(rng, 5000), unit_vectors(rng, 40)
    scores = queries.astype(np.float64) @ public.T.astype(np.float64)
    with ThreadPoolExecutor(1) as pool:
        made = reduced.ReducedPrecision(queries, public, 10, "cosine", 5000, pool)
    proposals = made.propose(slice(0, 40), np.full(40, -np.inf), 1e-6)
    assert proposals.complete.all() and len(proposals.rows) < 40 * 30
    assert (scores[proposals.queries, proposals.rows] <= proposals.upper).all()
    nearest = np.argsort(-scores, axis=1)[:, :10]
    for query, rows in enumerate(nearest):
        assert set(rows) <= set(proposals.rows[proposals.queries == query])


@interpreted
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_gpu_keeps_what_matters_of_every_query_and_little_else(metric):
    rng = np.random.default_rng(0)
    public, queries = unit_vectors(rng, 5000), unit_vectors(rng, 40)
    scores = queries.astype(np.float64) @ public.T.astype(np.float64)
    shards = sharded(np.arange(5000) + 7, public, [1700, 1700, 3100], metric)
    sizes = gpu.Sizes(queries=16, rows=1024, slab=512)
    with mock.patch.object(gpu, "kernels", lambda: kernels):
        found = gpu.search(queries, shards, 10, metric, 1e-6, 2, ON, sizes)
    assert np.concatenate([part.place for part in found]).tolist() == list(range(40))
    best = np.concatenate([part.best.numbers for part in found])
    # With what lies within the slack of the tenth, of the 5,000.
    assert 400 <= len(best) < 420
    for part in found:
        for query, place in enumerate(part.place):
            mine = part.best.where(part.best.queries == query)
            nearest = np.argsort(-scores[place])[:10] + 7
            np.testing.assert_array_equal(mine.numbers[:10], nearest)
            exact_scores = np.sort(scores[place])[::-1][: len(mine.scores)]
            if metric == "euclidean":
                squares = (queries[place].astype(np.float64) ** 2).sum()
                others = (public[mine.numbers - 7].astype(np.float64) ** 2).sum(axis=1)
                exact_scores = 2 * exact_scores - squares - others
            np.testing.assert_allclose(mine.scores, exact_scores, rtol=0, atol=1e-14)
            assert part.floor[query] == mine.scores[9]


@interpreted
def test_a_gpu_scores_no_mass_of_equal_rows(monkeypatch):
    rng = np.random.default_rng(7)
    public = np.concatenate(
        [np.repeat(unit_vectors(rng, 1), 2000, axis=0), unit_vectors(rng, 2000)]
    )
    scored = []
    pair_scores = kernels.pair_scores

    def counted(first, second, firsts, *rest):
        scored.append(len(firsts))
        return pair_scores(first, second, firsts, *rest)

    monkeypatch.setattr(gpu, "kernels", lambda: kernels)
    monkeypatch.setattr(kernels, "pair_scores", counted)
    shards = sharded(np.arange(4000), public, [], "cosine")
    sizes = gpu.Sizes(spare=0)
    (found,) = gpu.search(public[[0, 3000]], shards, 5, "cosine", 1e-6, 1, ON, sizes)
    assert found.place.tolist() == [1] and sum(scored) <= sizes.most(5)


@interpreted
def test_a_score_depends_on_its_pair_alone_whatever_is_summed_beside_it():
    rng = np.random.default_rng(6)
    first, second = (torch.from_numpy(unit_vectors(rng, 50, 137)) for _ in range(2))
    here, place = (first.to(ON), second.to(ON)), torch.arange(50, device=ON)
    whole = kernels.pair_scores(*here, place, place, euclidean=False)
    single = torch.cat(
        [kernels.pair_scores(*here, one, one, euclidean=False) for one in place.split(1)]
    )
    assert whole.tolist() == single.tolist()
    expected = [
        np.longdouble(a) @ np.longdouble(b)
        for a, b in zip(first.numpy(), second.numpy(), strict=True)
    ]
    np.testing.assert_allclose(
        whole.cpu().numpy(), np.array(expected, float), rtol=0, atol=1e-16 * 4
    )


def test_bounds_hold_for_every_product_and_are_not_idle():
    rng = np.random.default_rng(1)
    public, queries = unit_vectors(rng, 2000, 64), unit_vectors(rng, 64, 64)
    with ThreadPoolExecutor(1) as pool:
        made = reduced.ReducedPrecision(queries, public, 1, "cosine", 2000, pool)
    asked = made._encode_queries(queries)
    products = np.concatenate([(asked.values.float() @ part.float().T) for part in made.parts], 1)
    apart = np.abs(products - queries.astype(np.float64) @ public.T.astype(np.float64))
    error = made._error(asked)[:, None]
    assert (apart <= error).all()
    # Worst cases are rare: half of the bound is never met here, a tenth of it is.
    assert (apart > error / 20).any()


@pytest.mark.parametrize("way", EACH_WAY)
def test_a_mass_of_equal_rows_is_settled_by_number_without_keeping_it(way, monkeypatch):
    rng = np.random.default_rng(2)
    public = np.repeat(unit_vectors(rng, 2), 2000, axis=0)
    numbers = rng.permutation(4000).astype(np.int64)
    largest = []
    settle = exact.ranking.settle

    def watched(candidates, *rest):
        largest.append(len(candidates.scores))
        return settle(candidates, *rest)

    monkeypatch.setattr(exact.ranking, "settle", watched)
    queries = public[[0, 0, 2000]]
    with only(way):
        found, _ = top_k(queries, sharded(numbers, public, [1500], "cosine"), 5, threads=2)
    expected = [
        np.sort(numbers[:2000])[:5],
        np.sort(numbers[:2000])[:5],
        np.sort(numbers[2000:])[:5],
    ]
    np.testing.assert_array_equal(found, expected)
    assert max(largest) < 3 * 100


def test_zero_queries_need_no_product(monkeypatch):
    monkeypatch.setattr(exact, "_stream", None)
    rng = np.random.default_rng(3)
    public, numbers = unit_vectors(rng, 100), rng.permutation(100)
    found, scores = top_k(
        np.zeros((4, 32), np.float32), sharded(numbers, public, [30, 31], "cosine"), 7
    )
    assert found.tolist() == [list(range(7))] * 4 and not scores.any()


@pytest.mark.parametrize(
    ("way", "held"), [("single", 1), ("reduced", 1), pytest.param("gpu", 1, marks=interpreted)]
)
def test_few_shards_at_a_time_are_in_memory(way, held):
    alive, most = weakref.WeakSet(), []

    def open_shard(start):
        rng = np.random.default_rng(start)
        shard = PublicIndex(build_index(np.arange(start, start + 50), unit_vectors(rng, 50)), {})
        alive.add(shard.index)
        most.append(len(alive))
        return shard

    shards = [lambda start=start: open_shard(start) for start in range(0, 500, 50)]
    with only(way):
        top_k(unit_vectors(np.random.default_rng(9), 20), shards, 3)
    assert len(most) == 10 and max(most) <= held


@pytest.mark.parametrize("way", ["dense", "single", "reduced"])
def test_scores_and_neighbours_are_the_same_bytes_whatever_the_threads_and_shards(way):
    rng = np.random.default_rng(4)
    public, queries = unit_vectors(rng, 900), unit_vectors(rng, 30)
    numbers = rng.permutation(900).astype(np.int64)
    results = []
    for threads, cuts in ((1, []), (3, [100, 470]), (2, list(range(60, 900, 60)))):
        with only(way):
            found, scores = top_k(
                queries, sharded(numbers, public, cuts, "cosine"), 12, "cosine", threads
            )
        results.append((found.tobytes(), scores.tobytes()))
    assert len(set(results)) == 1
