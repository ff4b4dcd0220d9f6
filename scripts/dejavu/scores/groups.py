"""Who is memorized: the adjusted gap of each level of a group of samples, and how levels differ.

Levels are compared with the controls of the same level, or with all of control where controls have
none. Where no sample is of two levels, Cochran's Q (1954) tells whether levels differ at all; gaps
are shrunk towards their mean by what the levels' variance is beyond chance (DerSimonian and Laird
1986), as small levels stray the farthest. Levels with the same controls have a part of their chance
in common, as large as they lean on the same of them: both take the gaps' covariance.
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
    def independent(self) -> float:
        """How many samples without clusters they are worth (Kish 1965)."""
        return self.samples**2 / float(self.moments.products[0, 0])

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
        control_parts: what controls add to its deviation from the truth, float64 [parts]: products
            of two levels' sum up to their covariance, where these have the same controls.
    """

    level: str
    members: int
    controls: int
    means: tuple[float, float]
    value: float = np.nan
    estimate: intervals.Centred | None = None
    own_variance: float = np.nan
    control_parts: Floats | None = None

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
        sums, axes = np.linalg.eigh(controls.moments.with_pseudo_samples().products)
        parts = (axes * np.sqrt(np.maximum(sums, 0))).T @ found.control_weights
        known = found if is_enough(members.independent, controls.independent) else None
        return cls(level, n, m, means, float(found.value), known, float(own), parts)

    @classmethod
    def of_crops(cls, level: str, members: Comparison, controls: Comparison) -> "Gap":
        """Of crops, whose controls' classes weigh as the members' do; first replicates.

        Members of a class without controls don't count, unless none has any: then there is no gap.
        """
        matched, weights = weighing.class_weights(members.classes, controls.classes)
        members = members.where(matched) if matched.any() else members
        parts = np.zeros(len(weights))
        counts = weights > 0
        controls = controls.where(counts)
        weights, n, m = weights[counts], members.crops, controls.crops
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
        parts[counts] = found.control_parts
        known = found if is_enough(n, weighing.effective(weights)) else None
        return cls(level, n, m, means, found.value, known, found.own_variance, parts)


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
        shares_control: whether all levels have the same controls.
    """
    gaps = [gap for gap in gaps if gap.members]
    known = [gap for gap in gaps if gap.estimate is not None]
    p_values = np.array([float(gap.estimate.p_value()) for gap in known if gap.estimate])
    q_values = families.benjamini_hochberg(p_values)
    values = np.array([gap.value for gap in known])
    centres = np.array([float(gap.estimate.centre) for gap in known if gap.estimate])
    spread = Spread.of(values, centres, covariance_of(known, shares_control))
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
        row["shrunk"] = float(spread.shrunk[place])
        row |= {"p_value": float(p_values[place]), "q_value": float(q_values[place])}
        if is_partition and len(known) > 1:
            row |= {"heterogeneity": spread.heterogeneity, "heterogeneity_p": spread.p_value}
        rows.append(row)
    return rows


def means_of(measure: str) -> tuple[str, str]:
    """The columns of the target's and the reference's mean results."""
    return f"{measure}_target", f"{measure}_reference"


def is_enough(members: float, controls: float) -> bool:
    """Whether a level has an interval; numbers of samples, or of independent ones."""
    # An effective number is whole but for rounding, where samples weigh the same.
    return min(members, controls) > LEAST - 1e-6


def covariance_of(gaps: Sequence[Gap], shares_control: bool) -> Floats:
    """Of levels that have an interval: variances [n], or covariances [n, n] by shared controls."""
    variances = np.array([float(gap.estimate.error) ** 2 for gap in gaps if gap.estimate])
    if not shares_control or not gaps:
        return variances
    parts = np.stack([gap.control_parts for gap in gaps if gap.control_parts is not None])
    shared = parts @ parts.T
    # The parts are those of HC0 and without pseudo-samples.
    whole = np.maximum(variances - [gap.own_variance for gap in gaps], 0)
    plain = np.diag(shared)
    scale = np.sqrt(np.divide(whole, plain, out=np.zeros_like(whole), where=plain > 0))
    shared = shared * scale[:, None] * scale
    np.fill_diagonal(shared, variances)
    return shared


@dataclass(frozen=True)
class Spread:
    """How much estimates differ.

    Attributes:
        shrunk: each drawn towards their mean, the more the less is known of it, float64 [n].
        between: variance between levels, beyond chance.
        heterogeneity: Cochran's Q; of correlated estimates by generalised least squares.
        p_value: of Q, were all estimates of one value.
    """

    shrunk: Floats
    between: float
    heterogeneity: float
    p_value: float

    @classmethod
    def of(cls, values: Floats, centres: Floats, covariance: Floats) -> "Spread":
        """Of estimates [n], with pseudo-samples (`centres`) and without.

        Args:
            values: which are shrunk.
            centres: of which Q is, as intervals are.
            covariance: of the estimates, [n, n], or the variances [n] of independent ones.
        """
        freedom = len(values) - 1
        if freedom < 1:
            return cls(values, 0.0, np.nan, np.nan)
        ones = np.ones(len(values))
        weights = _divided(ones, covariance)
        apart = centres - weights @ centres / weights.sum()
        q = float(apart @ _divided(apart, covariance))
        is_matrix = covariance.ndim > 1
        trace = np.trace(np.linalg.inv(covariance)) if is_matrix else weights.sum()
        between = max(0.0, (q - freedom) / float(trace - weights @ weights / weights.sum()))
        whole = covariance + between * (np.eye(len(values)) if is_matrix else 1.0)
        weights = _divided(ones, whole)
        mean = float(weights @ values / weights.sum())
        shrunk = mean + between * _divided(values - mean, whole)
        return cls(shrunk, between, q, float(chi2.sf(q, freedom)))


def _divided(columns: Floats, covariance: Floats) -> Floats:
    """The inverse of covariances [n, n], or of variances [n], times columns [n]."""
    if covariance.ndim == 1:
        return columns / covariance
    return np.asarray(np.linalg.solve(covariance, columns), dtype=np.float64)


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
