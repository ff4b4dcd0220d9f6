"""Sets of labels as bits, for arithmetic on the labels of many samples at once.

A block is uint64 [words, n]: sample j has label c if bit c % 64 of word c // 64 in column j is
set. One operation on a block treats every label of every sample. A number for each label of each
sample stands in binary as planes: one block a binary digit, the lowest first (Harley-Seal counting
by carry-save adders: Warren 2013, Hacker's Delight, §5-1).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.uint64]
Planes = list[Block]

WORD = 64


def words(labels: int) -> int:
    """Words that hold a set of labels, at least one."""
    return max(1, -(-labels // WORD))


def packed(offsets: NDArray[np.int64], codes: NDArray[np.int32], labels: int) -> Block:
    """Pack lists of distinct label codes as rows [n, words].

    Args:
        offsets: where each list starts, and the end of the last, int64 [n + 1].
        codes: of the labels, int32; none twice in a list.
        labels: size of the vocabulary.
    """
    width = words(labels)
    rows = np.zeros((len(offsets) - 1) * width, dtype=np.uint64)
    cells = np.repeat(np.arange(len(offsets) - 1) * width, np.diff(offsets))
    cells += codes[offsets[0] : offsets[-1]] // WORD
    bits = np.uint64(1) << (codes[offsets[0] : offsets[-1]] % WORD).astype(np.uint64)
    # As bits of one list differ, their sum is their union; adding is the faster of the two.
    np.add.at(rows, cells, bits)
    return rows.reshape(-1, width)


def sizes(block: Block) -> NDArray[np.int64]:
    """How many labels each sample has, int32 [n]."""
    return np.add.reduce(np.bitwise_count(block), axis=0, dtype=np.int32)


def mask(block: Block, labels: int) -> NDArray[np.bool_]:
    """A block as a mask [n, labels]."""
    little_endian = np.ascontiguousarray(block.T, dtype="<u8")
    bits = np.unpackbits(little_endian.view(np.uint8), axis=1, count=labels, bitorder="little")
    return bits.astype(bool)


class Counter:
    """Counts, for each label of each sample, in how many of the blocks added so far it is."""

    def __init__(self) -> None:
        """Start at 0."""
        self._levels: list[list[Block]] = []

    def add(self, block: Block) -> None:
        """Count one more block."""
        for level in self._levels:
            level.append(block)
            if len(level) < 3:
                return
            first, second, third = level
            partial = first ^ second
            level[:] = [partial ^ third]
            block = (first & second) | (partial & third)
        self._levels.append([block])

    def planes(self) -> Planes:
        """The counts so far."""
        found: Planes = []
        carry: Block | None = None
        for level in self._levels:
            # At most two blocks wait on a level, and the carry makes three.
            blocks = [*level, carry] if carry is not None else level
            total, carry = blocks[0], None
            for block in blocks[1:]:
                both = total & block
                carry = both if carry is None else carry | both
                total = total ^ block
            found.append(total)
        return found if carry is None else [*found, carry]


def largest_first(planes: Planes) -> Iterator[Block]:
    """For `best`: the labels with the larger number go first."""
    return reversed(planes)


def smallest_first(planes: Planes) -> Iterator[Block]:
    """For `best`: the labels with the smaller number go first."""
    return (~plane for plane in reversed(planes))


def best(candidates: Block, preferences: Sequence[Block], size: int) -> Block:
    """The first `size` labels of each sample, all of them where it has fewer.

    Args:
        candidates: the labels to choose from.
        preferences: labels in the first block go before all others, among equals those in the
            second, and so on; labels that are in the same blocks go by their codes.
        size: how many.
    """
    candidates = candidates.copy()
    chosen = np.zeros_like(candidates)
    left = np.full(candidates.shape[1], size, dtype=np.int32)
    for preferred in preferences:
        better = candidates & preferred
        count = sizes(better)
        fit = count <= left
        left -= count * fit
        whole = _all_where(fit)
        # Where the better ones fit they are chosen and the search goes on among the others, else
        # among the better ones.
        chosen |= better & whole
        candidates &= whole
        candidates ^= better
    return chosen | _lowest(candidates, left, size)


def _lowest(block: Block, wanted: NDArray[np.int32], most: int) -> Block:
    """Each sample's labels of the lowest codes: so many as wanted [n], `most` at most."""
    counts = np.bitwise_count(block)
    reached = np.cumsum(counts, axis=0, dtype=np.int32)
    fit = reached <= wanted
    chosen = block & _all_where(fit)
    # The first word that does not fit gives the lowest of its bits.
    row = np.count_nonzero(fit, axis=0)
    samples = np.flatnonzero((row < len(block)) & (wanted > 0))
    row = row[samples]
    word = block[row, samples]
    missing = wanted[samples] - (reached[row, samples] - counts[row, samples])
    some = np.zeros_like(word)
    for place in range(min(most, int(missing.max(initial=0)))):
        lowest = word & (~word + np.uint64(1))
        some |= lowest & _all_where(missing > place)
        word ^= lowest
    chosen[row, samples] |= some
    return chosen


def _all_where(condition: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Words with all bits set where a condition holds, and none elsewhere."""
    return np.negative(condition.astype(np.uint64))
