"""Who is memorized: the adjusted gap of each level of a group of samples, and how levels differ.

Levels are compared with the controls of the same level, or with all of control where controls have
none. Where no sample is of two levels, Cochran's Q (1954) tells whether levels differ at all; gaps
are shrunk towards their mean by what the levels' variance is beyond chance (DerSimonian and Laird
1986), as small levels stray the farthest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from dejavu.scores import families, intervals, weighing
from dejavu.scores.intervals import Levels, Moments
from dejavu.scores.judged import Comparison
from dejavu.scores.recovered import Outcome
from dejavu.scores.tallies import Grouped

Row = dict[str, Any]
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

# Intervals are certified from so many samples on.
LEAST = 15
TOO_FEW = f"fewer than {LEAST} samples"
PARTS = 4


@dataclass(frozen=True)
class Sums:
    """What a level's gap follows from; additive.

    Attributes:
        moments: of target's and reference's precision.
        by_reference: the samples by the reference's precision: number, sums of t and of t².
    """

    moments: Moments
    by_reference: Grouped

    @classmethod
    def of(cls, target: Outcome, reference: Outcome, clusters: Codes | None) -> "Sums":
        """Sum samples; `clusters` numbers each one's image, if several may have one."""
        t, g = target.precision, reference.precision
        if clusters is not None:
            clusters = np.unique(clusters, return_inverse=True)[1]
        columns = (np.ones(len(t)), t, t * t)
        by_reference = Grouped.of(reference.correct, reference.predicted, columns)
        return cls(Moments.of(t, g, clusters), by_reference)

    def __add__(self, other: "Sums") -> "Sums":
        by_reference = self.by_reference + other.by_reference
        return Sums(self.moments + other.moments, by_reference)

    @property
    def samples(self) -> int:
        """Number of samples."""
        return round(float(self.moments.samples))

    @property
    def means(self) -> tuple[float, float]:
        """Mean precision of target and reference."""
        _, t, g, *_ = (self.moments.totals / self.moments.samples).tolist()
        return t, g


@dataclass(frozen=True)
class Gap:
    """The adjusted gap of a level, with its interval as far as there are samples enough.

    Attributes:
        level: its name.
        members: their number.
        controls: likewise.
        means: of the target's and the reference's results on the members; nan without any.
        value: nan without two of either.
        estimate: None where there are too few.
        own_variance: the part of the estimate's variance that is its members'.
    """

    level: str
    members: int
    controls: int
    means: tuple[float, float]
    value: float = np.nan
    estimate: intervals.Centred | None = None
    own_variance: float = np.nan

    @classmethod
    def of_sums(cls, level: str, members: Sums | None, controls: Sums | None) -> "Gap":
        """Of captions."""
        n, m = (0 if side is None else side.samples for side in (members, controls))
        means = (np.nan, np.nan) if members is None else members.means
        if members is None or controls is None or min(n, m) < 2:
            return cls(level, n, m, means)
        by_reference = Levels(controls.by_reference.values, *controls.by_reference.sums.T)
        found = intervals.adjusted_gap(members.moments, controls.moments, by_reference)
        line = intervals.slope(controls.moments.with_pseudo_samples())
        own = intervals.residual_variance(members.moments.with_pseudo_samples(), line)
        known = found if min(n, m) >= LEAST else None
        return cls(level, n, m, means, float(found.value), known, float(own))

    @classmethod
    def of_crops(cls, level: str, members: Comparison, controls: Comparison) -> "Gap":
        """Of crops, whose controls' classes weigh as the members' do; first replicates.

        Members of a class without controls don't count, unless none has any: then there is no gap.
        """
        matched, weights = weighing.class_weights(members.classes, controls.classes)
        members = members.where(matched) if matched.any() else members
        controls = controls.where(weights > 0)
        weights, n, m = weights[weights > 0], members.crops, controls.crops
        sides = members.targets[0], members.references[0]
        target, reference = (float(each.correct.mean()) if n else np.nan for each in sides)
        means = target, reference
        if min(n, m) < 2:
            return cls(level, n, m, means)
        (t, g), (u, h) = (
            tuple(side[0].correct.astype(np.float64) for side in (each.targets, each.references))
            for each in (members, controls)
        )
        found = weighing.adjusted_gap((t, g), (u, h), controls.classes, weights)
        known = found if min(n, weighing.effective(weights)) >= LEAST else None
        own = float(np.square(found.member_parts).sum())
        return cls(level, n, m, means, found.value, known, own)


def sums_of(
    pair: tuple[Outcome, Outcome],
    rows: NDArray[np.int64],
    levels: Codes,
    clusters: Codes | None,
    known: dict[int, Sums],
) -> None:
    """Add samples to the sums of their levels.

    Args:
        pair: outcomes of target and reference.
        rows: places of samples in them, int64 [n]; a sample of two levels stands there twice.
        levels: of the samples, int64 [n].
        clusters: of all samples of the outcomes, or None.
        known: the sums of each level so far, which change.
    """
    if not len(levels):
        return
    order = np.argsort(levels, kind="stable")
    names, starts = np.unique(levels[order], return_index=True)
    for level, chosen in zip(names.tolist(), np.split(rows[order], starts[1:]), strict=True):
        own = None if clusters is None else clusters[chosen]
        sums = Sums.of(pair[0].of(chosen), pair[1].of(chosen), own)
        known[level] = known[level] + sums if level in known else sums


