"""Candidates of queries and their order: best first, runs of ties by sample number.

Scores of both metrics are higher the nearer a row is: products, or squared distances with a minus.
A run goes on as long as the next score is closer than the tolerance to the one before it: of
products 1e-6, of squared distances 1e-6 of the larger, so that it grows and shrinks with the
vectors (method: neighbours).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dejavu.search.indexes import EUCLIDEAN, Numbers

TIE = 1e-6

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Candidates:
    """Pairs of a query and a sample: queries int64, numbers int64 and scores float64, all [pairs].

    By query, then best first, then by number.
    """

    queries: Numbers
    numbers: Numbers
    scores: Floats

    def where(self, keep: Flags) -> "Candidates":
        """Some of the pairs."""
        return Candidates(self.queries[keep], self.numbers[keep], self.scores[keep])

    def bounds(self, count: int) -> Numbers:
        """Where each of `count` queries starts, and the end: int64 [count + 1]."""
        return np.searchsorted(self.queries, np.arange(count + 1))


@dataclass(frozen=True)
class Found:
    """What was found for some of the queries."""

    place: Numbers
    """Which of them, int64 [n]."""
    floor: Floats
    """Lower bounds of their k-th best scores, float64 [n]."""
    best: Candidates
    """All whose score is not below these by more than the slack, by their place among the n."""


def limit(scores: Floats, slack: float, metric: str) -> Floats:
    """What lies a slack below scores, which is a fraction of them for distances; float64 [n].

    Rows below the limit of a query's k-th best score are left out. Below a distance of 0 there is
    nothing that could be tied with it.
    """
    if not np.isfinite(slack):
        return np.full_like(scores, -np.inf)
    return scores - slack * (np.abs(scores) if metric == EUCLIDEAN else 1.0)


def _apart(higher: Floats, lower: Floats, metric: str) -> Flags:
    """Whether successive scores are no tie, bool [n]."""
    if metric == EUCLIDEAN:
        return (higher - lower >= TIE * np.abs(lower)) & (higher > lower)
    return higher - lower >= TIE


def _intervals(scores: Floats, metric: str) -> Floats:
    """Numbers of intervals half as wide as the tolerance, in which scores lie, float64 [n]."""
    if metric == EUCLIDEAN:
        with np.errstate(divide="ignore"):
            scores = np.log(np.abs(scores))
    return np.floor(scores / (TIE / 2))


def ordered(queries: Numbers, numbers: Numbers, scores: Floats) -> Candidates:
    """Candidates from pairs in any order; equal scores, which are rare, cost a slower sort."""
    order = np.argsort(-scores)
    order = order[np.argsort(_narrow(queries[order]), kind="stable")]
    found = Candidates(queries[order], numbers[order], scores[order])
    equal = (found.queries[1:] == found.queries[:-1]) & (found.scores[1:] == found.scores[:-1])
    if not equal.any():
        return found
    order = np.lexsort((numbers, -scores, queries))
    return Candidates(queries[order], numbers[order], scores[order])


def _narrow(queries: Numbers) -> NDArray[np.integer]:
    """The same in 16 bits where they fit, which NumPy sorts in a fraction of the time."""
    return queries.astype(np.uint16) if queries.max(initial=0) < 2**16 else queries


def merged(parts: list[Candidates]) -> Candidates:
    """Several lists of different pairs as one."""
    return ordered(
        np.concatenate([part.queries for part in parts]),
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


def kth_best(candidates: Candidates, count: int, k: int) -> Floats:
    """The k-th best score of each query, -inf where it has fewer candidates: float64 [count]."""
    bounds = candidates.bounds(count)
    found = np.full(count, -np.inf)
    enough = np.diff(bounds) >= k
    found[enough] = candidates.scores[bounds[:-1][enough] + k - 1]
    return found


def thinned(candidates: Candidates, k: int, metric: str) -> Candidates:
    """Without pairs that can't matter for the first k places, however many are tied.

    Scores that share an interval shorter than the tolerance are in one run. Of such a group stay
    the k lowest numbers, the only ones that can be among the first k of their run, and the highest
    and the lowest score, which tell where the run ends.
    """
    queries, scores = candidates.queries, candidates.scores
    interval = _intervals(scores, metric)
    first = np.ones(len(scores), dtype=bool)
    first[1:] = (queries[1:] != queries[:-1]) | (interval[1:] != interval[:-1])
    if np.diff(np.flatnonzero(first), append=len(scores)).max(initial=0) <= k:
        return candidates
    group = np.cumsum(first) - 1
    order = np.lexsort((candidates.numbers, group))
    keep = np.zeros(len(scores), dtype=bool)
    keep[order] = np.arange(len(scores)) - np.flatnonzero(first)[group] < k
    keep |= first
    keep |= np.append(first[1:], True)
    return candidates.where(keep)


def settle(
    candidates: Candidates, k: int, left_out: Floats, metric: str
) -> tuple[Numbers, Floats, Flags]:
    """The first k places of every query.

    Args:
        candidates: at least k of every query.
        k: number of places.
        left_out: float64 [count], for each query the highest score that a row may have that is no
            candidate.
        metric: `cosine` or `euclidean`.

    Returns:
        Numbers int64 and scores float64 [count, k], and for which queries they are proven, [count].
    """
    queries, numbers, scores = candidates.queries, candidates.numbers, candidates.scores
    bounds = candidates.bounds(len(left_out))
    new_run = np.ones(len(scores), dtype=bool)
    new_run[1:] = (queries[1:] != queries[:-1]) | _apart(scores[:-1], scores[1:], metric)
    run = np.cumsum(new_run)
    order = np.arange(len(scores))
    # Alone in a run, a candidate keeps its place.
    tied = np.flatnonzero(~(new_run & np.append(new_run[1:], True)))
    order[tied] = tied[np.lexsort((numbers[tied], run[tied]))]
    places = bounds[:-1, None] + np.arange(k)
    chosen = order[places]
    # The run that holds the last place must end before anything that may have been left out.
    end_of_run = np.searchsorted(run, run[places[:, -1]], side="right") - 1
    # Twice the tolerance, for what rounding may take from it.
    settled = limit(scores[end_of_run], 2 * TIE, metric) >= left_out
    return numbers[chosen], scores[chosen], settled
