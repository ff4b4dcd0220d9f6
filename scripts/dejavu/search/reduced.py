"""The reduced pass: products in bfloat16, and a proof of which rows they rule out.

A CPU with matrix instructions for bfloat16 multiplies twice as fast in it as in float32, tensor
cores many times (`gpu`). A product of rounded vectors q', x' is near the exact one:

    |q'x' - qx| <= |q - q'| |x| + |q'| |x - x'| + (rounding of the sum),

where the residuals' norms are measured, not estimated. So a row stays out only if it is farther
below a lower bound of the query's k-th best score than that. The product's own rounding to
bfloat16 keeps the order, so that comparing with a threshold rounded alike rules out nothing more.

A squared distance is taken as a product, too: |q - x|² = |q|² - 2 (qx - |x|²/2), with |x|²/2 in
three more columns, each holding what the one before could not.
"""

from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from dejavu.search.indexes import EUCLIDEAN
from dejavu.search.proposals import Proposals
from dejavu.search.ranking import Floats, Numbers, limit

# Rows multiplied at a time: the products of a block of queries stay in the cache.
ROWS = 2048
PADDED = 64
# Hits a query after which the floor is raised.
UPDATE_AFTER = 8
# A hit is one integer: query, key with the highest first, row.
QUERY_AT, KEY_AT, ROW_MASK = 48, 32, 2**32 - 1
# Rounding to the 8 digits of bfloat16.
ROUNDING = 2.0**-8
# The unit of float32 sums, four times that of rounding to nearest: tensor cores may truncate.
SUM_UNIT = 2.0**-22
# Squares of lengths beyond these leave float32: such lengths count as infinite, as nothing.
LONGEST, SHORTEST = 1e15, 1e-15
HIGHEST = np.iinfo(np.int16).max

Keys = NDArray[np.int16]


def is_fast() -> bool:
    """Whether this processor multiplies faster in bfloat16."""
    able = torch.cpu.get_capabilities()
    fast = able.get("avx512_bf16") or able.get("amx_bf16")
    return bool(fast and torch.backends.mkldnn.is_available())


@dataclass(frozen=True)
class Lengths:
    """What bounds need to know of encoded vectors, float64 [n] each on their device."""

    whole: torch.Tensor
    """At least the vector's length."""
    residual: torch.Tensor
    """At least the length of what rounding took from it."""
    halves: torch.Tensor
    """Half the squared length, in the further columns; 0 without these."""
    missing: torch.Tensor
    """What these columns lack of it."""

    def largest(self) -> "Lengths":
        """The largest of each, of one vector or more: float64 []."""
        return Lengths(*(each.amax() for each in vars(self).values()))


@dataclass(frozen=True)
class Encoded:
    """Vectors in bfloat16 [n, width], and their lengths."""

    values: torch.Tensor
    lengths: Lengths


def encode(exact: torch.Tensor, halves: bool) -> Encoded:
    """Round vectors, float32 [n, d], to bfloat16; `halves` adds half their squared lengths."""
    values = exact.bfloat16()
    residual = _lengths(values.float().sub_(exact))
    half = missing = torch.zeros(len(exact), dtype=torch.float64, device=exact.device)
    if halves:
        half = missing = exact.double().square().sum(dim=1) / 2
        columns = []
        for _ in range(3):
            columns.append(missing.bfloat16())
            missing = missing - columns[-1].double()
        values = torch.cat([values, -torch.stack(columns, dim=1)], dim=1)
    return Encoded(values, Lengths(_lengths(exact), residual, half, missing.abs()))


def encode_queries(exact: torch.Tensor, euclidean: bool) -> Encoded:
    """Queries, float32 [n, d], as the products take them: with ones for the further columns."""
    encoded = encode(exact, euclidean)
    if euclidean:
        encoded.values[:, -3:] = 1
    return encoded


def _lengths(vectors: torch.Tensor) -> torch.Tensor:
    """Lengths, rounded up."""
    lengths = torch.linalg.vector_norm(vectors, dim=1).double() * (1 + 1e-3) + SHORTEST
    return torch.where(lengths < LONGEST, lengths, torch.inf)


