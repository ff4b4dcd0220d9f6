"""Objects voted for by the nearest public samples, and how many of them are really there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOP_SIZES = {"top1": 1, "top10": 10}
DENSE_CELLS = 2**22


@dataclass(frozen=True)
class LabelLists:
    """Lists of label codes, one a sample: offsets int64 [n + 1] into codes int32."""

    offsets: NDArray[np.int64]
    codes: NDArray[np.int32]

    def __len__(self) -> int:
        """How many lists there are."""
        return len(self.offsets) - 1

    def take(self, rows: NDArray[np.int64]) -> "LabelLists":
        """The lists of some rows, in the order asked for."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        positions = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return LabelLists(offsets, self.codes[positions + np.repeat(self.offsets[rows], lengths)])

    def dense(self, labels: int) -> NDArray[np.bool_]:
        """As a matrix [n, labels]."""
        matrix = np.zeros((len(self), labels), dtype=bool)
        matrix[np.repeat(np.arange(len(self)), np.diff(self.offsets)), self.codes] = True
        return matrix


def concatenated(lists: Sequence[LabelLists]) -> LabelLists:
    """Lists one after the other."""
    sizes = np.cumsum([0] + [len(each.codes) for each in lists])
    offsets = [each.offsets[:-1] + size for each, size in zip(lists, sizes[:-1], strict=True)]
    return LabelLists(
        np.concatenate([*offsets, sizes[-1:]]).astype(np.int64),
        np.concatenate([each.codes for each in lists]) if lists else np.empty(0, np.int32),
    )


@dataclass(frozen=True)
class Counts:
    """Objects that are there and, for each (k, size), those predicted and the right ones, [n]."""

    truth: NDArray[np.int32]
    predicted: dict[tuple[int, str], NDArray[np.int32]]
    correct: dict[tuple[int, str], NDArray[np.int32]]


def count_recovered(
    neighbors: NDArray[np.int64],
    public: LabelLists,
    truth: LabelLists,
    hidden: LabelLists,
    labels: int,
    ks: Sequence[int],
    predict: Sequence[str],
) -> Counts:
    """Predict objects from neighbours and count the right ones (method: §2, prediction).

    Objects are ranked by the number of neighbours that contain them; ties go to the object whose
    nearest neighbour is nearer, then to the lower label code (codes are in the order of names).

    Args:
        neighbors: rows of `public`, int64 [n, k], nearest first.
        public: the public samples' objects.
        truth: the objects in each of the n samples.
        hidden: the labels that are neither predicted nor asked for: those the caption names, or
            none.
        labels: size of the vocabulary.
        ks: numbers of neighbours that vote.
        predict: of `top1`, `top10`, `all`.

    Returns:
        Counts of the labels that are not hidden.
    """

    def zeros() -> NDArray[np.int32]:
        return np.zeros(len(neighbors), np.int32)

    settings = [(k, size) for k in ks for size in predict]
    counts = Counts(
        zeros(), {each: zeros() for each in settings}, {each: zeros() for each in settings}
    )
    step = max(1, DENSE_CELLS // max(labels, 1))
    for start in range(0, len(neighbors), step):
        rows = np.arange(start, min(start + step, len(neighbors)))
        visible = ~hidden.take(rows).dense(labels)
        true = truth.take(rows).dense(labels) & visible
        counts.truth[rows] = true.sum(axis=1)
        for k in ks:
            votes, nearest = _votes(neighbors[rows, :k], public, labels)
            voted = (votes > 0) & visible
            for size in predict:
                chosen = voted
                if size in TOP_SIZES:
                    chosen = _best(votes, nearest, voted, k, TOP_SIZES[size])
                counts.predicted[k, size][rows] = chosen.sum(axis=1)
                counts.correct[k, size][rows] = (chosen & true).sum(axis=1)
    return counts


def _votes(
    neighbors: NDArray[np.int64], public: LabelLists, labels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Votes for every label and the rank of its nearest voter, both [n, labels]."""
    count, k = neighbors.shape
    # From the farthest to the nearest, so that the nearest voter's rank is written last.
    lists = public.take(neighbors[:, ::-1].reshape(-1))
    lengths = np.diff(lists.offsets).reshape(count, k)
    cells = np.repeat(np.arange(count) * labels, lengths.sum(axis=1)) + lists.codes
    ranks = np.repeat(np.tile(np.arange(k)[::-1], count), lengths.reshape(-1))
    nearest = np.full(count * labels, k, dtype=np.int64)
    nearest[cells] = ranks
    votes = np.bincount(cells, minlength=count * labels)
    return votes.reshape(count, labels), nearest.reshape(count, labels)


def _best(
    votes: NDArray[np.int64],
    nearest: NDArray[np.int64],
    voted: NDArray[np.bool_],
    k: int,
    size: int,
) -> NDArray[np.bool_]:
    """The first `size` labels that were voted for, as a mask [n, labels]."""
    count, labels = votes.shape
    if size >= labels:
        return voted
    # One key that orders by votes, then by the nearest voter, then by the label's code.
    key = (votes * (k + 1) + (k - nearest)) * labels + np.arange(labels)[::-1]
    key[~voted] = -1
    top = np.argpartition(key, labels - size, axis=1)[:, labels - size :]
    chosen = np.zeros((count, labels), dtype=bool)
    np.put_along_axis(chosen, top, True, axis=1)
    return chosen & voted
