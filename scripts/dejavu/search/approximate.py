"""Approximate indexes: any FAISS factory string, trained once, and what it finds of the neighbours.

Scores are those that the index gives: of vectors that it keeps compressed, not of the stored ones.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.search import ranking
from dejavu.search.indexes import COSINE, EUCLIDEAN, Numbers, OpenShard, too_few
from dejavu.search.ranking import Candidates, Floats

# Odd, so that it turns numbers in order into numbers all over the range of 64 bits.
SCATTER = np.uint64(0x9E3779B97F4A7C15)


def lowest_hashed(
    shards: Iterable[tuple[Numbers, NDArray[Any]]], count: int, seed: int
) -> tuple[Numbers, NDArray[Any]]:
    """A sample of vectors that depends on seed and sample numbers alone.

    Args:
        shards: sample numbers int64 [n] and vectors [n, d] of each shard.
        count: how many; all where there are fewer.
        seed: the key of the hash.

    Returns:
        Numbers int64 [count], ascending, and their vectors [count, d].
    """
    kept: list[tuple[Numbers, NDArray[Any]]] = []
    for numbers, vectors in shards:
        kept.append((numbers, vectors))
        joined, rows = (np.concatenate(parts) for parts in zip(*kept, strict=True))
        lowest = np.argsort(_hashed(joined, seed), kind="stable")[:count]
        kept = [(joined[lowest], rows[lowest])]
    numbers, vectors = kept[0]
    order = np.argsort(numbers)
    return numbers[order], vectors[order]


def _hashed(numbers: Numbers, seed: int) -> NDArray[np.uint64]:
    """Hashes of sample numbers (the finaliser of SplitMix64)."""
    values = (numbers.astype(np.uint64) + np.uint64(seed)) * SCATTER
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def train(factory: str, vectors: NDArray[Any], metric: str = COSINE) -> Any:
    """Train an empty index of a FAISS factory string on vectors [n, d]; one thread, so repeatable.

    Raises:
        InputError: FAISS does not know the string, or can't train it on these vectors.
    """
    faiss.omp_set_num_threads(1)
    kind = faiss.METRIC_L2 if metric == EUCLIDEAN else faiss.METRIC_INNER_PRODUCT
    try:
        index = faiss.index_factory(vectors.shape[1], factory, kind)
        index.train(np.ascontiguousarray(vectors, dtype=np.float32))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(
            f"Config key index.factory: FAISS makes no index {factory!r} of {len(vectors)} vectors"
            f" of dimension {vectors.shape[1]} ({reason}): correct it, or raise"
            " index.train_samples."
        ) from error
    return faiss.IndexIDMap2(index)


def fill(index: Any, numbers: Numbers, vectors: NDArray[Any]) -> None:
    """Put vectors [rows, d] into a trained index, whose ids are the sample numbers [rows]."""
    faiss.omp_set_num_threads(1)
    index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), numbers)


def top_k(
    queries: NDArray[Any],
    shards: Sequence[OpenShard],
    k: int,
    metric: str = COSINE,
    parameters: str = "",
    threads: int = 1,
) -> tuple[Numbers, NDArray[np.float32]]:
    """Rank the public samples for each query as the indexes see them; ties by sample number.

    Args:
        queries: float [n, d].
        shards: functions that open the public shards, so that one is in memory at a time.
        k: how many neighbours.
        metric: of the indexes.
        parameters: FAISS's own, such as `nprobe=16` or `efSearch=64`.
        threads: of which the result does not depend.

    Returns:
        As `exact.top_k`.

    Raises:
        InputError: the indexes find fewer than k samples, or don't know the parameters.
    """
    wanted = np.ascontiguousarray(queries, dtype=np.float32)
    sign = -1.0 if metric == EUCLIDEAN else 1.0
    best = Candidates(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    for open_shard in shards:
        shard = open_shard()
        faiss.omp_set_num_threads(threads)
        if parameters:
            _set_parameters(shard.index, parameters)
        scores, numbers = shard.index.search(wanted, k)
        query, place = np.nonzero(numbers >= 0)
        found = Candidates(query, numbers[query, place], sign * scores[query, place])
        best = _first(ranking.merged([best, found]), len(wanted), k)
        del shard
    counts = np.diff(best.bounds(len(wanted)))
    if counts.min(initial=k) < k:
        raise too_few(k, int(counts.min()))
    shape = (len(wanted), k)
    return best.numbers.reshape(shape), (sign * best.scores).reshape(shape).astype(np.float32)


def _set_parameters(index: Any, parameters: str) -> None:
    space: Any = faiss.ParameterSpace()
    try:
        space.set_index_parameters(faiss.downcast_index(index.index), parameters)
    except RuntimeError as error:
        raise InputError(
            f"Config key index.search: this index does not take {parameters!r}: correct it."
        ) from error


def _first(candidates: Candidates, count: int, k: int) -> Candidates:
    starts = candidates.bounds(count)[:-1]
    place = np.arange(len(candidates.queries)) - starts[candidates.queries]
    return candidates.where(place < k)


def recall(found: Numbers, exact: Numbers) -> float:
    """The fraction of the exact neighbours [n, k] that were found [n, k] for the same queries."""
    hits: Floats = (found[:, :, None] == exact[:, None, :]).any(axis=1).mean(axis=1)
    return float(hits.mean())
