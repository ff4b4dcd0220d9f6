"""Membership inference: how well a number of each sample tells members from others.

A signal is higher for members, if it tells anything. Its area under the ROC curve has DeLong's
interval; the true-positive rate at a false-positive rate has one that holds for both of its parts,
the members above the cut-off and the cut-off itself, which some of the controls set.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from dejavu.audits.blind import area_and_variance
from dejavu.scores.intervals import LEVEL, NORMAL_QUANTILE, Proportion

Floats = NDArray[np.float64]
Row = dict[str, Any]

# False-positive rates by the columns of the true-positive rates there.
RATES = {"tpr_1_in_1000": 0.001, "tpr_1_in_100": 0.01}
POINTS = 60
ROWS = 2**12


class Signal(NamedTuple):
    """A number of every member [n] and of every control [m], both ascending."""

    members: Floats
    controls: Floats

    @classmethod
    def of(cls, members: Iterable[Floats], controls: Iterable[Floats]) -> "Signal":
        """Collect the shards of both sides."""
        sides = [np.concatenate([np.empty(0), *side]) for side in (members, controls)]
        for side in sides:
            side.sort()
        return cls(*sides)

    def rate_above(self, allowed: int) -> float:
        """Part of the members that exceed all but so many controls; 1 where all are allowed."""
        if allowed >= len(self.controls):
            return 1.0
        cut = self.controls[len(self.controls) - 1 - allowed]
        above = len(self.members) - np.searchsorted(self.members, cut, side="right")
        return float(above) / len(self.members)


def row_of(signal: Signal) -> Row:
    """Sizes, area and true-positive rates of a signal, each with its 95 % interval."""
    row: Row = {"members": len(signal.members), "controls": len(signal.controls)}
    if not min(row.values()):
        return row
    area, variance = area_and_variance(*signal)
    half = NORMAL_QUANTILE * float(np.sqrt(variance))
    row |= {"auc": area, "auc_low": max(0.0, area - half), "auc_high": min(1.0, area + half)}
    return row | rates_of(signal)


def rates_of(signal: Signal) -> Row:
    """True-positive rates with their intervals; none where no control would be above the cut-off.

    The number of controls above the true cut-off is binomial, which bounds the cut-off by two of
    them and so the rate; the members' own uncertainty is added (Zou and Donner 2008).
    """
    row: Row = {}
    n, m = len(signal.members), len(signal.controls)
    for name, level in RATES.items():
        if m * level < 1 - 1e-9:
            continue
        fewest, most = (int(binom.ppf(tail, m, level)) for tail in (LEVEL / 2, 1 - LEVEL / 2))
        rate = signal.rate_above(int(m * level + 1e-9))
        least = signal.rate_above(fewest - 1) if fewest else 0.0
        low, high = Proportion(rate, n).ends()
        row[name] = rate
        row[f"{name}_low"] = max(0.0, rate - float(np.hypot(rate - low, rate - least)))
        row[f"{name}_high"] = min(
            1.0, rate + float(np.hypot(high - rate, signal.rate_above(most) - rate))
        )
    return row


def curve(signal: Signal) -> Iterator[Row]:
    """Points of the ROC curve, false-positive rates evenly spaced on a logarithmic axis."""
    m = len(signal.controls)
    if not min(len(signal.members), m):
        return
    seen = set()
    for allowed in np.unique(np.geomspace(1, m, POINTS).round().astype(np.int64)):
        # Of equal controls none is above the cut-off.
        above = m
        if allowed < m:
            cut = signal.controls[m - 1 - allowed]
            above = m - int(np.searchsorted(signal.controls, cut, side="right"))
        if above and above not in seen:
            seen.add(above)
            yield {"fpr": above / m, "tpr": signal.rate_above(int(allowed))}


def similarities(first: NDArray[Any], second: NDArray[Any], metric: str) -> Floats:
    """How near the rows of vectors [n, d] are to each other, in pairs, float64 [n].

    Args:
        first: of one part of each sample.
        second: of the other.
        metric: `cosine` similarity, or `euclidean`, for minus the squared distance.
    """
    found = np.empty(len(first))
    for start in range(0, len(first), ROWS):
        place = slice(start, start + ROWS)
        one, other = (side[place].astype(np.float64) for side in (first, second))
        if metric == "cosine":
            lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
            products = np.einsum("nd,nd->n", one, other)
            found[place] = np.divide(
                products, lengths, out=np.zeros_like(products), where=lengths > 0
            )
        else:
            found[place] = -((one - other) ** 2).sum(axis=1)
    return found
