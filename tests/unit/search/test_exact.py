"""Neighbours and their order, against float64 products of everything with everything."""

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dejavu.errors import InputError
from dejavu.files import fingerprints
from dejavu.search import indexes, ranking
from dejavu.search.exact import top_k
from dejavu.search.indexes import PublicIndex, build_index, expect, read_index, write_index

FACTS = {"model": "m", "fingerprint": "0" * 32, "input": "image", "normalised": True}


def brute_force(queries, numbers, vectors, k, metric="cosine"):
    """Every score in float64; runs of ties go by the sample number.

    Products are tied where they are closer than 1e-6, squared distances where they are closer than
    1e-6 of the larger, or equal.
    """
    ranked, scores = [], []
    for query in queries.astype(np.float64):
        if metric == "cosine":
            order = [-float(np.dot(query, vector)) for vector in vectors.astype(np.float64)]
        else:
            order = [float(np.sum((query - vector) ** 2)) for vector in vectors.astype(np.float64)]
        nearest = sorted(zip(order, numbers.tolist(), strict=True), key=lambda x: x[0])
        runs = [[nearest[0]]]
        for each in nearest[1:]:
            apart = each[0] - runs[-1][-1][0]
            if apart == 0 or apart < (1e-6 if metric == "cosine" else 1e-6 * each[0]):
                runs[-1].append(each)
            else:
                runs.append([each])
        ordered = [each for run in runs for each in sorted(run, key=lambda x: x[1])]
        ranked.append([number for _, number in ordered[:k]])
        scores.append([abs(value) if metric != "cosine" else -value for value, _ in ordered[:k]])
    return np.array(ranked), np.array(scores)


