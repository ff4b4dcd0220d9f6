"""Search on a GPU: products in bfloat16, their selection, and scores in float64, all of it there.

The proof is that of `reduced`. A GPU multiplies thousands of queries with tens of thousands of rows
in less time than a few launches take, so blocks are that large. All products of a block stay on the
GPU until a bound is known, from the highest of every group of rows; then those in question are
selected, so that next to the products there is little else to do. While some rows are searched the
next are read.

Queries with more rows in question than a GPU keeps are left to the processor.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from dejavu.search.indexes import EUCLIDEAN, OpenShard, too_few
from dejavu.search.ranking import Candidates, Found
from dejavu.search.reduced import ROUNDING, Encoded, encode, encode_queries, error_bound

GROUP = 64
# Rows that are moved to a GPU at a time.
PIECE = 2**15
# Hits a query after which the floor is raised.
UPDATE_AFTER = 8


@dataclass(frozen=True)
class Sizes:
    """How much is done at a time."""

    queries: int = 2**12
    rows: int = 2**20
    """Whose products stay on the GPU together."""
    slab: int = 2**16
    """Rows of one multiplication."""
    spare: int = 1024
    """A query is left to the processor with more rows in question than eight times k and these."""

    def most(self, k: int) -> int:
        """Rows in question that are kept of a query."""
        return 8 * k + self.spare


def device() -> torch.device | None:
    """The GPU of this job, if it has one that can search."""
    return torch.device("cuda") if torch.cuda.is_available() and kernels() else None


@cache
def kernels() -> ModuleType | None:
    """The kernels, if they compile; this is told where they don't."""
    try:
        from dejavu.search import kernels as found

        vectors = torch.ones(GROUP, 1, device="cuda")
        place = torch.zeros(1, dtype=torch.int64, device="cuda")
        found.pair_scores(vectors, vectors, place, place, euclidean=False)
    # Whatever the absence of a compiler, or an old GPU, comes to.
    except Exception as problem:
        print(f"The GPU is not used to search, as its kernels don't compile: {problem}")
        return None
    return found


