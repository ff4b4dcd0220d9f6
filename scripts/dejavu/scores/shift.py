"""Gaps that are adjusted for what a blind encoder sees of a shift (method: shift).

Members may differ from controls in more than the reference's results tell. The principal components
of an encoder that saw neither stand beside these in the regression within control, and the part
that they take off tells how far the shift may have moved the adjusted gap.

Two passes over the samples do, whatever their number: from the first come sums of products, from
which components and lines follow, from the second what each sample adds to a line's variance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dejavu.scores import intervals
from dejavu.scores.intervals import (
    LEAST_SEEDS,
    NORMAL_QUANTILE,
    PSEUDO_PAIRS,
    PSEUDO_SAMPLES,
    PSEUDO_WEIGHT,
    Centred,
    cluster_sums,
)

Floats = NDArray[np.float64]

# Controls to a component, at least.
CONTROLS_EACH = 5
# Of the largest eigenvalue, what is no rounding noise.
NOISE = 1e-10
# What the leverage of a cluster leaves at least, as its samples' bounds it from above alone.
LEAST_FREE = 0.1


@dataclass(frozen=True)
class Sums:
    """Sums over the samples of a set; additive.

    Attributes:
        samples: their number.
        vectors: of vectors e, float64 [d].
        squares: of products of any two of their values, float64 [d, d].
        results: of t and of g, each in K columns, float64 [2, K].
        products: of t · g and of g², float64 [2, K].
        crossed: of products of e with t and with g, float64 [2, d, K].
        sizes: of squares of the numbers of samples in clusters.
    """

    samples: int
    vectors: Floats
    squares: Floats
    results: Floats
    products: Floats
    crossed: Floats
    sizes: float

    @classmethod
    def of(
        cls,
        vectors: NDArray[Any],
        target: Floats,
        reference: Floats,
        clusters: NDArray[Any] | None = None,
    ) -> "Sums":
        """Sums of samples with vectors [n, d], results of targets [n, K] and of references."""
        e = vectors.astype(np.float64)
        ones = cluster_sums(np.ones((len(e), 1)), clusters)
        return cls(
            len(e),
            e.sum(axis=0),
            e.T @ e,
            np.stack([target.sum(axis=0), reference.sum(axis=0)]),
            np.stack([(target * reference).sum(axis=0), (reference**2).sum(axis=0)]),
            np.stack([e.T @ target, e.T @ reference]),
            float((ones**2).sum()),
        )

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.samples + other.samples,
            self.vectors + other.vectors,
            self.squares + other.squares,
            self.results + other.results,
            self.products + other.products,
            self.crossed + other.crossed,
            self.sizes + other.sizes,
        )

    @property
    def independent(self) -> float:
        """How many samples without clusters they are worth (Kish 1965)."""
        return self.samples**2 / self.sizes


def components(members: Sums, controls: Sums, most: int | None) -> Floats:
    """Principal components of the vectors of members and controls together.

    Args:
        members: sums over the members.
        controls: over the controls, of which each component has five at least; of captions that
            share images, as many as those are worth.
        most: how many there are at most; None for as many as the controls allow.

    Returns:
        Float64 [d, m]: vectors times it are scores, whose variance over all samples is 1.
    """
    whole = members.samples + controls.samples
    mean = (members.vectors + controls.vectors) / whole
    covariance = (members.squares + controls.squares) / whole - np.outer(mean, mean)
    values, axes = np.linalg.eigh(covariance)
    values, axes = values[::-1], axes[:, ::-1]
    real = int(np.count_nonzero(values > NOISE * max(values[0], 0.0)))
    number = min(real, int(controls.independent / CONTROLS_EACH + NOISE))
    number = number if most is None else min(number, most)
    # A sign that rounding does not decide: the largest loading is positive.
    axes = axes[:, :number]
    largest = np.abs(axes).argmax(axis=0)
    signs = np.sign(axes[largest, np.arange(number)])
    return axes * signs / np.sqrt(values[:number])


def inverse_of(products: Floats) -> Floats:
    """Inverse of sums of products [m, m]; of what does not vary it is 0."""
    return np.asarray(np.linalg.pinv(products, rcond=NOISE, hermitian=True), dtype=np.float64)


@dataclass(frozen=True)
class Group:
    """Means over a set, with the pseudo-samples or without.

    Attributes:
        size: number of samples.
        scores: float64 [m].
        target: float64 [K].
        reference: float64 [K].
    """

    size: float
    scores: Floats
    target: Floats
    reference: Floats

    @classmethod
    def of(cls, sums: Sums, axes: Floats, is_padded: bool) -> "Group":
        """Pseudo-samples lie at the mean of the set's scores."""
        size = sums.samples + PSEUDO_SAMPLES * is_padded
        target, reference = (sums.results + is_padded) / size
        return cls(size, axes.T @ (sums.vectors / sums.samples), target, reference)


