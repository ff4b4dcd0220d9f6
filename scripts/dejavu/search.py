"""Exact nearest neighbours: a stream of public shards against one shard of queries.

Neighbours are those that float64 products, or squared distances, of the stored values give; pairs
closer than 1e-6 are ties, and ties go by the lower sample number (method: §2). FAISS proposes
candidates in float32; they are scored again in float64, and a query's ranking is accepted only once
the distance between its last tie and the first row that FAISS may have left out exceeds the error
of float32. Otherwise the query asks for more candidates, in the end for all rows. Inside, scores of
both metrics are higher the nearer a row is.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from dejavu import provenance
from dejavu.errors import InputError
from dejavu.job import whole_file
from dejavu.provenance import Metadata

TIE = 1e-6
SPARE_CANDIDATES = 32
RESCORED_VALUES = 2**24
TRAILER = b"dejavu-index"
COSINE, EUCLIDEAN = "cosine", "euclidean"

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class PublicIndex:
    """A FAISS index over one public shard, with its provenance."""

    index: Any
    metadata: Metadata

    @property
    def numbers(self) -> Numbers:
        """Sample numbers int64 [rows], in the order of the rows."""
        return faiss.vector_to_array(self.index.id_map)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The stored vectors, float32 [rows, d], without a copy."""
        flat: Any = faiss.downcast_index(self.index.index)
        values = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d)
        return values.reshape(flat.ntotal, flat.d)


def build_index(numbers: Numbers, vectors: NDArray[Any], metric: str = COSINE) -> Any:
    """Make a flat index over vectors [rows, d] whose ids are the sample numbers [rows]."""
    flat = faiss.IndexFlatL2 if metric == EUCLIDEAN else faiss.IndexFlatIP
    index = faiss.IndexIDMap2(flat(vectors.shape[1]))
    index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), numbers)
    return index


def write_index(path: str | Path, index: Any, facts: Metadata) -> None:
    """Write an index that FAISS reads as it is, followed by its sealed provenance."""
    content = faiss.serialize_index(index)
    sealed = provenance.seal(facts, provenance.place(path), provenance.array_bytes(content))
    trailer = provenance.canonical(sealed)
    with whole_file(path) as partial, partial.open("wb") as file:
        file.write(provenance.array_bytes(content))
        file.write(trailer)
        file.write(len(trailer).to_bytes(8))
        file.write(TRAILER)


def read_index(path: str | Path) -> PublicIndex:
    """Read an index and check its seal.

    Raises:
        InputError: the file is damaged or was not made by this workflow.
    """
    content = np.fromfile(path, dtype=np.uint8)
    tail = len(TRAILER) + 8
    damaged = InputError(f"{path} is damaged or no index of this workflow: delete it and rerun.")
    if bytes(content[-len(TRAILER) :]) != TRAILER:
        raise damaged
    size = int.from_bytes(bytes(content[-tail : -len(TRAILER)]))
    body = content[: -tail - size] if size <= len(content) - tail else content[:0]
    try:
        metadata = json.loads(bytes(content[len(body) : -tail]))
    except ValueError:
        raise damaged from None
    provenance.check_seal(path, metadata, provenance.place(path), provenance.array_bytes(body))
    return PublicIndex(faiss.deserialize_index(body), metadata)


@dataclass
class Ranking:
    """The best neighbours found so far, for every query of a shard."""

    numbers: Numbers
    scores: Floats
    left_out: Floats = field(repr=False)
    """The highest score, in exact arithmetic, that a row left out so far may have, [n]."""


def top_k(
    queries: NDArray[Any],
    shards: Sequence[Callable[[], PublicIndex]],
    k: int,
    metric: str = COSINE,
) -> tuple[Numbers, NDArray[np.float32]]:
    """Rank the public samples for each query.

    Args:
        queries: float [n, d].
        shards: functions that open the public shards, so that one is in memory at a time; their
            indexes are of the metric.
        k: how many neighbours.
        metric: `cosine`, the inner product, which is the cosine similarity of unit vectors; or
            `euclidean`, the squared distance.

    Returns:
        Sample numbers int64 [n, k], nearest first, and their scores float32 [n, k]: products,
        descending, or squared distances, ascending.

    Raises:
        InputError: there are fewer than k public samples.
    """
    pending = np.arange(len(queries))
    numbers = np.empty((len(queries), k), dtype=np.int64)
    scores = np.empty((len(queries), k), dtype=np.float64)
    width = k + SPARE_CANDIDATES
    while len(pending):
        ranking = _candidates(queries[pending], shards, width, metric)
        if ranking.numbers.shape[1] < k:
            raise InputError(
                f"k is {k}, but there are only {ranking.numbers.shape[1]} public samples: lower"
                " `k` or enlarge the public set."
            )
        order_numbers, order_scores, settled = _settle(ranking, k)
        numbers[pending[settled]] = order_numbers[settled]
        scores[pending[settled]] = order_scores[settled]
        pending = pending[~settled]
        width *= 8
    return numbers, (np.abs(scores) if metric == EUCLIDEAN else scores).astype(np.float32)