def sharded(numbers, vectors, cuts, metric="cosine"):
    """Functions that open the shards between the cuts."""
    parts = zip(np.split(numbers, cuts), np.split(vectors, cuts), strict=True)
    return [
        lambda ids=ids, rows=rows: PublicIndex(build_index(ids, rows, metric), FACTS)
        for ids, rows in parts
    ]


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@st.composite
def worlds(draw):
    """Public vectors with exact duplicates and near-ties planted, in any number of shards."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    d = draw(st.sampled_from([2, 3, 8, 48]))
    originals = rng.normal(size=(draw(st.integers(1, 25)), d))
    public = [originals]
    for nudge in (0.0, 2e-7, 5e-7, 9e-7, 2e-6, 1e-5):
        copies = rng.integers(0, len(originals), draw(st.integers(0, 8)))
        public.append(originals[copies] + nudge * rng.normal(size=(len(copies), d)))
    public = np.concatenate(public)
    queries = np.concatenate([rng.normal(size=(3, d)), public[rng.integers(0, len(public), 3)]])
    if draw(st.booleans()):
        queries, public = unit(queries), unit(public)
    else:
        scale = draw(st.sampled_from([1e-8, 1e-3, 1.0, 30.0]))
        public = (scale * public * rng.uniform(0.5, 2, (len(public), 1))).astype(np.float32)
        queries = ((scale if draw(st.booleans()) else 1) * queries).astype(np.float32)
    queries[rng.random(len(queries)) < 0.2] = 0
    numbers = rng.choice(10**9, len(public), replace=False) + 3 * 10**12
    cuts = sorted(draw(st.lists(st.integers(0, len(public)), max_size=4)))
    k = draw(st.integers(1, len(public)))
    return queries, numbers, public[rng.permutation(len(public))], cuts, k


@settings(max_examples=200)
@given(worlds(), st.sampled_from(["cosine", "euclidean"]))
def test_ranking_equals_brute_force_whatever_the_shards(world, metric):
    queries, numbers, vectors, cuts, k = world
    expected, exact = brute_force(queries, numbers, vectors, k, metric)
    found, scores = top_k(queries, sharded(numbers, vectors, cuts, metric), k, metric)
    assert found.tolist() == expected.tolist()
    assert scores.dtype == np.float32
    np.testing.assert_allclose(
        scores, exact, rtol=1e-6, atol=1e-24 if metric == "euclidean" else 1e-12
    )


@pytest.mark.parametrize("cuts", [[], [150], [1, 2, 150, 299], list(range(0, 300, 20))])
@pytest.mark.parametrize("k", [1, 10, 299])
def test_a_run_of_ties_longer_than_any_reserve_is_ordered_as_a_whole(k, cuts):
    # 300 scores a ninth of a millionth apart: one run, whose lowest number may lie anywhere in it.
    query = np.zeros((1, 3), np.float32)
    query[0, 0] = 1.0
    vectors = np.zeros((300, 3), np.float32)
    vectors[:, 0] = 0.1 + 1.2e-7 * np.arange(300)
    numbers = np.random.default_rng(k).permutation(300)
    found, _ = top_k(query, sharded(numbers, vectors, cuts), k)
    assert found[0].tolist() == list(range(k))


def test_only_scores_closer_than_a_millionth_to_the_one_before_are_ties():
    query = np.array([[1.0, 0.0]], np.float32)
    first = [0.5, 0.5 - 0.8e-6, 0.5 - 1.6e-6, 0.5 - 3e-6, 0.4]
    vectors = np.array([[x, 0.0] for x in first], np.float32)
    found, scores = top_k(query, sharded(np.array([9, 7, 5, 1, 0]), vectors, []), 5)
    assert found[0].tolist() == [5, 7, 9, 1, 0]
    np.testing.assert_array_equal(scores[0], vectors[[2, 1, 0, 3, 4], 0])


@pytest.mark.parametrize("k", [1, 2, 3])
def test_exact_duplicates_go_by_their_number_inside_and_across_the_last_place(k):
    rng = np.random.default_rng(0)
    twin = unit(rng.normal(size=8))
    vectors = np.stack([twin, -twin, twin, twin, unit(rng.normal(size=8))])
    found, _ = top_k(twin[None], sharded(np.array([40, 1, 20, 30, 0]), vectors, [2]), k)
    assert found[0].tolist() == [20, 30, 40][:k]


def test_a_zero_query_is_equally_far_from_everything():
    rng = np.random.default_rng(1)
    vectors = unit(rng.normal(size=(500, 16)))
    numbers = rng.permutation(500)
    found, scores = top_k(
        np.zeros((2, 16), np.float32), sharded(numbers, vectors, [100, 100, 321]), 10
    )
    assert found.tolist() == [list(range(10))] * 2
    assert not scores.any()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_scores_are_exact_where_float32_cannot_tell_neighbours_apart(seed, metric):
    # Around 1e4 float32 rounds to steps of 1e-3; the products differ by about 1e-4.
    rng = np.random.default_rng(seed)
    query = rng.normal(size=(1, 64)).astype(np.float32)
    vectors = np.repeat(300 * query, 200, axis=0)
    vectors[:, :8] += rng.normal(scale=1e-4, size=(200, 8)).astype(np.float32)
    numbers = rng.permutation(200)
    expected, _ = brute_force(query, numbers, vectors, 5, metric)
    found, _ = top_k(query, sharded(numbers, vectors, [77], metric), 5, metric)
    assert found.tolist() == expected.tolist()


def test_half_precision_embeddings_are_searched_as_stored():
    rng = np.random.default_rng(3)
    vectors = unit(rng.normal(size=(60, 12))).astype(np.float16)
    queries = unit(rng.normal(size=(4, 12))).astype(np.float16)
    expected, _ = brute_force(queries, np.arange(60), vectors, 7)
    found, _ = top_k(queries, sharded(np.arange(60), vectors, [30]), 7)
    assert found.tolist() == expected.tolist()


def test_more_neighbours_than_public_samples_are_refused():
    vectors = unit(np.random.default_rng(0).normal(size=(5, 4)))
    shards = sharded(np.arange(5), vectors, [2])
    assert top_k(vectors, shards, 5)[0].shape == (5, 5)
    with pytest.raises(InputError, match="k is 6, but there are only 5 public samples"):
        top_k(vectors, shards, 6)


def test_no_queries_give_no_neighbours():
    vectors = unit(np.random.default_rng(0).normal(size=(5, 4)))
    found, scores = top_k(vectors[:0], sharded(np.arange(5), vectors, []), 3)
    assert found.shape == scores.shape == (0, 3)


@pytest.fixture
def stored(tmp_path):
    vectors = unit(np.random.default_rng(4).normal(size=(6, 4)))
    path = tmp_path / "0000.faiss"
    write_index(path, build_index(np.arange(6) + 10**12, vectors), FACTS)
    return path, vectors


def test_an_index_comes_back_as_it_was_written(stored):
    path, vectors = stored
    shard = read_index(path)
    assert shard.numbers.tolist() == [10**12 + row for row in range(6)]
    np.testing.assert_array_equal(shard.vectors, vectors)
    assert {key: shard.metadata[key] for key in FACTS} == FACTS


@pytest.mark.parametrize("piece", [1, 7, 64, 2**20])
def test_an_index_is_the_same_in_whatever_pieces_it_is_read(stored, piece, monkeypatch):
    path, vectors = stored
    monkeypatch.setattr(indexes, "PIECE", piece)
    expect(path)
    np.testing.assert_array_equal(read_index(path).vectors, vectors)


@given(st.data())
def test_candidates_are_ordered_by_query_then_score_then_number(data):
    pairs = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from([0, 1, 2, 65_535, 65_536, 10**6]),
                st.integers(0, 30),
                st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 1e-300, 0.5, 0.5 + 1e-16]),
            ),
            unique_by=lambda pair: pair[:2],
        )
    )
    columns = (np.array([pair[place] for pair in pairs]) for place in range(2))
    queries, numbers = (column.astype(np.int64) for column in columns)
    scores = np.array([pair[2] for pair in pairs], dtype=np.float64)
    found = ranking.ordered(queries, numbers, scores)
    assert list(
        zip(found.queries.tolist(), (-found.scores).tolist(), found.numbers.tolist(), strict=True)
    ) == sorted((query, -score, number) for query, number, score in pairs)


def test_faiss_alone_reads_and_searches_the_file(stored):
    path, vectors = stored
    index = faiss.read_index(str(path))
    scores, numbers = index.search(vectors, 1)
    assert numbers[:, 0].tolist() == [10**12 + row for row in range(6)]
    np.testing.assert_allclose(scores[:, 0], 1, atol=1e-6)


def test_every_flipped_byte_of_an_index_is_found(stored):
    path, _ = stored
    content = path.read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(InputError):
            read_index(path)


def test_every_truncated_index_is_found(stored):
    path, _ = stored
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(InputError):
            read_index(path)


def test_an_index_of_somebody_else_is_refused(tmp_path):
    path = tmp_path / "0000.faiss"
    faiss.write_index(build_index(np.arange(6), np.eye(6, dtype=np.float32)), str(path))
    with pytest.raises(InputError, match="no index of this workflow"):
        read_index(path)


def test_an_index_with_the_provenance_of_another_is_refused(stored, tmp_path):
    path, vectors = stored
    other = tmp_path / "0001.faiss"
    write_index(other, build_index(np.arange(6), vectors[::-1]), FACTS)
    body = len(faiss.serialize_index(build_index(np.arange(6), vectors)))
    path.write_bytes(path.read_bytes()[:body] + other.read_bytes()[body:])
    with pytest.raises(InputError, match="does not hold what was written"):
        read_index(path)


def test_vectors_of_two_models_are_never_compared():
    first = {"model": "clip_a", "fingerprint": "a" * 32}
    fingerprints.check_same_model(first, "queries", dict(first), "index")
    with pytest.raises(InputError, match="index was made by another model than queries"):
        fingerprints.check_same_model(first, "queries", {**first, "fingerprint": "b" * 32}, "index")
