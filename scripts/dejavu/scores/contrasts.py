"""Contrasts: how the scores of a sweep's points differ, on the same samples (method: contrasts).

A score is linear in what each sample gives, so that a weighed sum of the points' scores is the
score of the samples' own weighed sums. Its interval knows that the points share their samples, as
two intervals side by side do not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from dejavu.config.points import is_number, ordered
from dejavu.scores import families

Row = dict[str, Any]
Point = Mapping[str, Any]

# Of {domain}_contrasts.csv.
COLUMNS = {
    **dict.fromkeys(("sweep", "kind", "contrast", "along", "from", "to"), pl.String),
    **dict.fromkeys(("replicate", "score"), pl.String),
    "samples": pl.Int64,
    **dict.fromkeys(("difference", "difference_low", "difference_high"), pl.Float64),
    **dict.fromkeys(("p_value", "p_family"), pl.Float64),
    "no_interval": pl.String,
}

NEIGHBOURS, ENDS, TREND = "neighbours", "ends", "trend"
# Two points are a difference, and no trend beside it.
LEAST_TREND = 3


@dataclass(frozen=True)
class Contrast:
    """A weighed sum of the scores of a sweep's points.

    Attributes:
        contrast: `neighbours`, a point's score minus that of the point before it; `ends`, the
            last's minus the first's; `trend`, the slope a step.
        along: the varied key; None where two models are compared that no sweep made.
        first: the point with which it begins; of a trend the first value of its key.
        last: the point with which it ends, likewise.
        weights: of the points, in their order; they add up to 0.
    """

    contrast: str
    along: str | None
    first: Point
    last: Point
    weights: tuple[float, ...]

    @property
    def scale(self) -> float:
        """How many times the score of the samples' own sums, which lie within 1, the sum is."""
        return sum(map(abs, self.weights))


def contrasts(points: Sequence[Point], varied: Sequence[str]) -> Iterator[Contrast]:
    """What a sweep's points are asked: neighbours, the ends and the trend along each varied key.

    Args:
        points: each a value for every varied key; of two models without one, any two points.
        varied: one key, or two of a grid, in whose lines along one the other has one value.
    """
    if not varied:
        yield _difference(NEIGHBOURS, None, points, 0, 1)
    for key in varied:
        order = ordered([point[key] for point in points])
        lines = _lines(points, varied, key)
        for line in lines:
            line = sorted(line, key=lambda place: order.index(points[place][key]))
            for one, other in pairwise(line):
                yield _difference(NEIGHBOURS, key, points, one, other)
            if len(line) > 2:
                yield _difference(ENDS, key, points, line[0], line[-1])
        if len(order) >= LEAST_TREND and all(map(is_number, order)):
            steps = np.array([order.index(point[key]) for point in points], dtype=np.float64)
            steps -= steps.mean()
            weights = steps / (steps @ steps)
            ends = ({key: order[0]}, {key: order[-1]})
            yield Contrast(TREND, key, *ends, tuple(weights.tolist()))


def _lines(points: Sequence[Point], varied: Sequence[str], key: str) -> list[list[int]]:
    """Places of the points that differ in one key alone."""
    found: dict[str, list[int]] = {}
    for place, point in enumerate(points):
        others = str([point[other] for other in varied if other != key])
        found.setdefault(others, []).append(place)
    return list(found.values())


def _difference(
    name: str, key: str | None, points: Sequence[Point], first: int, last: int
) -> Contrast:
    weights = [0.0] * len(points)
    weights[first], weights[last] = -1.0, 1.0
    return Contrast(name, key, points[first], points[last], tuple(weights))


def rows_of(
    asked: Sequence[Contrast],
    replicates: Mapping[str, Sequence[int]],
    score: str,
    scored: Callable[[int, Sequence[int]], Row],
) -> Iterator[tuple[Contrast, Row]]:
    """Rows of the contrasts of one sweep under one kind of test, with p-values of the family.

    The differences of a sweep are one family and its trends another, in each replicate.

    Args:
        asked: the contrasts.
        replicates: for each value of the column `replicate` the replicates it is made of.
        score: the column of the primary score in what `scored` gives.
        scored: the row of the contrast of that place over some replicates, with `samples`.
    """
    for replicate, chosen in replicates.items():
        rows = []
        for place, each in enumerate(asked):
            row = scored(place, chosen)
            names = {f"difference{end}": f"{score}{end}" for end in ("", "_low", "_high")}
            kept = {name: row.get(column, np.nan) for name, column in names.items()}
            rest = {key: row.get(key) for key in ("samples", "no_interval")}
            p_value = row.get("p_value", np.nan)
            facts = {"contrast": each.contrast, "along": each.along, "replicate": replicate}
            rows.append((each, {**facts, "score": score, **rest, **kept, "p_value": p_value}))
        for is_trend in (False, True):
            family = [row for each, row in rows if (each.contrast == TREND) == is_trend]
            corrected = families.holm([row["p_value"] for row in family])
            for row, p_value in zip(family, corrected, strict=True):
                row["p_family"] = float(p_value)
        yield from rows


def correct_pairs(rows: Sequence[Row]) -> None:
    """Correct the p-values of pairs that a config lists, which are one family, in place.

    They are a family of each kind of test and replicate. A pair with one replicate, which it has
    for all of those of others, is in each, and its own p-value the largest of them.

    Args:
        rows: of all sweeps and pairs, with `sweep` and `kind`.
    """
    for kind in dict.fromkeys(row["kind"] for row in rows):
        pairs: dict[str, dict[str, Row]] = {}
        for row in rows:
            if row["kind"] == kind and row["along"] is None:
                pairs.setdefault(row["sweep"], {})[row["replicate"]] = row
                row["p_family"] = np.nan
        for replicate in dict.fromkeys(name for pair in pairs.values() for name in pair):
            family = [
                row
                for pair in pairs.values()
                for name, row in pair.items()
                if name == replicate or len(pair) == 1
            ]
            corrected = families.holm([row["p_value"] for row in family])
            for row, p_value in zip(family, corrected, strict=True):
                row["p_family"] = float(np.fmax(row["p_family"], p_value))


def in_step(sides: Sequence[Mapping[str, Sequence[str]]]) -> list[dict[str, list[str]]]:
    """Models of points, seed by seed: of those with several the fewest count, a single one stays.

    Args:
        sides: path names of the replicates by role, one mapping a point and set.
    """
    several = [len(names) for side in sides for names in side.values() if len(names) > 1]
    seeds = min(several, default=1)
    return [
        {
            role: [*names] * seeds if len(names) == 1 else [*names][:seeds]
            for role, names in side.items()
        }
        for side in sides
    ]


def replicates_of(points: Sequence[Point], seeds: int) -> Mapping[str, Sequence[int]]:
    """For each value of the column `replicate` the replicates it is made of.

    Args:
        points: with `replicates`, of which some has so many.
        seeds: how many are compared.
    """
    known = (point["replicates"] for point in points)
    return next(each for each in known if sum(len(p) == 1 for p in each.values()) == seeds)