def _candidates(
    queries: NDArray[Any], shards: Iterable[Callable[[], PublicIndex]], width: int, metric: str
) -> Ranking:
    """The best `width` rows of every shard, merged; fewer where the shards hold fewer."""
    count = len(queries)
    best = Ranking(np.empty((count, 0), np.int64), np.empty((count, 0)), np.full(count, -np.inf))
    wanted = np.ascontiguousarray(queries, dtype=np.float32)
    for open_shard in shards:
        shard = open_shard()
        rows = shard.index.ntotal
        if rows == 0:
            continue
        found = min(width, rows)
        proposed, numbers = shard.index.search(wanted, found)
        scores = _rescored(wanted, numbers, shard, metric)
        left_out = best.left_out
        if found < rows:
            # A row that FAISS left out is at most as good as its last proposal, in its float32.
            last = proposed[:, -1].astype(np.float64) * (-1 if metric == EUCLIDEAN else 1)
            left_out = np.maximum(left_out, last + _error_bound(wanted, shard.vectors, metric))
        best = _merged(best, Ranking(numbers, scores, left_out), width)
    return best


def _merged(first: Ranking, second: Ranking, width: int) -> Ranking:
    numbers = np.concatenate([first.numbers, second.numbers], axis=1)
    scores = np.concatenate([first.scores, second.scores], axis=1)
    order = np.lexsort((numbers, -scores), axis=1)
    numbers = np.take_along_axis(numbers, order, axis=1)
    scores = np.take_along_axis(scores, order, axis=1)
    left_out = second.left_out
    if numbers.shape[1] > width:
        left_out = np.maximum(left_out, scores[:, width])
    return Ranking(numbers[:, :width], scores[:, :width], left_out)


def _error_bound(queries: NDArray[np.float32], vectors: NDArray[np.float32], metric: str) -> Floats:
    """Largest error of a float32 score, in any order of summation (Higham 2002, §3.1).

    FAISS takes a squared distance as |x|² + |y|² - 2xy or as the sum of squared differences; either
    way no sum exceeds (|x| + |y|)².
    """
    unit = np.finfo(np.float32).eps / 2
    longest = float(np.sqrt(np.einsum("ij,ij->i", vectors, vectors).max(initial=0)))
    lengths: Floats = np.linalg.norm(queries, axis=1).astype(np.float64)
    largest = (lengths + longest) ** 2 if metric == EUCLIDEAN else longest * lengths
    operations = queries.shape[1] + (4 if metric == EUCLIDEAN else 0)
    growth = operations * unit / (1 - operations * unit)
    return growth * largest * (1 + 1e-3)


def _rescored(
    queries: NDArray[np.float32], numbers: Numbers, shard: PublicIndex, metric: str
) -> Floats:
    """Float64 scores of the queries with their candidates, [n, candidates]."""
    all_numbers, vectors = shard.numbers, shard.vectors
    order = np.argsort(all_numbers, kind="stable")
    rows = order[np.searchsorted(all_numbers, numbers, sorter=order)]
    scores = np.empty(numbers.shape)
    step = max(1, RESCORED_VALUES // (numbers.shape[1] * queries.shape[1]))
    for start in range(0, len(queries), step):
        block = slice(start, start + step)
        chosen = vectors[rows[block]].astype(np.float64)
        if metric == EUCLIDEAN:
            chosen -= queries[block, None]
            scores[block] = -np.einsum("nkd,nkd->nk", chosen, chosen)
        else:
            scores[block] = np.einsum("nd,nkd->nk", queries[block].astype(np.float64), chosen)
    return scores


def _settle(ranking: Ranking, k: int) -> tuple[Numbers, Floats, NDArray[np.bool_]]:
    """Order by score, runs of ties by sample number; tell for which queries that is proven.

    A run goes on as long as the next score is closer than the tolerance to the one before it.
    """
    numbers, scores = ranking.numbers, ranking.scores
    starts = np.ones(scores.shape, dtype=bool)
    starts[:, 1:] = scores[:, :-1] - scores[:, 1:] >= TIE
    run = np.cumsum(starts, axis=1)
    order = np.lexsort((numbers, run), axis=1)
    # The run that holds the last place must end before anything that may have been left out.
    in_last_run = run == run[:, [k - 1]]
    lowest = np.where(in_last_run, scores, np.inf).min(axis=1)
    settled = lowest - TIE >= ranking.left_out
    ordered = np.take_along_axis(numbers, order, axis=1)[:, :k]
    return ordered, np.take_along_axis(scores, order, axis=1)[:, :k], settled