def rows_of(
    gaps: Sequence[Gap], measure: str, is_partition: bool, shares_control: bool
) -> list[Row]:
    """A row for each level of a group, with what tells whether they differ.

    Args:
        gaps: of the levels; those without members get no row.
        measure: what results are called, `precision` or `accuracy`.
        is_partition: whether no sample is of two levels: otherwise levels are not independent, and
            nothing is told of their differences as a whole.
        shares_control: whether all levels have the same controls, whose chance moves all alike.
    """
    gaps = [gap for gap in gaps if gap.members]
    known = [gap for gap in gaps if gap.estimate is not None]
    p_values = np.array([float(gap.estimate.p_value()) for gap in known if gap.estimate])
    q_values = dict(zip(map(id, known), families.benjamini_hochberg(p_values), strict=True))
    values = np.array([float(gap.estimate.centre) for gap in known if gap.estimate])
    variances = np.array(
        [
            gap.own_variance if shares_control else float(gap.estimate.error) ** 2
            for gap in known
            if gap.estimate
        ]
    )
    spread = Spread.of(values, variances)
    places = {id(gap): place for place, gap in enumerate(known)}
    rows = []
    for gap in gaps:
        row: Row = {"level": gap.level, "members": gap.members, "controls": gap.controls}
        row |= dict(zip(means_of(measure), gap.means, strict=True))
        row["adjusted"] = gap.value
        if gap.estimate is None:
            rows.append({**row, "no_interval": TOO_FEW})
            continue
        place = places[id(gap)]
        low, high = gap.estimate.ends()
        row |= {"adjusted_low": float(low), "adjusted_high": float(high)}
        row["shrunk"] = spread.shrunk(gap.value, variances[place])
        row |= {"p_value": float(p_values[place]), "q_value": float(q_values[id(gap)])}
        if is_partition and len(known) > 1:
            row |= {"heterogeneity": spread.heterogeneity, "heterogeneity_p": spread.p_value}
        rows.append(row)
    return rows


def means_of(measure: str) -> tuple[str, str]:
    """The columns of the target's and the reference's mean results."""
    return f"{measure}_target", f"{measure}_reference"


@dataclass(frozen=True)
class Spread:
    """How much independent estimates differ.

    Attributes:
        mean: weighed by the inverse of the variances, those between levels included.
        between: variance between levels, beyond chance.
        heterogeneity: Cochran's Q.
        p_value: of Q, were all estimates of one value.
    """

    mean: float
    between: float
    heterogeneity: float
    p_value: float

    @classmethod
    def of(cls, values: Floats, variances: Floats) -> "Spread":
        """Of estimates [n] with their variances."""
        if len(values) < 2:
            return cls(float(values.mean()) if len(values) else np.nan, 0.0, np.nan, np.nan)
        weights = 1 / variances
        mean = float(weights @ values / weights.sum())
        q = float(weights @ (values - mean) ** 2)
        freedom = len(values) - 1
        scale = float(weights.sum() - (weights**2).sum() / weights.sum())
        between = max(0.0, (q - freedom) / scale)
        weights = 1 / (variances + between)
        mean = float(weights @ values / weights.sum())
        return cls(mean, between, q, float(chi2.sf(q, freedom)))

    def shrunk(self, value: float, variance: float) -> float:
        """An estimate drawn towards the mean, the more the less is known of it."""
        return self.mean + self.between / (self.between + variance) * (value - self.mean)


@dataclass(frozen=True)
class Bins:
    """Four parts of the values of members, as even as equal values allow.

    Attributes:
        edges: the largest value of each part but the last, ascending.
        whole: whether values are whole numbers.
    """

    edges: Floats
    whole: bool

    @classmethod
    def of(cls, counts: Mapping[float, int], whole: bool) -> "Bins":
        """From how many members have each value."""
        values = np.array(sorted(counts), dtype=np.float64)
        reached = np.cumsum([counts[value] for value in values.tolist()])
        if not len(values):
            return cls(np.empty(0), whole)
        wanted = reached[-1] * np.arange(1, PARTS) / PARTS
        edges = np.unique(values[np.searchsorted(reached, wanted)])
        # The last part is what exceeds the last edge.
        return cls(edges[edges < values[-1]], whole)

    def places(self, values: NDArray[Any]) -> Codes:
        """The part that each value is in, int64 [n]; −1 where there is no value (nan)."""
        values = np.asarray(values, dtype=np.float64)
        return np.where(np.isnan(values), -1, np.searchsorted(self.edges, values, side="left"))

    def names(self) -> list[str]:
        """Of the parts, in their order."""
        if not len(self.edges):
            return ["all"]
        if self.whole:
            edges = [int(edge) for edge in self.edges]
            middle = [
                f"{low + 1} to {high}" if low + 1 < high else f"{high}"
                for low, high in pairwise(edges)
            ]
            return [f"up to {edges[0]}", *middle, f"{edges[-1] + 1} and more"]
        told = [f"{edge:.2f}".replace("-", "−") for edge in self.edges]
        middle = [f"{low} to {high}" for low, high in pairwise(told)]
        return [f"up to {told[0]}", *middle, f"above {told[-1]}"]


def doublings(copies: NDArray[Any]) -> Codes:
    """Level of numbers of copies: 1, 2, 3 to 4, 5 to 8 and so on, int64 [n] from 0."""
    return np.ceil(np.log2(np.maximum(copies, 1))).astype(np.int64)


def doubling_name(level: int) -> str:
    """Which numbers of copies a level has."""
    low, high = 2 ** (level - 1) + 1 if level else 1, 2**level
    return f"{high}" if low >= high else f"{low} to {high}"
