"""Search on a GPU: products in bfloat16, their selection, and scores in float64, all of it there.

The proof is that of `reduced`. A GPU multiplies thousands of queries with tens of thousands of rows
in less time than a few launches take, so blocks are that large, and next to the products there is
little else: the highest of every group of rows is compared first, single rows only where a group
has one in question. While a shard is searched the next is read.

Queries with more rows in question than a GPU keeps are left to the processor.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from dejavu.search.indexes import EUCLIDEAN, OpenShard, too_few
from dejavu.search.ranking import Found, Numbers, ordered
from dejavu.search.reduced import ROUNDING, Encoded, encode, encode_queries, error_bound

GROUP = 64
# Hits a query after which the floor is raised.
UPDATE_AFTER = 8


@dataclass(frozen=True)
class Sizes:
    """How much is done at a time."""

    queries: int = 2**14
    rows: int = 2**16
    """A multiple of GROUP."""
    groups: int = 2**20
    """Groups whose rows are compared one by one."""
    values: int = 2**26
    """Numbers in float64 that are summed to scores."""
    spare: int = 1024
    """A query is left to the processor with more rows in question than eight times k and these."""

    def most(self, k: int) -> int:
        """Rows in question that are kept of a query."""
        return 8 * k + self.spare


def device() -> torch.device | None:
    """The GPU of this job, if it has one."""
    return torch.device("cuda") if torch.cuda.is_available() else None


def sizes_for(on: torch.device) -> Sizes:
    """Blocks whose products and what is made of them fill no more than half of what is free."""
    queries, rows = Sizes.queries, Sizes.rows
    free, _ = torch.cuda.mem_get_info(on)
    while 8 * queries * rows > free and queries > GROUP:
        queries //= 2
    return Sizes(queries=queries)


def search(
    queries: NDArray[np.float32],
    shards: Sequence[OpenShard],
    k: int,
    metric: str,
    slack: float,
    threads: int,
    on: torch.device,
    sizes: Sizes,
) -> list[Found]:
    """What may be among the first places of most queries.

    Args:
        queries: float32 [n, d].
        shards: functions that open the public shards; two are in memory at a time.
        k: how many neighbours.
        metric: `cosine` or `euclidean`.
        slack: how far below the k-th best score a score still matters, see `ranking.limit`.
        threads: that bring what was found into order.
        on: where to search.
        sizes: of blocks.

    Raises:
        InputError: there are fewer than k public samples.
    """
    if on.type == "cuda":
        # Sums of partial products in bfloat16 would break the bound.
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    rule = _Rule(k, metric == EUCLIDEAN, slack, sizes)
    starts = range(0, len(queries), sizes.queries)
    blocks = [_Block(queries[start : start + sizes.queries], rule, on) for start in starts]
    total = 0
    for numbers, vectors in _parts(shards, sizes.rows, on):
        part = _Part(numbers, vectors, rule)
        total += len(numbers)
        for block in blocks:
            block.search(part)
    if total < k:
        raise too_few(k, total)
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(_Block.found, blocks, starts))


def _parts(
    shards: Sequence[OpenShard], rows: int, on: torch.device
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Numbers int64 [rows] and vectors float32 [rows, d] of some rows at a time, where wanted."""

    def read(open_shard: OpenShard) -> tuple[Numbers, torch.Tensor]:
        shard = open_shard()
        vectors = torch.from_numpy(shard.vectors)
        # A copy that the GPU fetches by itself; elsewhere, one that outlives the index.
        return shard.numbers, vectors.pin_memory() if on.type == "cuda" else vectors.clone()

    with ThreadPoolExecutor(1) as ahead:
        coming = [ahead.submit(read, open_shard) for open_shard in shards[:1]]
        for following in range(1, len(shards) + 1):
            numbers, vectors = coming.pop().result()
            coming += [ahead.submit(read, each) for each in shards[following : following + 1]]
            for start in range(0, len(numbers), rows):
                block = slice(start, start + rows)
                yield (
                    torch.from_numpy(numbers[block]).to(on),
                    vectors[block].to(on, non_blocking=True),
                )


@dataclass(frozen=True)
class _Rule:
    """What is searched for, and how much at a time."""

    k: int
    euclidean: bool
    slack: float
    sizes: Sizes

    def limit(self, scores: torch.Tensor) -> torch.Tensor:
        """As `ranking.limit`, of a finite slack."""
        return scores - self.slack * (scores.abs() if self.euclidean else 1.0)


class _Part:
    """Some rows of a shard, encoded, with rows of zeros up to a whole group."""

    def __init__(self, numbers: torch.Tensor, exact: torch.Tensor, rule: _Rule) -> None:
        encoded = encode(exact, rule.euclidean)
        self.numbers, self.exact = numbers, exact
        self.lengths = encoded.lengths.largest()
        missing = -len(exact) % GROUP
        self.values = torch.nn.functional.pad(encoded.values, (0, 0, 0, missing))


class _Pairs(NamedTuple):
    """Pairs of a query of the block, int64, and a sample, int64, with its score, float64."""

    queries: torch.Tensor
    numbers: torch.Tensor
    scores: torch.Tensor