def error_bound(asked: Lengths, rows: Lengths, width: int, euclidean: bool) -> torch.Tensor:
    """How far a product before rounding may be from the exact one.

    Args:
        asked: of the queries, [n].
        rows: the largest of all rows, [].
        width: columns of the encoded vectors.
        euclidean: whether the products stand for squared distances.

    Returns:
        float64 [n]; inf where nothing is known.
    """
    rounded = asked.whole + asked.residual
    bound = (
        asked.residual * rows.whole
        + rounded * rows.residual
        + width * SUM_UNIT * (rounded * (rows.whole + rows.residual) + rows.halves)
        + rows.missing
        + 1e-14 * asked.halves
    )
    # What underflows: of products smaller than any tie, of distances smaller than this.
    bound = bound * (1 + 1e-3) + (1e-30 if euclidean else 1e-15)
    return torch.nan_to_num(bound, nan=torch.inf, posinf=torch.inf)


class ReducedPrecision:
    """A shard in bfloat16, searched for a block of at most 2^15 queries at a time."""

    def __init__(
        self,
        queries: NDArray[np.float32],
        vectors: NDArray[np.float32],
        k: int,
        metric: str,
        most: float,
        pool: Executor,
    ) -> None:
        """Encode a shard [rows, d]; a query with more than `most` rows in question is given up."""
        self.queries, self.k, self.most = queries, k, most
        self.metric, self.euclidean = metric, metric == EUCLIDEAN
        edges = np.linspace(0, len(vectors), -(-len(vectors) // ROWS) + 1).astype(int)
        self.starts = edges[:-1]
        parts = [vectors[start:end] for start, end in pairwise(edges)]
        encoded = list(pool.map(self._encode, parts))
        self.parts = [part.values for part in encoded]
        facts = zip(*(vars(part.lengths).values() for part in encoded), strict=True)
        self.lengths = Lengths(*(torch.cat(parts).amax() for parts in facts))

    def _encode(self, vectors: NDArray[np.float32]) -> Encoded:
        # The threads are the blocks of queries; inside one, more would only wait for each other.
        torch.set_num_threads(1)
        return encode(torch.from_numpy(vectors), self.euclidean)

    def _encode_queries(self, queries: NDArray[np.float32]) -> Encoded:
        torch.set_num_threads(1)
        # Matrix kernels want more than a few rows; zeros do no harm.
        padding = np.zeros((-len(queries) % PADDED, queries.shape[1]), np.float32)
        padded = torch.from_numpy(np.concatenate([queries, padding]))
        return encode_queries(padded, self.euclidean)

    @np.errstate(over="ignore", invalid="ignore")
    def propose(self, block: slice, floor: Floats, slack: float) -> Proposals:
        """Rows of which it is not proven that their score is below the floor by the slack."""
        asked = self._encode_queries(self.queries[block])
        count = len(floor)
        error = self._error(asked)[:count]
        # From scores to products and back: the score is scale x product - offset.
        scale, offset = (2.0 if self.euclidean else 1.0), 2 * asked.lengths.halves[:count].numpy()
        floor = (floor + offset) / scale

        def least() -> Keys:
            """The keys from which products may still matter."""
            score = np.minimum(scale * floor - offset, 0) if self.euclidean else floor
            return _keys_at_least((limit(score, slack, self.metric) + offset) / scale - error)

        if len(self.parts[0]) >= self.k:
            # The first part raises the floor before anything is kept.
            highest = (asked.values[:count] @ self.parts[0].T).topk(self.k, sorted=False).values
            lowest = highest.amin(dim=1).double().cpu().numpy()
            floor = np.fmax(floor, _at_least(lowest) - error)
        cut = least()
        complete = np.ones(count, dtype=bool)
        hits, fresh, waiting = np.empty(0, np.int64), [], 0
        filtering = _Filter(len(asked.values), count, max(map(len, self.parts)))
        for start, part in zip(self.starts, self.parts, strict=True):
            fresh.append(filtering.packed(asked.values, part, start, cut))
            waiting += len(fresh[-1])
            last = start == self.starts[-1]
            if waiting <= len(hits) / 2 + UPDATE_AFTER * count and not last:
                continue
            hits = np.sort(np.concatenate([hits, *fresh]))
            fresh, waiting = [], 0
            bounds = np.searchsorted(hits, np.arange(count + 1) << QUERY_AT)
            enough = np.diff(bounds) >= self.k
            kth = _values(_keys(hits[bounds[:-1][enough] + self.k - 1])).astype(np.float64)
            floor[enough] = np.fmax(floor[enough], _at_least(kth) - error[enough])
            cut = least()
            hits = hits[_keys(hits) >= cut[hits >> QUERY_AT]]
            number = np.diff(np.searchsorted(hits, np.arange(count + 1) << QUERY_AT))
            complete &= number <= self.most
            cut[~complete] = HIGHEST
            hits = hits[complete[hits >> QUERY_AT]]
        query = hits >> QUERY_AT
        products = _values(_keys(hits)).astype(np.float64)
        upper = scale * (error[query] - _at_least(-products)) - offset[query]
        return Proposals(query, hits & ROW_MASK, upper, complete)

    def _error(self, asked: Encoded) -> Floats:
        """How far a product before rounding may be from the exact one, [n]."""
        width = self.parts[0].shape[1]
        found: Floats = error_bound(asked.lengths, self.lengths, width, self.euclidean).numpy()
        return found


class _Filter:
    """Multiplies and keeps what is at least the cut, in buffers that stay in the cache."""

    def __init__(self, padded: int, count: int, rows: int) -> None:
        self.products = np.empty(padded * rows, np.int16)
        self.flags = np.zeros(-(-count * rows // 8) * 8, dtype=bool)
        self.count = count

    def packed(self, queries: torch.Tensor, part: torch.Tensor, start: int, cut: Keys) -> Numbers:
        """Hits of a part of the rows: query, inverted key and row in one integer, int64 [hits].

        Their order is: by query, then the highest first, then by row.
        """
        shape = (len(queries), len(part))
        bits = self.products[: shape[0] * shape[1]].reshape(shape)
        torch.mm(queries, part.T, out=torch.from_numpy(bits).view(torch.bfloat16))
        bits = bits[: self.count]
        # Positive numbers are in order as they are; a cut at or below zero needs all in order.
        compared = bits if cut.min(initial=1) > 0 else _in_order(bits)
        size = bits.size
        flags = self.flags[: -(-size // 8) * 8]
        np.greater_equal(compared, cut[:, None], out=flags[:size].reshape(bits.shape))
        flags[size:] = False
        # Hits are rare: eight flags at a time.
        words = np.flatnonzero(flags.view(np.int64) != 0)
        word, flag = np.nonzero(flags.reshape(-1, 8)[words])
        query, row = np.divmod(words[word] * 8 + flag, bits.shape[1])
        inverted = HIGHEST - _in_order(bits[query, row]).astype(np.int64)
        return (query << QUERY_AT) | (inverted << KEY_AT) | (row + start)


def _in_order(bits: Keys) -> Keys:
    """Bit patterns of bfloat16 as integers in the numbers' order; its own inverse."""
    return bits ^ ((bits >> 15) & HIGHEST)


def _keys_at_least(cut: Floats) -> Keys:
    """Keys of all numbers that round as the cut does, or higher."""
    # Where bounds overflow, nothing is ruled out.
    cut = np.where(np.isnan(cut), -np.inf, cut)
    rounded = torch.from_numpy(cut).float().bfloat16()
    keys = _in_order(rounded.view(torch.int16).numpy())
    # The other zero comes just below.
    return np.where(keys == 0, np.int16(-1), keys)


def _at_least(rounded: Floats) -> Floats:
    """What numbers were at least before they were rounded to bfloat16."""
    return rounded - np.abs(rounded) * ROUNDING


def _keys(hits: Numbers) -> Keys:
    return (HIGHEST - ((hits >> KEY_AT) & 0xFFFF)).astype(np.int16)


def _values(keys: Keys) -> NDArray[np.float32]:
    """The numbers that keys stand for."""
    bits = _in_order(keys).view(np.uint16).astype(np.uint32) << 16
    return bits.view(np.float32)
