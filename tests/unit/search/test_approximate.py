"""Approximate indexes: trained, filled, searched and measured against exact neighbours."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import build_index
import find_neighbors
import measure_recall
import recall
import train_index
from dejavu.errors import InputError
from dejavu.files.embeddings import write_embeddings
from dejavu.files.lists import write_list
from dejavu.files.neighbors import read_neighbors
from dejavu.search import approximate, exact, indexes

FACTS = {"model": "clip_a", "fingerprint": "0" * 32, "input": "image", "normalised": True}


def unit(rng, rows, d=16):
    vectors = rng.normal(size=(rows, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    return unit(rng, 600), np.arange(600) + 10**12, unit(rng, 40)


def opened(index, numbers, vectors):
    approximate.fill(index, numbers, vectors)
    return indexes.PublicIndex(index, {})


def shards_of(factory, metric, world, cuts=(200,)):
    public, numbers, _ = world
    parts = zip(np.split(public, cuts), np.split(numbers, cuts), strict=True)
    return [
        lambda rows=rows, ids=ids: opened(approximate.train(factory, public, metric), ids, rows)
        for rows, ids in parts
    ]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(("factory", "search"), [("IVF8,Flat", "nprobe=8"), ("Flat", "")])
def test_an_index_that_misses_nothing_gives_the_exact_neighbours(world, factory, search, metric):
    shards = shards_of(factory, metric, world)
    found, scores = approximate.top_k(world[2], shards, 10, metric, search)
    flat = [
        lambda: indexes.PublicIndex(indexes.build_index(world[1], world[0], metric), {}),
    ]
    nearest, exact_scores = exact.top_k(world[2], flat, 10, metric)
    np.testing.assert_array_equal(found, nearest)
    np.testing.assert_allclose(scores, exact_scores, atol=1e-6)
    assert scores.dtype == np.float32


@pytest.mark.parametrize("factory", ["IVF8,Flat", "IVF8,PQ4x4", "HNSW8", "SQ8", "PCA8,Flat"])
def test_numbers_are_public_samples_and_scores_are_in_order(world, factory):
    found, scores = approximate.top_k(world[2], shards_of(factory, "cosine", world), 10)
    assert set(found.ravel()) <= set(world[1])
    assert all(len(set(row)) == 10 for row in found.tolist())
    assert (np.diff(scores, axis=1) <= 0).all()


def test_searching_more_lists_finds_more(world):
    nearest = np.argsort(-(world[2] @ world[0].T), axis=1)[:, :10] + 10**12
    shards = shards_of("IVF16,Flat", "cosine", world)
    recalls = [
        approximate.recall(
            approximate.top_k(world[2], shards, 10, parameters=f"nprobe={lists}")[0], nearest
        )
        for lists in (2, 6, 16)
    ]
    assert recalls[0] < recalls[1] < recalls[2] == 1


def test_recall_counts_neighbours_in_any_order():
    exact_ones = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert approximate.recall(np.array([[4, 3, 2, 1], [8, 9, 10, 11]]), exact_ones) == 5 / 8


def test_what_faiss_cannot_make_gives_a_sentence(world):
    for factory, vectors in (("IVF,what", world[0]), ("IVF1024,Flat", world[0])):
        with pytest.raises(InputError, match=r"Config key index.factory"):
            approximate.train(factory, vectors)
    shards = shards_of("IVF8,Flat", "cosine", world)
    with pytest.raises(InputError, match=r"Config key index.search"):
        approximate.top_k(world[2], shards, 3, parameters="n_probe=3")
    with pytest.raises(InputError, match="k is 601"):
        approximate.top_k(world[2], shards, 601, parameters="nprobe=8")


@given(cuts=st.lists(st.integers(0, 50), max_size=3), count=st.integers(1, 60))
def test_the_training_sample_does_not_depend_on_the_shards(cuts, count):
    numbers = np.arange(50) * 3 + 7
    vectors = numbers[:, None] * np.ones(2)
    cuts = sorted(cuts)
    parts = zip(np.split(numbers, cuts), np.split(vectors, cuts), strict=True)
    found, rows = approximate.lowest_hashed(parts, count, seed=1)
    whole, _ = approximate.lowest_hashed([(numbers, vectors)], count, seed=1)
    assert found.tolist() == whole.tolist()
    assert rows[:, 0].tolist() == found.tolist()
    assert len(found) == min(count, 50)


def test_another_seed_gives_another_sample():
    numbers, vectors = np.arange(1000), np.zeros((1000, 1))
    samples = [approximate.lowest_hashed([(numbers, vectors)], 100, seed)[0] for seed in (0, 1)]
    assert len(set(samples[0]) & set(samples[1])) < 30


def test_from_embeddings_to_the_table_of_recall(tmp_path, world):
    public, numbers, queries = world
    place = tmp_path / "results"
    paths = [place / f"public_{shard}.parquet" for shard in range(2)]
    for path, rows in zip(paths, (slice(0, 200), slice(200, 600)), strict=True):
        write_embeddings(path, numbers[rows], public[rows], FACTS)
    asked = place / "queries.parquet"
    write_embeddings(asked, np.arange(40), queries, {**FACTS, "input": "caption"})
    settings = {"metric": "cosine", "k": 10, "approximate": True, "search": "nprobe=3"}
    training = {"factory": "IVF8,Flat", "train_samples": 300, "seed": 0, "metric": "cosine"}

    def job(output, inputs, **params):
        return SimpleNamespace(
            input=inputs,
            output=[str(output)],
            params=SimpleNamespace(**params),
            threads=1,
            wildcards=SimpleNamespace(query="t2i"),
        )

    trained = place / "trained.faiss"
    train_index.main(job(trained, [str(path) for path in paths], **training))
    written = trained.read_bytes()
    train_index.main(job(trained, [str(path) for path in paths], **training))
    assert trained.read_bytes() == written
    built = [place / f"{shard}.faiss" for shard in range(2)]
    for path, index in zip(paths, built, strict=True):
        build_index.main(job(index, SimpleNamespace(public=path, trained=trained), metric="cosine"))
    found, listed = place / "neighbors.parquet", place / "list.json"
    write_list(listed, built)
    find_neighbors.main(job(found, SimpleNamespace(queries=asked, indexes=listed), **settings))
    measured = place / "recall.json"
    searched = SimpleNamespace(queries=[asked], neighbors=[found], public=paths)
    measure_recall.main(job(measured, searched, metric="cosine", k=[1, 10], queries=25, seed=0))
    table = place / "recall.csv"
    recall.main(
        job(
            table,
            [measured],
            searched=[{"model": "clip_a", "input": "image"}],
            index="IVF8,Flat",
            digest="config",
        )
    )
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["k"] for row in rows] == ["1", "10"]
    assert {row["queries"] for row in rows} == {"25"}
    # By hand: the neighbours found of the 25 queries, among the nearest of all.
    chosen, _ = approximate.lowest_hashed([(np.arange(40), queries)], 25, 0)
    nearest = np.argsort(-(queries @ public.T), axis=1)[:, :10] + 10**12
    ranking = read_neighbors(found).neighbors
    hits = [len(set(ranking[query]) & set(nearest[query])) / 10 for query in chosen]
    assert float(rows[1]["recall"]) == pytest.approx(np.mean(hits))
    assert 0.2 < np.mean(hits) < 1