@dataclass
class _Block:
    """Some of the queries, and what is known of their neighbours so far."""

    queries: NDArray[np.float32]
    rule: _Rule
    on: torch.device
    floor: torch.Tensor = field(init=False)
    """Lower bounds of the k-th best scores, float64 [n]."""
    complete: torch.Tensor = field(init=False)
    """Whether all that matters is kept, bool [n]."""
    best: _Pairs = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.queries)
        self.exact = torch.from_numpy(self.queries).to(self.on)
        self.asked: Encoded = encode_queries(self.exact, self.rule.euclidean)
        self.floor = torch.full((count,), -torch.inf, dtype=torch.float64, device=self.on)
        self.complete = torch.ones(count, dtype=torch.bool, device=self.on)
        nothing = torch.empty(0, dtype=torch.int64, device=self.on)
        self.best = _Pairs(nothing, nothing, self.floor[:0])
        self.fresh: list[_Pairs] = []

    def search(self, part: _Part) -> None:
        """Let some rows take part in the rankings."""
        rule, lengths = self.rule, self.asked.lengths
        error = error_bound(lengths, part.lengths, part.values.shape[1], rule.euclidean)
        # From scores to products and back: the score is scale x product - offset.
        scale, offset = (2.0 if rule.euclidean else 1.0), 2 * lengths.halves
        products = self.asked.values @ part.values.T
        products[:, len(part.exact) :] = -torch.inf
        grouped = products.unflatten(1, (-1, GROUP))
        highest = grouped.amax(dim=2)
        # Each of the k highest groups has a row at least as near. Later, scores tell more.
        ranked = highest if highest.shape[1] >= rule.k else products
        if not len(self.best.scores) and ranked.shape[1] >= rule.k:
            kth = ranked.topk(rule.k, dim=1, sorted=False).values.amin(dim=1).double()
            kth = scale * (kth - kth.abs() * ROUNDING - error) - offset
            self.floor = torch.fmax(self.floor, kth)
        floor = self.floor.clamp(max=0) if rule.euclidean else self.floor
        cut = ((rule.limit(floor) + offset) / scale - error).nan_to_num(nan=-torch.inf)
        # As products are rounded, which keeps their order: nothing more is ruled out.
        cut = cut.float().to(products.dtype)[:, None]
        hot = ~(highest < cut)
        self.complete &= hot.sum(dim=1) <= rule.sizes.most(rule.k)
        hot &= self.complete[:, None]
        query, group = hot.nonzero(as_tuple=True)
        for some, at in zip(
            query.split(rule.sizes.groups), group.split(rule.sizes.groups), strict=True
        ):
            which, place = (~(grouped[some, at] < cut[some])).nonzero(as_tuple=True)
            self._keep(part, some[which], at[which] * GROUP + place)
        waiting = sum(len(pairs.scores) for pairs in self.fresh)
        if waiting > len(self.best.scores) / 2 + UPDATE_AFTER * len(self.queries):
            self.merge()

    def _keep(self, part: _Part, query: torch.Tensor, row: torch.Tensor) -> None:
        """Score pairs of a query and a row, but for queries with too many of them."""
        number = torch.bincount(query, minlength=len(self.queries))
        self.complete &= number <= self.rule.sizes.most(self.rule.k)
        keep = self.complete[query] & (row < len(part.exact))
        query, row = query[keep], row[keep]
        step = max(1, self.rule.sizes.values // self.exact.shape[1])
        for some, rows in zip(query.split(step), row.split(step), strict=True):
            scores = pair_scores(self.exact[some], part.exact[rows], self.rule.euclidean)
            self.fresh.append(_Pairs(some, part.numbers[rows], scores))

    def merge(self) -> None:
        """Raise the floor by what was found, and drop what is below."""
        found = _Pairs(*map(torch.cat, zip(self.best, *self.fresh, strict=True)))
        self.fresh = []
        if not len(found.scores):
            return
        order = found.scores.argsort(descending=True)
        order = order[found.queries[order].argsort(stable=True)]
        queries, scores = found.queries[order], found.scores[order]
        bounds = torch.searchsorted(
            queries, torch.arange(len(self.queries) + 1, device=self.on, dtype=torch.int64)
        )
        number, last = bounds.diff(), bounds[:-1] + self.rule.k - 1
        kth = scores[last.clamp(max=len(scores) - 1)]
        enough = number >= self.rule.k
        self.floor = torch.where(enough, torch.fmax(self.floor, kth), self.floor)
        keep = scores >= self.rule.limit(self.floor)[queries]
        kept = torch.bincount(queries[keep], minlength=len(self.queries))
        self.complete &= kept <= self.rule.sizes.most(self.rule.k)
        keep &= self.complete[queries]
        self.best = _Pairs(queries[keep], found.numbers[order][keep], scores[keep])

    def found(self, start: int) -> Found:
        """What is known of the queries of which all is kept; the first is at `start`."""
        self.merge()
        keep = self.complete[self.best.queries]
        query, number, score = (each[keep].cpu().numpy() for each in self.best)
        place = self.complete.nonzero()[:, 0].cpu().numpy()
        best = ordered(np.searchsorted(place, query), number, score)
        return Found(place + start, self.floor[self.complete].cpu().numpy(), best)


def pair_scores(first: torch.Tensor, second: torch.Tensor, euclidean: bool) -> torch.Tensor:
    """Scores of pairs of vectors, float32 [pairs, d]: float64 [pairs].

    Each depends on its pair alone: halves are added to halves, whatever the number of pairs, while
    the order of a library's sums may change with it.
    """
    first, second = first.double(), second.double()
    values = (second - first).square() if euclidean else first * second
    while (width := values.shape[1]) > 1:
        half, rest = width // 2, values[:, width - width % 2 :]
        values = torch.cat([values[:, :half] + values[:, half : 2 * half], rest], dim=1)
    return -values[:, 0] if euclidean else values[:, 0]