@dataclass(frozen=True)
class Line:
    """The regression of t on 1, g and scores z within control, for each of K columns.

    Attributes:
        mean: control's means.
        beta: slope on g, float64 [K]; 0 where g does not vary.
        gamma: on the scores, float64 [m, K].
        inverse: of the scores' products, float64 [m, m].
        tilt: slopes of g on the scores, float64 [m, K].
        rest: sum of squares of what the scores leave of g, float64 [K]; infinite for none.
    """

    mean: Group
    beta: Floats
    gamma: Floats
    inverse: Floats
    tilt: Floats
    rest: Floats

    @classmethod
    def of(cls, controls: Sums, axes: Floats, is_padded: bool) -> "Line":
        """Fit the line; the scores are partialled out, which all columns share."""
        mean = Group.of(controls, axes, is_padded)
        centre = controls.vectors / controls.samples
        spread = controls.squares - controls.samples * np.outer(centre, centre)
        inverse = inverse_of(axes.T @ spread @ axes)
        with_t, with_g = (
            axes.T @ (crossed - np.outer(centre, total))
            for crossed, total in zip(controls.crossed, controls.results, strict=True)
        )
        # The pseudo-samples' t · g add up to ½, their g² to 1.
        product = controls.products[0] + PSEUDO_WEIGHT * is_padded
        square = controls.products[1] + is_padded
        product -= mean.size * mean.target * mean.reference
        left = square - mean.size * mean.reference**2
        tilt = inverse @ with_g
        left -= (with_g * tilt).sum(axis=0)
        varies = left > 1e-12 * np.maximum(square, 1e-300)
        rest = np.where(varies, left, np.inf)
        beta = (product - (with_t * tilt).sum(axis=0)) / rest
        return cls(mean, beta, inverse @ with_t - tilt * beta, inverse, tilt, rest)

    def at(self, scores: Floats, reference: Any) -> tuple[Floats, Floats]:
        """What a direction (z, g) of the slopes is made of: factors of each sample's z and g.

        Args:
            scores: z, float64 [m].
            reference: g, float64 [K].

        Returns:
            Float64 [m, K] and [K].
        """
        of_g = (reference - scores @ self.tilt) / self.rest
        return (self.inverse @ scores)[:, None] - self.tilt * of_g, of_g


@dataclass(frozen=True)
class Shift:
    """The lines of all columns and the points at which they are read.

    Attributes:
        axes: float64 [d, m].
        padded: the lines with pseudo-samples.
        members: the members' means with pseudo-samples.
        value: adjusted gaps, float64 [K].
        centre: the same with pseudo-samples.
        bias: what the components take off, float64 [K].
    """

    axes: Floats
    padded: Line
    members: Group
    value: Floats
    centre: Floats
    bias: Floats

    @classmethod
    def of(cls, members: Sums, controls: Sums, most: int | None) -> "Shift":
        """From the sums of both sets."""
        axes = components(members, controls, most)
        found = []
        for is_padded in (False, True):
            line = Line.of(controls, axes, is_padded)
            group = Group.of(members, axes, is_padded)
            bias = (group.scores - line.mean.scores) @ line.gamma
            gap = group.target - line.mean.target
            gap = gap - line.beta * (group.reference - line.mean.reference) - bias
            found.append((line, group, gap, bias))
        (_, _, value, bias), (line, group, centre, _) = found
        return cls(axes, line, group, value, centre, bias)

    @property
    def number(self) -> int:
        """Number of components."""
        return self.axes.shape[1]