def sizes_for(on: torch.device, d: int) -> Sizes:
    """Blocks of which the products, and the rows of d values, fill no more than half of what is
    free.
    """
    sizes = Sizes()
    queries, rows = sizes.queries, sizes.rows
    free, _ = torch.cuda.mem_get_info(on)
    # A row's products, itself twice, in bfloat16, and what rounding it takes.
    while rows * (2 * queries + 16 * d) > free / 2 and rows > sizes.slab:
        rows //= 2
    while rows * (2 * queries + 16 * d) > free / 2 and queries > GROUP:
        queries //= 2
    return Sizes(queries=queries, rows=rows)


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
        shards: functions that open the public shards; one is in memory at a time.
        k: how many neighbours.
        metric: `cosine` or `euclidean`.
        slack: how far below the k-th best score a score still matters, see `ranking.limit`.
        threads: that fetch what was found.
        on: where to search.
        sizes: of blocks.

    Raises:
        InputError: there are fewer than k public samples.
    """
    if on.type == "cuda":
        # Sums of partial products in bfloat16 would break the bound.
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    rule = _Rule(k, metric == EUCLIDEAN, slack, sizes, kernels())
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
    beside = torch.cuda.Stream(on) if on.type == "cuda" else None

    def read() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for open_shard in shards:
            shard = open_shard()
            held = torch.from_numpy(shard.numbers), torch.from_numpy(shard.vectors)
            for start in range(0, len(held[0]), rows):
                # Beside the searching; nothing of it outlives the shard.
                with torch.cuda.stream(beside):
                    numbers, vectors = (_moved(each[start : start + rows], on) for each in held)
                yield numbers, vectors
            del shard, held

    coming = read()
    with ThreadPoolExecutor(1) as ahead:
        following = ahead.submit(next, coming, None)
        while part := following.result():
            following = ahead.submit(next, coming, None)
            if beside is not None:
                for each in part:
                    each.record_stream(torch.cuda.current_stream(on))
            yield part


def _moved(values: torch.Tensor, on: torch.device) -> torch.Tensor:
    """A copy where wanted, to a GPU piece by piece through memory that it reads by itself."""
    if on.type != "cuda":
        return values.to(on, copy=True)
    moved = torch.empty_like(values, device=on)
    for piece, out in zip(values.split(PIECE), moved.split(PIECE), strict=True):
        out.copy_(piece.pin_memory(), non_blocking=True)
    torch.cuda.current_stream(on).synchronize()
    return moved


@dataclass(frozen=True)
class _Rule:
    """What is searched for, and how much at a time."""

    k: int
    euclidean: bool
    slack: float
    sizes: Sizes
    kernels: Any

    def limit(self, scores: torch.Tensor) -> torch.Tensor:
        """As `ranking.limit`, of a finite slack."""
        return scores - self.slack * (scores.abs() if self.euclidean else 1.0)


class _Part:
    """Some rows of a shard, encoded: slabs [slabs, rows, width], with zeros in further rows."""

    def __init__(self, numbers: torch.Tensor, exact: torch.Tensor, rule: _Rule) -> None:
        encoded = encode(exact, rule.euclidean)
        self.numbers, self.exact = numbers, exact
        self.lengths = encoded.lengths.largest()
        slabs = -(-len(exact) // rule.sizes.slab)
        # A multiple of GROUP.
        rows = -(-len(exact) // (slabs * GROUP)) * GROUP
        missing = slabs * rows - len(exact)
        padded = torch.nn.functional.pad(encoded.values, (0, 0, 0, missing))
        self.slabs = padded.unflatten(0, (slabs, rows))


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
        error = error_bound(lengths, part.lengths, part.slabs.shape[2], rule.euclidean)
        # From scores to products and back: the score is scale x product - offset.
        scale, offset = (2.0 if rule.euclidean else 1.0), 2 * lengths.halves
        products = self._products(part)
        if not len(self.best.scores):
            kth = self._kth_highest(products, len(part.exact)).double()
            kth = scale * (kth - kth.abs() * ROUNDING - error) - offset
            self.floor = torch.fmax(self.floor, kth)
        floor = self.floor.clamp(max=0) if rule.euclidean else self.floor
        cut = ((rule.limit(floor) + offset) / scale - error).nan_to_num(nan=-torch.inf)
        # As products are rounded, which keeps their order: nothing more is ruled out.
        query, row = self._selected(products, len(part.exact), cut.float().to(products.dtype))
        scores = rule.kernels.pair_scores(self.exact, part.exact, query, row, rule.euclidean)
        self.fresh.append(_Pairs(query, part.numbers[row], scores))
        waiting = sum(len(pairs.scores) for pairs in self.fresh)
        if waiting > len(self.best.scores) / 2 + UPDATE_AFTER * len(self.queries):
            self.merge()

    def _products(self, part: _Part) -> torch.Tensor:
        """With every row, bfloat16 [slabs, n, rows]."""
        shape = len(part.slabs), len(self.queries), part.slabs.shape[1]
        products = torch.empty(shape, dtype=part.slabs.dtype, device=self.on)
        for slab, out in zip(part.slabs, products, strict=True):
            torch.mm(self.asked.values, slab.T, out=out)
        return products

    def _kth_highest(self, products: torch.Tensor, rows: int) -> torch.Tensor:
        """A lower bound of the k-th highest product of each query, [n]."""
        slabs, n, places = products.shape
        # Each of the k highest groups has a row at least as near.
        size = GROUP if slabs * places // GROUP >= self.rule.k else 1
        highest = products.new_empty(n, slabs, places // size)
        for slab, (some, found) in enumerate(zip(products, highest.unbind(1), strict=True)):
            self.rule.kernels.highest(some, rows - slab * places, size, found)
        if highest[0].numel() < self.rule.k:
            return highest.new_full((n,), -torch.inf)
        return highest.flatten(1).topk(self.rule.k, dim=1, sorted=False).values.amin(dim=1)

    def _selected(
        self, products: torch.Tensor, rows: int, cut: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Pairs of a query and a row that is not below the cut, but for queries with too many."""
        _, n, places = products.shape
        most = self.rule.sizes.most(self.rule.k)
        number = torch.zeros(n, dtype=torch.int32, device=self.on)
        selected = torch.empty(n, most, dtype=torch.int32, device=self.on)
        for slab, some in enumerate(products):
            start = slab * places
            self.rule.kernels.select(some, rows - start, cut, start, number, selected)
        self.complete &= number <= most
        filled = torch.arange(most, dtype=torch.int32, device=self.on) < number[:, None]
        query, place = (filled & self.complete[:, None]).nonzero(as_tuple=True)
        return query, selected[query, place].long()

    def merge(self) -> None:
        """Raise the floor by what was found, and drop what is below."""
        found = _Pairs(*map(torch.cat, zip(self.best, *self.fresh, strict=True)))
        if not sum(len(pairs.scores) for pairs in self.fresh):
            return
        self.fresh = []
        # By query, the highest first, then by number.
        order = found.numbers.argsort()
        order = order[found.scores[order].argsort(descending=True, stable=True)]
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
        number = torch.bincount(queries[keep], minlength=len(self.queries))
        self.complete &= number <= self.rule.sizes.most(self.rule.k)
        keep &= self.complete[queries]
        self.best = _Pairs(queries[keep], found.numbers[order][keep], scores[keep])

    def found(self, start: int) -> Found:
        """What is known of the queries of which all is kept; the first is at `start`."""
        self.merge()
        keep = self.complete[self.best.queries]
        query, number, score = (each[keep] for each in self.best)
        query = self.complete.cumsum(dim=0)[query] - 1
        best = Candidates(*(each.cpu().numpy() for each in (query, number, score)))
        place, floor = self.complete.nonzero()[:, 0], self.floor[self.complete]
        return Found(place.cpu().numpy() + start, floor.cpu().numpy(), best)
