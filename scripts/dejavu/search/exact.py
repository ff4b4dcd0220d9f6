"""Exact nearest neighbours: a stream of public shards against one shard of queries.

For every shard a fast pass in low precision proposes rows, with a proof that no other row matters;
proposals are scored again in float64. A query for which the pass proves too little is searched
in float64 alone. A ranking is accepted only once its last run of ties has ended above everything
that was left out; otherwise the query goes round again and leaves out less. So neighbours depend
neither on the pass nor on threads, shards or block sizes.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from dejavu.search import ranking, scoring
from dejavu.search.indexes import COSINE, EUCLIDEAN, OpenShard, PublicIndex, too_few
from dejavu.search.proposals import Proposals, SinglePrecision
from dejavu.search.ranking import TIE, Candidates, Flags, Floats, Found, Numbers

# How far below the k-th best score a run of ties is followed, the first time and later; of
# distances, as a part of them.
SLACKS = (64 * TIE, 2**14 * TIE, np.inf)
QUERY_BLOCK = 1024
# A float64 product of all with all costs as much as scoring one row in so many again.
DENSE_RATIO = 64
# The reduced pass pays from so many queries, and multiplications of all shards, on.
REDUCED_QUERIES, REDUCED_WORK = 256, 2**37

Vectors = NDArray[np.float32]
Way = Callable[[Vectors, Sequence[OpenShard], int, str, float, int], list[Found]]
"""Where to search. It takes the slack before the threads, and may leave queries out."""


class Pass(Protocol):
    """A fast pass over one shard."""

    def propose(self, block: slice, floor: Floats, slack: float) -> Proposals:
        """Rows of which it is not proven that their score is below the floor by the slack.

        Args:
            block: which of the queries.
            floor: float64 [n], lower bounds of their k-th best scores.
            slack: how far below its bound a score still matters, see `ranking.limit`.
        """


def top_k(
    queries: NDArray[Any],
    shards: Sequence[OpenShard],
    k: int,
    metric: str = COSINE,
    threads: int = 1,
) -> tuple[Numbers, NDArray[np.float32]]:
    """Rank the public samples for each query.

    Args:
        queries: float [n, d].
        shards: functions that open the public shards, so that one is in memory at a time; their
            indexes are flat and of the metric.
        k: how many neighbours.
        metric: `cosine`, the inner product, which is the cosine similarity of unit vectors; or
            `euclidean`, the squared distance.
        threads: of which the result does not depend.

    Returns:
        Sample numbers int64 [n, k], nearest first, and their scores float32 [n, k]: products,
        descending, or squared distances, ascending.

    Raises:
        InputError: there are fewer than k public samples.
    """
    wanted = np.ascontiguousarray(queries, dtype=np.float32)
    numbers = np.empty((len(wanted), k), dtype=np.int64)
    scores = np.zeros((len(wanted), k), dtype=np.float64)
    pending = np.arange(len(wanted))
    if metric != EUCLIDEAN and not (nonzero := wanted.any(axis=1)).all():
        # A zero vector is equally far from everything: one run of ties.
        numbers[~nonzero] = _lowest_numbers(shards, k)
        pending = np.flatnonzero(nonzero)
    ways: list[tuple[Way, float]] = [(_stream, slack) for slack in SLACKS]
    if len(pending) >= REDUCED_QUERIES:
        shards, size = _peeked(shards)
        if len(pending) * size * len(shards) >= REDUCED_WORK:
            # PyTorch takes a second to import, which smaller searches don't.
            from dejavu.search import gpu

            if (on := gpu.device()) is not None:
                sizes = gpu.sizes_for(on, wanted.shape[1])
                ways.insert(0, (partial(gpu.search, on=on, sizes=sizes), SLACKS[0]))
    for way, slack in ways:
        if not len(pending):
            break
        settled = np.zeros(len(pending), dtype=bool)
        asked = wanted if len(pending) == len(wanted) else wanted[pending]
        every = way(asked, shards, k, metric, slack, threads)
        settle = partial(_settled, k=k, metric=metric, slack=slack)
        with ThreadPoolExecutor(threads) as pool:
            for found, (places, exact, proven) in zip(every, pool.map(settle, every), strict=True):
                place = found.place[proven]
                numbers[pending[place]] = places[proven]
                scores[pending[place]] = exact[proven]
                settled[place] = True
        pending = pending[~settled]
    with np.errstate(over="ignore"):
        return numbers, (np.abs(scores) if metric == EUCLIDEAN else scores).astype(np.float32)


def _settled(found: Found, k: int, metric: str, slack: float) -> tuple[Numbers, Floats, Flags]:
    left_out = ranking.limit(found.floor, slack, metric)
    return ranking.settle(found.best, k, left_out, metric)


def _peeked(shards: Sequence[OpenShard]) -> tuple[Sequence[OpenShard], int]:
    """The same shards, of which the first is open already, and how many values that holds."""
    held = [open_shard() for open_shard in shards[:1]]
    size = sum(shard.vectors.size for shard in held)
    # Held until it is asked for, so that it is not in memory beside the next one.
    first = [lambda: held.pop() if held else shards[0]()]
    return [*first[: len(shards)], *shards[1:]], size


@dataclass
class _Block:
    """Some of the queries, and what is known of their neighbours so far."""

    place: slice
    queries: Vectors
    floor: Floats = field(init=False)
    """Lower bounds of the k-th best scores, float64 [n]."""
    best: Candidates = scoring.NONE

    def __post_init__(self) -> None:
        self.floor = np.full(len(self.queries), -np.inf)


def _stream(
    queries: Vectors, shards: Sequence[OpenShard], k: int, metric: str, slack: float, threads: int
) -> list[Found]:
    """Search on the processor."""
    size = min(QUERY_BLOCK, -(-len(queries) // threads))
    blocks = [
        _Block(slice(start, start + size), queries[start : start + size])
        for start in range(0, len(queries), size)
    ]
    total = 0
    faiss.omp_set_num_threads(threads)
    with ThreadPoolExecutor(threads) as pool:
        for open_shard in shards:
            shard = open_shard()
            rows = shard.index.ntotal
            total += rows
            if rows:
                chosen = _choose(queries, shard, len(shards), k, metric, pool)
                search = _Search(shard.vectors, shard.numbers, chosen, k, metric, slack)
                list(pool.map(search.advance, blocks))
                del search, chosen
            del shard
    if total < k:
        raise too_few(k, total)
    place = np.arange(len(queries))
    return [Found(place[block.place], block.floor, block.best) for block in blocks]


@dataclass(frozen=True)
class _Search:
    """One shard, to be searched for each block of queries."""

    vectors: Vectors
    numbers: Numbers
    chosen: Pass | None
    k: int
    metric: str
    slack: float

    def advance(self, block: _Block) -> None:
        """Let the shard's rows take part in the block's rankings."""
        count = len(block.queries)
        if self.chosen is None:
            fresh: list[Candidates] = []
            whole = np.arange(count)
        else:
            fresh, whole = self._proposed(block, self.chosen)
        dense = scoring.dense_candidates(
            block.queries,
            whole,
            self.vectors,
            self.numbers,
            block.floor,
            self.slack,
            self.k,
            self.metric,
        )
        best = ranking.thinned(ranking.merged([block.best, *fresh, dense]), self.k, self.metric)
        block.floor = np.maximum(block.floor, ranking.kth_best(best, count, self.k))
        block.best = best.where(best.scores >= self._limit(block.floor)[best.queries])

    def _limit(self, floor: Floats) -> Floats:
        return ranking.limit(floor, self.slack, self.metric)

    def _proposed(self, block: _Block, chosen: Pass) -> tuple[list[Candidates], Numbers]:
        """Candidates that the pass proposes, and the queries it proves too little for."""
        proposals = chosen.propose(block.place, block.floor, self.slack)
        query, row, upper = proposals.queries, proposals.rows, proposals.upper
        # The first k raise the floor, and most others need no exact score.
        starts = np.searchsorted(query, np.arange(len(block.queries)))
        first = np.arange(len(query)) - starts[query] < self.k
        head = self._scored(block, query[first], row[first])
        head = ranking.merged([head])
        floor = np.maximum(block.floor, ranking.kth_best(head, len(block.queries), self.k))
        rest = ~first & ~(upper < self._limit(floor)[query])
        tail = self._scored(block, query[rest], row[rest])
        return [head, tail], np.flatnonzero(~proposals.complete)

    def _scored(self, block: _Block, query: Numbers, row: Numbers) -> Candidates:
        scores = scoring.pair_scores(block.queries, self.vectors, query, row, self.metric)
        return Candidates(query, self.numbers[row], scores)


def _choose(
    queries: Vectors, shard: PublicIndex, shards: int, k: int, metric: str, pool: Executor
) -> Pass | None:
    """The fastest pass for a shard on this machine, or none: float64 alone."""
    rows, d = shard.vectors.shape
    most = rows / DENSE_RATIO
    if 2 * k > most:
        return None
    if len(queries) >= REDUCED_QUERIES and len(queries) * rows * d * shards >= REDUCED_WORK:
        # PyTorch takes a second to import, which smaller searches don't.
        from dejavu.search import reduced

        if reduced.is_fast():
            return reduced.ReducedPrecision(queries, shard.vectors, k, metric, most, pool)
    return SinglePrecision(queries, shard, k, metric)


def _lowest_numbers(shards: Sequence[OpenShard], k: int) -> Numbers:
    """The k lowest of all sample numbers."""
    lowest = np.empty(0, dtype=np.int64)
    for open_shard in shards:
        lowest = np.sort(np.concatenate([lowest, open_shard().numbers]))[:k]
    if len(lowest) < k:
        raise too_few(k, len(lowest))
    return lowest