@dataclass(frozen=True)
class Spread:
    """What samples of a set add to the variances; additive.

    Attributes:
        products: sums over clusters of products of two replicates' parts of the gap, float64
            [gaps, replicates, replicates].
        corrected: of squares of a gap's parts, each over one minus its leverage, float64 [K].
        bias: the same of what the slopes add to the bias, float64 [K]; 0 of members.
        means: sums over clusters of squares of what the scores' mean adds to it, float64 [K].
    """

    products: Floats
    corrected: Floats
    bias: Floats
    means: Floats

    def __add__(self, other: "Spread") -> "Spread":
        return Spread(
            self.products + other.products,
            self.corrected + other.corrected,
            self.bias + other.bias,
            self.means + other.means,
        )


def spread_of(
    shift: Shift,
    vectors: NDArray[Any],
    target: Floats,
    reference: Floats,
    replicates: int,
    is_member: bool,
    clusters: NDArray[Any] | None = None,
) -> Spread:
    """What samples add to the variances.

    Args:
        shift: the lines.
        vectors: float [n, d].
        target: results t, float64 [n, K]; a gap's replicates are neighbouring columns.
        reference: results g, float64 [n, K].
        replicates: of each gap.
        is_member: whether they are members, or controls.
        clusters: each sample's cluster, from 0; None where each has its own.
    """
    group = shift.members if is_member else shift.padded.mean
    scores = vectors.astype(np.float64) @ shift.axes - group.scores
    return _spread(
        shift, scores, target, reference, np.ones(len(scores)), replicates, is_member, clusters
    )


def pseudo_spread(shift: Shift, replicates: int, is_member: bool) -> Spread:
    """What the four pseudo-samples of a set add, which lie at the mean of its scores."""
    columns = len(shift.value)
    target, reference = (
        np.repeat(PSEUDO_PAIRS[:, place, None], columns, axis=1) for place in (1, 2)
    )
    scores = np.zeros((len(target), shift.number))
    weights = np.full(len(target), PSEUDO_WEIGHT)
    return _spread(shift, scores, target, reference, weights, replicates, is_member, None)


