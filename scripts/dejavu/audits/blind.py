"""The blind baseline: can two sets be told apart without the measured model (method: raw scores)?

The answer is the area under the ROC curve of a logistic regression, cross-validated: the mean of
the folds' areas, each on samples that its regression has not seen. Scores of different folds come
from different regressions, so that pooling them would compare what can't be compared.

The interval starts from the folds' variances (DeLong, DeLong & Clarke-Pearson 1988), as if folds
were independent (LeDell, Petersen & van der Laan 2015, Electronic Journal of Statistics 9:1583).
They are not (Bengio & Grandvalet 2004): what two samples have in common counts twice, once with
either of them in training and the other in testing. Where the sets do not differ that doubles the
variance of the mean, and so the variance is doubled; where they differ the interval is too wide.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from dejavu.audits import regression
from dejavu.files.csv import read_csv
from dejavu.scores.intervals import NORMAL_QUANTILE

Floats = NDArray[np.float64]

FOLDS = 5
# Samples of either side below which a fold has no two to test.
LEAST = 2 * FOLDS
SHARED_PAIRS = 2.0
CHUNK = 2**16


@dataclass(frozen=True)
class Area:
    """An area under the ROC curve and its 95 % interval."""

    value: float
    low: float
    high: float


def area_and_variance(first: Floats, second: Floats) -> tuple[float, float]:
    """P(first > second) + P(first = second) / 2 of scores [n] and [m], with DeLong's variance.

    The variance is nan where a side has fewer than two scores.
    """
    n, m = len(first), len(second)
    one, other = np.sort(first), np.sort(second)
    # For each score the part of the other side that it exceeds; ties count half.
    (area, above), (_, below) = _exceeded(one, other), _exceeded(other, one)
    if min(n, m) < 2:
        return area, np.nan
    return area, above / n + below / m


def _exceeded(scores: Floats, others: Floats) -> tuple[float, float]:
    """Mean and variance of the part of other scores that each exceeds; both sides ascend."""
    parts = [
        np.searchsorted(others, some, "left") + np.searchsorted(others, some, "right")
        for some in np.array_split(scores, len(scores) // CHUNK + 1)
    ]
    total = sum(int(part.sum()) for part in parts)
    mean = total / len(scores)
    squares = sum(float(((part - mean) ** 2).sum()) for part in parts)
    twice = 2 * len(others)
    variance = squares / (len(scores) - 1) / twice**2 if len(scores) > 1 else np.nan
    return mean / twice, variance


class Rows(NamedTuple):
    """Rows float32 [n, d] with their hashes, uint64 [n]."""

    hashes: NDArray[np.uint64]
    rows: NDArray[np.float32]


def lowest_rows(shards: Iterable[tuple[NDArray[np.uint64], NDArray[Any]]], limit: int) -> Rows:
    """The rows whose hashes are the lowest, at most `limit`, in the order of their hashes.

    Args:
        shards: hashes uint64 [n] and rows [n, d]; no more than `limit` rows and one shard are held.
        limit: how many are kept.
    """
    kept: tuple[NDArray[np.uint64], NDArray[Any]] | None = None
    for hashes, rows in shards:
        if kept is not None:
            hashes = np.concatenate([kept[0], hashes])
            rows = np.concatenate([kept[1], rows])
        order = np.argsort(hashes, kind="stable")[:limit]
        kept = hashes[order], rows[order]
    if kept is None:
        return Rows(np.empty(0, np.uint64), np.empty((0, 0), np.float32))
    return Rows(kept[0], kept[1].astype(np.float32))


def cross_validated_area(first: NDArray[np.float32], second: NDArray[np.float32]) -> Area:
    """How well a regression tells rows [n, d] from rows [m, d]; as `cross_validated_odds`."""
    return area_of_folds(*cross_validated_odds(first, second))


def area_of_folds(first: Floats, second: Floats) -> Area:
    """The mean of the folds' areas of scores [n] and [m]; score i is of fold i modulo 5."""
    return mean_area(
        area_and_variance(first[fold::FOLDS], second[fold::FOLDS]) for fold in range(FOLDS)
    )


def cross_validated_odds(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> tuple[Floats, Floats]:
    """Log-odds of rows [n, d] and [m, d] to be of the first side, from regressions without them.

    Row i is tested in fold i modulo 5, on either side; the order must be random. Each side needs
    two rows a fold.
    """
    places = [np.arange(len(side)) % FOLDS for side in (first, second)]
    labels = np.repeat([1, 0], [len(first), len(second)])
    rows = np.concatenate([first, second])
    fold_of = np.concatenate(places)
    # The regression finds its penalty on folds that follow the order of rows.
    order = np.lexsort((labels, np.concatenate([np.arange(len(p)) / len(p) for p in places])))
    scores = np.empty(len(rows))
    for fold in range(FOLDS):
        seen = order[fold_of[order] != fold]
        model = regression.fit(rows[seen], labels[seen])
        tested = fold_of == fold
        scores[tested] = model.decision_function(rows[tested])
    return scores[: len(first)], scores[len(first) :]


def mean_area(areas: Iterable[tuple[float, float]]) -> Area:
    """The mean of the folds' areas, from each one's value and variance."""
    values, variances = np.array(list(areas)).T
    value = float(values.mean())
    half = NORMAL_QUANTILE * float(np.sqrt(SHARED_PAIRS * variances.sum())) / len(values)
    return Area(value, max(0.0, value - half), min(1.0, value + half))


@dataclass(frozen=True)
class Odds:
    """How much likelier a row is of the first set than of the second, up to one factor.

    Attributes:
        models: for each fold, the regression that has seen no row of it.
    """

    models: tuple[Pipeline, ...]

    @classmethod
    def fit(cls, first: Rows, second: Rows) -> "Odds | None":
        """Fit to rows of two sets; a row's fold is its hash modulo 5.

        None where all rows of a side, as captions of few images, are of one fold or there is none.
        """
        if any(len(np.unique(_folds(side.hashes))) < 2 for side in (first, second)):
            return None
        hashes = np.concatenate([first.hashes, second.hashes])
        rows = np.concatenate([first.rows, second.rows])
        labels = np.repeat([1, 0], [len(first.rows), len(second.rows)])
        folds = _folds(hashes)
        seen = [folds != fold for fold in range(FOLDS)]
        return cls(tuple(regression.fit(rows[each], labels[each]) for each in seen))

    def log_odds(self, some: Rows) -> Floats:
        """Natural logarithms of the odds, float64 [n], from the regression that saw no such row."""
        found, folds = np.empty(len(some.rows)), _folds(some.hashes)
        for fold, model in enumerate(self.models):
            chosen = folds == fold
            if chosen.any():
                found[chosen] = model.decision_function(some.rows[chosen])
        return found


def _folds(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    return (hashes % np.uint64(FOLDS)).astype(np.int64)


def tells_apart(tables: Sequence[str], digest: str, first: str, second: str) -> bool:
    """Whether the blind encoder tells two sets apart, the interval of the area being above ½.

    Args:
        tables: the table of the blind baseline, which its description may follow; none where it is
            not asked for.
        digest: of the config that must have made it.
        first: a set.
        second: another.
    """
    for path in tables[:1]:
        pair = (pl.col("first_set") == first) & (pl.col("second_set") == second)
        return bool((read_csv(path, digest).filter(pair)["auc_low"] > 0.5).any())
    return False
