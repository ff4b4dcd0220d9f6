"""How much is enough: what score so many samples can tell, and how many a score asks for.

A score is a weighed sum of means over independent sets. Where its true value is δ, the two-sided
test at 5 % finds it in about 80 % of measurements if δ is 2.80 standard errors: the quantiles of
the normal distribution at 97.5 % and 80 %, added (Cohen 1988, Statistical power analysis).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from dejavu.scores import intervals, weighing
from dejavu.scores.intervals import NORMAL_QUANTILE, Moments
from dejavu.scores.judged import Comparison
from dejavu.scores.tallies import MEASURE_COLUMN, Tally

Row = dict[str, Any]
Floats = NDArray[np.float64]

POWER = 0.80
# What of one sample's variance is rounding noise: samples that are all alike tell nothing.
NOISE = 1e-12
# The columns that both domains have, of what `row_of` gives.
COLUMNS = {
    "first_samples": pl.Int64,
    "first_variance": pl.Float64,
    "second_samples": pl.Int64,
    "second_variance": pl.Float64,
    **dict.fromkeys(("smallest_detectable", "asked"), pl.Float64),
    "samples_needed": pl.Int64,
}
REACH = NORMAL_QUANTILE + float(special.ndtri(POWER))
# What a mean of two directions weighs each by.
HALF = 0.5


@dataclass(frozen=True)
class Side:
    """One set's part in a score.

    Attributes:
        samples: their number.
        variance: of one sample's part; where samples are not independent, or weigh differently,
            their number times the variance of their mean.
        weight: of the set's mean in the score, without its sign.
    """

    samples: int
    variance: float
    weight: float = 1.0

    @property
    def spread(self) -> float:
        """What the set would add to the score's variance if it had one sample."""
        return self.weight**2 * self.variance


def smallest_detectable(sides: Sequence[Side]) -> float:
    """The score that is found in 80 % of measurements; nan where a set is empty, or all alike."""
    if not all(side.samples for side in sides) or sum(side.spread for side in sides) <= NOISE:
        return np.nan
    return REACH * math.sqrt(sum(side.spread / side.samples for side in sides))


def samples_needed(sides: Sequence[Side], score: float) -> int | None:
    """Samples of each set with which that score is found in 80 % of measurements; None likewise."""
    spread = sum(side.spread for side in sides)
    is_known = math.isfinite(spread) and spread > NOISE
    return math.ceil((REACH / score) ** 2 * spread) if is_known else None


def row_of(sides: Sequence[Side], asked: float) -> Row:
    """The columns of a score that is made of one or two sets, for a score that is asked for."""
    row: Row = {}
    for place, side in zip(("first", "second"), sides, strict=False):
        row |= {f"{place}_samples": side.samples, f"{place}_variance": side.variance}
    return {
        **row,
        "smallest_detectable": smallest_detectable(sides),
        "asked": asked,
        "samples_needed": samples_needed(sides, asked),
    }


def of_mean(tally: Tally, replicate: int, weight: float = 1.0) -> Side:
    """A set's part in its PPG: the share of samples that are no ties, minus PPG²."""
    column = MEASURE_COLUMN["ppg"]
    one = tally.products[replicate, column, replicate]
    sizes = float(tally.products[replicate, 0, replicate, 0])
    n = tally.samples
    if not n:
        return Side(0, np.nan, weight)
    mean = float(tally.totals[replicate, column]) / n
    squares = float(one[column]) - 2 * mean * float(one[0]) + mean**2 * sizes
    return Side(n, squares / n, weight)


def of_residuals(moments: Moments, beta: float) -> Side:
    """A set's part in an adjusted gap: the variance of t − β · g."""
    n = round(float(moments.samples))
    if not n:
        return Side(0, np.nan)
    weights = moments.residual_weights(np.float64(beta))
    return Side(n, n * float(intervals.quadratic(weights, moments.products, weights)))


def vlm_rows(
    tallies: Mapping[str, Tally], replicate: int, kind: str, asked: Mapping[str, float]
) -> list[Row]:
    """What the scores of one test can tell, at one setting.

    Args:
        tallies: `target` and, where they are there, `control` and `reference` (with the models'
            places changed).
        replicate: of the models.
        kind: `two_model` or `one_model`.
        asked: the scores that samples are needed for: `ppg` and `gap`.
    """
    found = []
    target = tallies["target"]
    if kind == "two_model":
        found.append(("target", "ppg", [of_mean(target, replicate)]))
        if "reference" in tallies:
            both = [of_mean(tallies[name], replicate, HALF) for name in ("target", "reference")]
            found.append(("symmetric", "ppg", both))
    if "control" in tallies:
        control = tallies["control"]
        moments = [each.moments("precision", replicate) for each in (target, control)]
        beta = float(intervals.slope(moments[1])) if control.samples else 0.0
        found.append(
            ("calibrated", "ppg", [of_mean(each, replicate) for each in (target, control)])
        )
        gap = [of_residuals(each, beta) for each in moments]
        found.append(("calibrated", "adjusted_precision", gap))
    return [
        {"set": name, "score": score, **row_of(sides, asked["ppg" if score == "ppg" else "gap"])}
        for name, score, sides in found
    ]


def of_crops(values: Floats, weights: Floats, weight: float = 1.0) -> Side:
    """The part of weighed crops in the mean of their values [n]."""
    if not weights.any():
        return Side(0, np.nan, weight)
    mean = float(weights @ values)
    variance = float(weights @ (values - mean) ** 2)
    return Side(len(values), variance * len(values) / weighing.effective(weights), weight)


def vision_rows(
    parts: Mapping[str, Comparison], replicate: int, test: str, asked: float
) -> list[Row]:
    """What the scores of a target model and a reference can tell, over all crops.

    Args:
        parts: `A` and, where they are there, `B` (with the models' places changed) and `control`.
        replicate: of the models.
        test: `two_model` or `one_model`.
        asked: the score that crops are needed for.
    """
    found = []
    if test == "two_model":
        found.append(("target", "dejavu", [_of_score(parts["A"], replicate)]))
        if "B" in parts:
            both = [_of_score(parts[name], replicate, HALF) for name in ("A", "B")]
            found.append(("symmetric", "dejavu", both))
    if "control" in parts:
        controls = parts["control"]
        matched, weights = weighing.class_weights(parts["A"].classes, controls.classes)
        members = parts["A"].where(matched)
        (t, g), (u, h) = (_results(each, replicate) for each in (members, controls))
        equal = weighing.equal_weights(members.crops)
        scores = [of_crops(t - g, equal), of_crops(u - h, weights)]
        found.append(("calibrated", "dejavu", scores))
        beta = 0.0
        if members.crops and weights.any():
            beta = weighing.adjusted_gap((t, g), (u, h), controls.classes, weights).beta
        gap = [of_crops(t - beta * g, equal), of_crops(u - beta * h, weights)]
        found.append(("calibrated", "adjusted_accuracy", gap))
    return [{"set": name, "score": score, **row_of(sides, asked)} for name, score, sides in found]


def _of_score(comparison: Comparison, replicate: int, weight: float = 1.0) -> Side:
    t, g = _results(comparison, replicate)
    return of_crops(t - g, weighing.equal_weights(comparison.crops), weight)


def _results(comparison: Comparison, replicate: int) -> tuple[Floats, Floats]:
    sides = comparison.targets, comparison.references
    target, reference = (side[replicate].correct.astype(np.float64) for side in sides)
    return target, reference
