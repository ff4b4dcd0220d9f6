"""Proposals of FAISS: the rows of a shard that float32 puts first, and what it may have missed."""

from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from dejavu.search.indexes import EUCLIDEAN, PublicIndex
from dejavu.search.ranking import Flags, Floats, Numbers, limit

SPARE = 32
# Rows multiplied at a time: several percent faster than FAISS's own 1,024.
BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Proposals:
    """Rows that may be among the first places of some queries.

    `queries` and `rows` int64 [pairs], by query, then best first; `upper` float64 [pairs], what
    the score is at most; `complete` bool [n]: False for queries that need the whole shard.
    """

    queries: Numbers
    rows: Numbers
    upper: Floats
    complete: Flags


class SinglePrecision:
    """A shard searched by FAISS in float32, for all queries at once."""

    def __init__(
        self, queries: NDArray[np.float32], shard: PublicIndex, k: int, metric: str
    ) -> None:
        """Search a shard for the first k places of queries [n, d], and some to spare."""
        flat = shard.index.index
        faiss.cvar.distance_compute_blas_database_bs = BLOCK_ROWS
        proposed, self.rows = flat.search(queries, min(k + SPARE, flat.ntotal))
        self.k, self.metric = k, metric
        self.scores = proposed.astype(np.float64) * (-1 if metric == EUCLIDEAN else 1)
        self.error = error_of_single(queries, shard.vectors, metric)
        self.whole = self.rows.shape[1] == flat.ntotal

    @np.errstate(over="ignore", invalid="ignore")
    def propose(self, block: slice, floor: Floats, slack: float) -> Proposals:
        """Rows of which it is not proven that their score is below the floor by the slack."""
        scores, error = self.scores[block], self.error[block]
        if scores.shape[1] >= self.k:
            floor = np.fmax(floor, scores[:, self.k - 1] - error)
        least = limit(floor, slack, self.metric)
        upper = scores + error[:, None]
        # A row that FAISS left out is at most as good as its last proposal, in its float32.
        complete = np.full(len(floor), self.whole) | (upper[:, -1] < least)
        # Where float32 overflows, nothing is below anything, and FAISS proposes row -1.
        complete &= self.rows[block].min(axis=1) >= 0
        keep = ~(upper < least[:, None]) & complete[:, None]
        query, place = np.nonzero(keep)
        return Proposals(query, self.rows[block][query, place], upper[query, place], complete)


@np.errstate(over="ignore", invalid="ignore")
def error_of_single(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], metric: str
) -> Floats:
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
    # What underflows: of products smaller than any tie, of distances smaller than this.
    lost = 1e-30 if metric == EUCLIDEAN else 1e-15
    return np.nan_to_num(growth * largest * (1 + 1e-3) + lost, nan=np.inf)