def _spread(
    shift: Shift,
    scores: Floats,
    target: Floats,
    reference: Floats,
    weights: Floats,
    replicates: int,
    is_member: bool,
    clusters: NDArray[Any] | None,
) -> Spread:
    line, root = shift.padded, np.sqrt(weights)[:, None]
    group = shift.members if is_member else line.mean
    t, g, of_scores = target - group.target, reference - group.reference, scores @ line.gamma
    residuals = t - line.beta * g - of_scores
    # What the mean of the scores adds; pseudo-samples, which are at the mean, have none.
    means = cluster_sums(of_scores, clusters) / (group.size - PSEUDO_SAMPLES)
    if is_member:
        parts = root * residuals / group.size
        leverage, of_bias = np.zeros_like(parts), np.zeros_like(parts)
    else:
        reach = shift.members.scores - group.scores
        of_z, of_g = line.at(reach, shift.members.reference - group.reference)
        parts = -root * residuals * (1 / group.size + scores @ of_z + g * of_g)
        of_z, of_g = line.at(reach, np.zeros_like(of_g))
        of_bias = root * residuals * (scores @ of_z + g * of_g)
        distances = ((scores @ line.inverse) * scores).sum(axis=1)[:, None]
        left = g - scores @ line.tilt
        leverage = weights[:, None] * (1 / group.size + distances + left**2 / line.rest)
    parts, of_bias, leverage = (cluster_sums(each, clusters) for each in (parts, of_bias, leverage))
    if clusters is None:
        free = np.where(leverage < 1 - NOISE, 1 - leverage, 1.0)
    else:
        free = np.maximum(1 - leverage, LEAST_FREE)
    sums = parts.reshape(-1, parts.shape[1] // replicates, replicates)
    return Spread(
        np.einsum("cga,cgb->gab", sums, sums),
        (parts**2 / free).sum(axis=0),
        (of_bias**2 / free).sum(axis=0),
        (means**2).sum(axis=0),
    )


@dataclass(frozen=True)
class Shifted:
    """Gaps adjusted for the shift, one a replicate, and how far it may have moved others.

    Attributes:
        gaps: one a replicate.
        bounds: for each the bias bound.
        covariances: of two replicates over samples, by set, float64 [2, replicates, replicates].
        sizes: numbers of members and controls.
    """

    gaps: Sequence[Centred]
    bounds: Sequence[float]
    covariances: Floats
    sizes: tuple[int, int]

    def pooled(self, chosen: Sequence[int]) -> Centred | None:
        """What some replicates come to; None for two."""
        gaps = [self.gaps[replicate] for replicate in chosen]
        if len(gaps) == 1:
            return gaps[0]
        if len(gaps) < LEAST_SEEDS:
            return None
        covariance = 0.0
        for products, size in zip(self.covariances, self.sizes, strict=True):
            found = [products[a, b] for a, b in combinations(chosen, 2)]
            covariance += max(float(np.mean(found)), float(intervals.least_covariance(size)))
        values, centres = ([float(getattr(g, what)) for g in gaps] for what in ("value", "centre"))
        return intervals.pooled(values, centres, covariance, most=np.inf)

    def columns(self, suffix: str, chosen: Sequence[int]) -> dict[str, float]:
        """Columns of tables for some replicates: the gap, its ends, and the mean bound."""
        gap = self.pooled(chosen)
        low, high = (np.nan, np.nan) if gap is None else gap.ends()
        return {
            f"adjusted_shift{suffix}": float(np.mean([self.gaps[each].value for each in chosen])),
            f"adjusted_shift{suffix}_low": float(low),
            f"adjusted_shift{suffix}_high": float(high),
            f"bias_bound{suffix}": float(np.mean([self.bounds[each] for each in chosen])),
        }


def shifted(shift: Shift, members: Spread, controls: Spread, replicates: int) -> list[Shifted]:
    """The gaps of all columns, from what all samples add to their variances.

    HC2 for the line (MacKinnon and White 1985), Student's t after Satterthwaite. A cluster takes a
    sample's place, with the leverage that its samples have together.
    """
    size, other = shift.members.size, shift.padded.mean.size
    sides = [
        spread + pseudo_spread(shift, replicates, is_member)
        for spread, is_member in ((members, True), (controls, False))
    ]
    own = np.diagonal(sides[0].products, axis1=1, axis2=2).reshape(-1) * size / (size - 1)
    of_line = sides[1].corrected
    of_bias = sides[1].bias + sides[0].means + sides[1].means
    freedom = (own + of_line) ** 2 / (
        own**2 / max(size - PSEUDO_SAMPLES - 1, 1)
        + of_line**2 / max(other - PSEUDO_SAMPLES - 2 - shift.number, 1)
    )
    error = np.sqrt(own + of_line)
    bounds = np.abs(shift.bias) + NORMAL_QUANTILE * np.sqrt(of_bias)
    found = []
    for gap, start in enumerate(range(0, len(error), replicates)):
        places = range(start, start + replicates)
        found.append(
            Shifted(
                [
                    Centred(shift.value[at], shift.centre[at], error[at], freedom[at])
                    for at in places
                ],
                [float(bounds[place]) for place in places],
                np.stack([side.products[gap] for side in sides]),
                (round(size - PSEUDO_SAMPLES), round(other - PSEUDO_SAMPLES)),
            )
        )
    return found
