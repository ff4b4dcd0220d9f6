"""Scores in float64, as the method defines them; higher is nearer in both metrics."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dejavu.search.indexes import EUCLIDEAN
from dejavu.search.ranking import (
    TIE,
    Candidates,
    Flags,
    Floats,
    Numbers,
    kth_best,
    limit,
    merged,
    thinned,
)

BLOCK_VALUES = 2**17
DENSE_VALUES = 2**21
NONE = Candidates(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))

Vectors = NDArray[np.float32]


def pair_scores(
    queries: Vectors, vectors: Vectors, query: Numbers, row: Numbers, metric: str
) -> Floats:
    """Scores of pairs of a query and a row, float64 [pairs]; each depends on its pair alone."""
    scores = np.empty(len(row))
    step = max(1, BLOCK_VALUES // queries.shape[1])
    for start in range(0, len(row), step):
        block = slice(start, start + step)
        first = queries.take(query[block], axis=0).astype(np.float64)
        second = vectors.take(row[block], axis=0).astype(np.float64)
        if metric == EUCLIDEAN:
            second -= first
            scores[block] = -np.vecdot(second, second)
        else:
            scores[block] = np.vecdot(first, second)
    return scores


def dense_candidates(
    queries: Vectors,
    which: Numbers,
    vectors: Vectors,
    numbers: Numbers,
    floor: Floats,
    slack: float,
    k: int,
    metric: str,
) -> Candidates:
    """Candidates of some queries from a whole shard, by float64 products of all with all.

    Args:
        queries: [n, d].
        which: the places of the queries that are searched.
        vectors: [rows, d], the shard.
        numbers: int64 [rows], its sample numbers.
        floor: float64 [n], lower bounds of the k-th best scores.
        slack: how far below its bound a score still matters, see `ranking.limit`.
        k: number of places.
        metric: `cosine` or `euclidean`.
    """
    if not len(which):
        return NONE
    wanted = queries[which].astype(np.float64)
    floor = floor[which].copy()
    # Rows in the order of their numbers, so that of tied ones the first stay.
    by_number = np.argsort(numbers, kind="stable")
    step = max(1, DENSE_VALUES // max(queries.shape[1], len(which)))
    found = NONE
    for start in range(0, len(by_number), step):
        rows = by_number[start : start + step]
        scores, error = _all_scores(wanted, vectors[rows].astype(np.float64), metric)
        if scores.shape[1] >= k:
            kth = np.partition(scores, scores.shape[1] - k, axis=1)[:, -k]
            floor = np.maximum(floor, kth - error)
        keep = scores >= (limit(floor, slack, metric) - error)[:, None]
        _thin_tight_rows(keep, scores, error, k, metric)
        query, place = np.nonzero(keep)
        exact = pair_scores(queries, vectors, which[query], rows[place], metric)
        found = thinned(merged([found, Candidates(query, start + place, exact)]), k, metric)
        floor = np.maximum(floor, kth_best(found, len(which), k))
        found = found.where(found.scores >= limit(floor, slack, metric)[found.queries])
    row = by_number[found.numbers]
    return Candidates(which[found.queries], numbers[row], found.scores)


def _all_scores(queries: Floats, rows: Floats, metric: str) -> tuple[Floats, Floats]:
    """Scores of all rows for all queries, [n, rows], and how far off they may be, [n]."""
    growth = (queries.shape[1] + 8) * np.finfo(np.float64).eps
    if metric != EUCLIDEAN:
        longest = np.sqrt(_squares(rows).max(initial=0))
        return queries @ rows.T, growth * np.sqrt(_squares(queries)) * longest
    # Around their own middle, so that a common offset does not cancel digits.
    middle = rows.mean(axis=0)
    first, second = queries - middle, rows - middle
    squares, others = _squares(first), _squares(second)
    error = growth * (np.sqrt(squares) + np.sqrt(others.max(initial=0))) ** 2
    return 2 * (first @ second.T) - squares[:, None] - others, error


def _squares(vectors: NDArray[Any]) -> Floats:
    return np.einsum("ij,ij->i", vectors, vectors)


def _thin_tight_rows(keep: Flags, scores: Floats, error: Floats, k: int, metric: str) -> None:
    """Thin, as `ranking.thinned`, queries whose kept scores all lie within the tolerance.

    Only where they are known so well that what is left tells where the run ends.
    """
    crowded = np.flatnonzero(np.count_nonzero(keep, axis=1) > 2 * k + 2)
    kept = keep[crowded]
    highest = np.where(kept, scores[crowded], -np.inf)
    lowest = np.where(kept, scores[crowded], np.inf)
    best, worst = highest.max(axis=1, initial=-np.inf), lowest.min(axis=1, initial=np.inf)
    width = TIE * np.abs(best) if metric == EUCLIDEAN else TIE
    tight = (best - worst < width / 2) & (error[crowded] <= width / 1e4)
    chosen = np.flatnonzero(tight)
    thin = kept[chosen] & (np.cumsum(kept[chosen], axis=1) <= k)
    thin[np.arange(len(chosen)), highest[chosen].argmax(axis=1)] = True
    thin[np.arange(len(chosen)), lowest[chosen].argmin(axis=1)] = True
    keep[crowded[chosen]] = thin
