"""Uncertainty of a score, in closed forms (method: intervals).

Every form is a function of sums over samples, so that shards add up, and works on arrays of them.
For the interval and the p-value, never for the estimate, pseudo-samples are added: what has
happened in every sample, or in none, is not certain. How often each form covers the truth stands in
docs/certification.md.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
Ends = tuple[Any, Any]

LEVEL = 0.05
NORMAL_QUANTILE = -float(special.ndtri(LEVEL / 2))
PSEUDO_SAMPLES = 2
# Degrees of freedom from which on Student's t is the normal distribution.
MOST_FREEDOM = 1e9
LEAST_SEEDS = 3
# Halvings that find a quantile to twelve digits.
HALVINGS = 50
MOST_QUANTILE = 64.0
# What a target and a reference result are kept as: 1, t, g, t · g, g².
FEATURES = 5
# Four pseudo-samples (0, 0), (0, 1), (1, 0), (1, 1), each of half a sample's weight.
PSEUDO_PAIRS = np.array([(1, t, g, t * g, g * g) for t in (0, 1) for g in (0, 1)], float)
PSEUDO_WEIGHT = 0.5


class Estimate(Protocol):
    """A score that has an interval at every level; all values may be arrays."""

    @property
    def value(self) -> Any:
        """The score itself, without pseudo-samples."""

    def ends(self, level: float = LEVEL) -> Ends:
        """Low and high end of the interval, whose coverage is 1 − level."""


def quantile(level: ArrayLike, freedom: ArrayLike = np.inf) -> Any:
    """Two-sided quantile of Student's t, of the normal distribution at infinite freedom."""
    freedom = np.asarray(freedom, dtype=np.float64)
    below = np.asarray(level, dtype=np.float64) / 2
    student = special.stdtrit(np.minimum(freedom, MOST_FREEDOM), below)
    return -np.where(freedom < MOST_FREEDOM, student, special.ndtri(below))


def tail(distance: ArrayLike, freedom: ArrayLike = np.inf) -> Any:
    """Two-sided p-value of a distance from 0 in standard errors: the reverse of `quantile`."""
    freedom = np.asarray(freedom, dtype=np.float64)
    below = -np.abs(np.asarray(distance, dtype=np.float64))
    student = special.stdtr(np.minimum(freedom, MOST_FREEDOM), below)
    return 2 * np.where(freedom < MOST_FREEDOM, student, special.ndtr(below))


@dataclass(frozen=True)
class Centred:
    """An estimate whose interval lies evenly about a centre, as far as its range allows.

    Attributes:
        value: the estimate.
        centre: the estimate with pseudo-samples.
        error: standard error of the centre.
        freedom: degrees of freedom of Student's t; infinite for the normal distribution.
        most: the largest absolute value that the score can have.
    """

    value: Any
    centre: Any
    error: Any
    freedom: Any = np.inf
    most: float = np.inf

    def ends(self, level: float = LEVEL) -> Ends:
        """Ends of the interval."""
        half = quantile(level, self.freedom) * self.error
        return (
            np.maximum(self.centre - half, -self.most),
            np.minimum(self.centre + half, self.most),
        )

    def p_value(self) -> Any:
        """The smallest level at which the interval excludes 0."""
        return tail(self.centre / self.error, self.freedom)

    def scaled(self, factor: float) -> "Centred":
        """The estimate of so many times as much."""
        value, centre, error = (factor * each for each in (self.value, self.centre, self.error))
        return Centred(value, centre, error, self.freedom, factor * self.most)


def mean_of(
    samples: ArrayLike,
    total: ArrayLike,
    squares: ArrayLike,
    least: float = -1.0,
    clusters: "Clusters | None" = None,
) -> Centred:
    """Mean of values from `least`, −1 or 0, to 1 (Bonett and Price 2012, for wins and losses).

    Two pseudo-samples are added, one at either end of the range: a win and a loss.

    Args:
        samples: number of samples; real where they have weights.
        total: sum of the values.
        squares: sum of their squares: wins plus losses, where they are 1 and −1.
        least: the least value that there may be.
        clusters: where samples are not independent, the sums over clusters.
    """
    n, total = (np.asarray(each, dtype=np.float64) for each in (samples, total))
    size = n + PSEUDO_SAMPLES
    centre = (total + pseudo_total(least)) / size
    sums = Clusters(squares, total, n) if clusters is None else clusters
    deviations = deviation_products(sums, sums, (centre, centre), least)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(n > 0, total / n, np.nan)
    error = np.where(n > 0, np.sqrt(np.maximum(deviations, 0)) / size, np.nan)
    return Centred(value, centre, error, most=1)


def pseudo_total(least: float) -> float:
    """Sum of the two pseudo-samples of a mean."""
    return 1.0 + least


def deviation_products(
    first: "Clusters", second: "Clusters", centres: tuple[Any, Any], least: float
) -> Any:
    """Sum over clusters of products of deviations from two means, with the pseudo-samples.

    Each pseudo-sample is a cluster of its own, and the same for both means.

    Args:
        first: sums of the first mean's values; `squares` of the products of both.
        second: of the second's.
        centres: the two means with pseudo-samples.
        least: the least value that there may be.
    """
    a, b = centres
    products = first.squares - b * first.products - a * second.products + a * b * first.sizes
    return products + (1 - a) * (1 - b) + (least - a) * (least - b)


class Clusters(NamedTuple):
    """Sums over clusters of samples, of sizes m and with sums S of the values (Kish 1965).

    A cluster's S − m θ takes the sample's place in the variance.
    """

    squares: Any
    """Of S²."""
    products: Any
    """Of m S."""
    sizes: Any
    """Of m²."""


@dataclass(frozen=True)
class Proportion:
    """Interval of a proportion (Agresti and Coull 1998); trials may be an effective number.

    Its centre is that of Wilson's interval, which covers proportions near 1 / trials too seldom.
    """

    value: Any
    trials: Any

    def ends(self, level: float = LEVEL) -> Ends:
        """Ends of the interval."""
        pseudo = quantile(level) ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            size = np.asarray(self.trials, dtype=np.float64) + pseudo
            centre = (self.value * self.trials + pseudo / 2) / size
            half = np.sqrt(pseudo * centre * (1 - centre) / size)
        return np.maximum(centre - half, 0), np.minimum(centre + half, 1)


def proportion(successes: int, trials: int) -> tuple[float, float]:
    """Ends of the interval of a proportion, 95 %; nan without trials."""
    if not trials:
        return np.nan, np.nan
    low, high = Proportion(successes / trials, trials).ends()
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """One estimate minus another, from their own intervals (Zou and Donner 2008, MOVER).

    `correlation` is that of the two estimates; 0 for independent sets.
    """

    first: Estimate
    second: Estimate
    correlation: Any = 0.0

    @property
    def value(self) -> Any:
        """The difference of both."""
        return self.first.value - self.second.value

    def ends(self, level: float = LEVEL) -> Ends:
        """Ends of the interval."""
        below, above = _excursions(self.first, level)
        below_second, above_second = _excursions(self.second, level)
        return (
            self.value - self._length(below, above_second),
            self.value + self._length(above, below_second),
        )

    def _length(self, one: Any, other: Any) -> Any:
        squares = one**2 + other**2 - 2 * self.correlation * one * other
        return np.sqrt(np.maximum(squares, 0))


@dataclass(frozen=True)
class Average:
    """The mean of two independent estimates, each weighing one half, by the same method."""

    first: Estimate
    second: Estimate

    @property
    def value(self) -> Any:
        """The mean of both."""
        return (self.first.value + self.second.value) / 2

    def ends(self, level: float = LEVEL) -> Ends:
        """Ends of the interval."""
        (below, above), (below_second, above_second) = (
            _excursions(each, level) for each in (self.first, self.second)
        )
        return (
            self.value - np.hypot(below, below_second) / 2,
            self.value + np.hypot(above, above_second) / 2,
        )


def _excursions(estimate: Estimate, level: float) -> Ends:
    """How far the interval reaches below and above the estimate."""
    low, high = estimate.ends(level)
    return np.maximum(estimate.value - low, 0), np.maximum(high - estimate.value, 0)


def p_value(estimate: Estimate) -> Any:
    """The smallest level at which an estimate's interval excludes 0; 1 where none does."""
    if isinstance(estimate, Centred):
        return estimate.p_value()
    low = np.zeros(np.shape(estimate.value))
    high = np.full(np.shape(estimate.value), MOST_QUANTILE)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        outside = _excludes(estimate, tail(middle))
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    return np.where(np.isnan(estimate.value), np.nan, tail(low))


def _excludes(estimate: Estimate, level: Any) -> Any:
    low, high = estimate.ends(level)
    return (low > 0) | (high < 0)


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact binomial test of wins against losses; 1 where there are none.

    With equal chances both tails are alike: twice the lower one, as the incomplete beta function
    gives it (DLMF, §8.17.5).
    """
    fewer, more = sorted((wins, losses))
    if fewer == more:
        return 1.0
    return min(1.0, float(2 * special.betainc(more, fewer + 1, 0.5)))


def pooled(values: ArrayLike, centres: ArrayLike, covariance: ArrayLike, most: float) -> Centred:
    """The mean over training seeds (Obuchowski and Rockette 1995; Hillis 2007).

    Args:
        values: the estimates of the seeds, on the same samples, float [..., seeds]; 3 or more.
        centres: the same with pseudo-samples.
        covariance: mean covariance of two seeds' estimates over samples.
        most: the largest absolute value that the score can have.
    """
    values, centres = np.asarray(values, dtype=np.float64), np.asarray(centres, dtype=np.float64)
    seeds = centres.shape[-1]
    between = centres.var(axis=-1, ddof=1)
    whole = between + seeds * covariance
    with np.errstate(divide="ignore"):
        freedom = whole**2 / (between**2 / (seeds - 1))
    error = np.sqrt(whole / seeds)
    return Centred(values.mean(axis=-1), centres.mean(axis=-1), error, freedom, most)


def least_covariance(samples: ArrayLike) -> Any:
    """The least covariance of two seeds' means that so many samples can tell."""
    return 1 / (np.asarray(samples, dtype=np.float64) + PSEUDO_SAMPLES) ** 2


@dataclass(frozen=True)
class Moments:
    """Sums over samples of a target's and a reference's results t and g; additive.

    Attributes:
        totals: sums of 1, t, g, t · g and g², float64 [..., 5].
        products: over clusters of samples the sums of products of two such sums, float64
            [..., 5, 5]; without clusters each sample is one.
    """

    totals: Floats
    products: Floats

    @classmethod
    def of(
        cls, target: ArrayLike, reference: ArrayLike, clusters: NDArray[Any] | None = None
    ) -> "Moments":
        """Moments of paired results [n]; `clusters` numbers each sample's cluster from 0."""
        rows = features(target, reference)
        sums = cluster_sums(rows, clusters)
        return cls(rows.sum(axis=0), sums.T @ sums)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.totals + other.totals, self.products + other.products)

    @property
    def samples(self) -> Any:
        """Number of samples."""
        return self.totals[..., 0]

    def with_pseudo_samples(self) -> "Moments":
        """The same with the four pseudo-samples."""
        return Moments(
            self.totals + PSEUDO_WEIGHT * PSEUDO_PAIRS.sum(axis=0),
            self.products + pseudo_products(),
        )

    def residual_mean(self, beta: Any) -> Any:
        """Mean of t − β · g."""
        return (self.totals[..., 1] - beta * self.totals[..., 2]) / self.samples

    def residual_weights(self, beta: Any) -> Floats:
        """What t − β · g minus its mean, over n, is as a sum of features, float64 [..., 5]."""
        ones = np.ones_like(self.samples)
        parts = [-self.residual_mean(beta), ones, -beta * ones, 0 * ones, 0 * ones]
        return np.stack(parts, axis=-1) / self.samples[..., None]


def pseudo_products() -> Floats:
    """What the four pseudo-samples add to sums of products of features, float64 [5, 5]."""
    return PSEUDO_WEIGHT * PSEUDO_PAIRS.T @ PSEUDO_PAIRS


def features(target: ArrayLike, reference: ArrayLike) -> Floats:
    """1, t, g, t · g and g² of every sample, float64 [n, 5]."""
    t, g = np.asarray(target, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    return np.stack([np.ones_like(t), t, g, t * g, g * g], axis=-1)


def cluster_sums(rows: Floats, clusters: NDArray[Any] | None) -> Floats:
    """Sums of rows [n, columns] over the samples of each cluster; the rows themselves if None."""
    if clusters is None:
        return rows
    sums = np.zeros((int(clusters.max(initial=-1)) + 1, rows.shape[1]))
    np.add.at(sums, clusters, rows)
    return sums


def quadratic(first: Floats, products: Floats, second: Floats) -> Any:
    """Sum of products of two sums of features, from `products`: weights [..., 5] of each."""
    return np.einsum("...i,...ij,...j->...", first, products, second)


class Levels(NamedTuple):
    """How many samples have each value of g, and the sums of their t and t², [..., levels]."""

    reference: Any
    samples: Any
    target: Any
    squares: Any


@dataclass(frozen=True)
class Adjusted(Centred):
    """An adjusted gap, with its slope and what each sample adds to the deviation from the truth.

    Attributes:
        beta: the slope of t on g within control.
        member_weights: of the members' features, float64 [..., 5].
        control_weights: of the controls', float64 [..., 5].
    """

    beta: Any = 0.0
    member_weights: Any = None
    control_weights: Any = None


def adjusted_gap(members: Moments, controls: Moments, levels: Levels) -> Adjusted:
    """What members score above the regression line of t on g within control (method: adjusted).

    The variance of what the line says for the members' mean of g is HC2 (MacKinnon and White 1985),
    with Student's t after Satterthwaite; clusters of samples inflate it as they do HC0.

    Args:
        members: moments of the members.
        controls: moments of the controls.
        levels: the controls by the value of g, of which each level has one.
    """
    beta = slope(controls)
    value = members.residual_mean(beta) - controls.residual_mean(beta)
    members, controls = members.with_pseudo_samples(), controls.with_pseudo_samples()
    line = slope(controls)
    spread = residual_variance(members, line)
    mean = members.totals[..., 2] / members.samples
    weights, inverse = _line_weights(controls, line, mean)
    plain, corrected = _line_variances(controls, levels, line, inverse, mean)
    clustered = quadratic(weights, controls.products, weights)
    of_line = corrected * clustered / plain
    freedom = (spread + of_line) ** 2 / (
        spread**2 / np.maximum(members.samples - PSEUDO_SAMPLES - 1, 1)
        + of_line**2 / np.maximum(controls.samples - PSEUDO_SAMPLES - 2, 1)
    )
    centre = members.residual_mean(line) - controls.residual_mean(line)
    error = np.sqrt(spread + of_line)
    member_weights = members.residual_weights(line)
    return Adjusted(
        value, centre, error, freedom, beta=beta,
        member_weights=member_weights, control_weights=-weights,
    )  # fmt: skip


def slope(moments: Moments) -> Any:
    """Least-squares slope of t on g; 0 where g does not vary."""
    n, t, g, tg, gg = np.moveaxis(moments.totals, -1, 0)
    deviation = gg - g**2 / n
    # Sums of squares carry rounding noise: a reference that is the same everywhere has no slope.
    varies = deviation > 1e-12 * np.maximum(gg, 1e-300)
    return np.where(varies, (tg - t * g / n) / np.where(varies, deviation, 1.0), 0.0)


def residual_variance(moments: Moments, beta: Any) -> Any:
    """Variance of the mean of t − β · g."""
    weights = moments.residual_weights(beta)
    return quadratic(weights, moments.products, weights) * moments.samples / (moments.samples - 1)


def _line_weights(controls: Moments, beta: Any, mean: Any) -> tuple[Floats, Floats]:
    """What the regression line at `mean` is as a sum of features of the deviations of controls.

    Returns:
        Weights of the features, float64 [..., 5], and the inverse of the cross-products of (1, g),
        float64 [..., 2, 2].
    """
    n, _, g, _, gg = np.moveaxis(controls.totals, -1, 0)
    inverse = np.stack([gg, -g, -g, n], axis=-1).reshape(*n.shape, 2, 2)
    inverse = inverse / (n * gg - g**2)[..., None, None]
    level, tilt = inverse[..., 0, 0] + inverse[..., 0, 1] * mean, _tilt(inverse, mean)
    base = controls.residual_mean(beta)
    parts = [-level * base, level, -level * beta - tilt * base, tilt, -tilt * beta]
    return np.stack(parts, axis=-1), inverse


def _tilt(inverse: Floats, mean: Any) -> Any:
    return inverse[..., 1, 0] + inverse[..., 1, 1] * mean


def _line_variances(
    controls: Moments, levels: Levels, beta: Any, inverse: Floats, mean: Any
) -> tuple[Any, Any]:
    """Variance of the regression line at `mean` by HC0 and by HC2, with pseudo-samples."""
    level, tilt = inverse[..., 0, 0] + inverse[..., 0, 1] * mean, _tilt(inverse, mean)
    base = controls.residual_mean(beta)
    plain, corrected = 0.0, 0.0
    pseudo = Levels(np.array([0.0, 1.0]), np.ones(2), np.full(2, 0.5), np.full(2, 0.5))
    for part, weight in ((levels, 1.0), (pseudo, PSEUDO_WEIGHT)):
        g = np.asarray(part.reference, dtype=np.float64)
        fitted = base[..., None] + beta[..., None] * g
        squares = part.squares - 2 * fitted * part.target + part.samples * fitted**2
        leverage = (
            inverse[..., 0, 0, None]
            + 2 * inverse[..., 0, 1, None] * g
            + inverse[..., 1, 1, None] * g**2
        )
        each = (level[..., None] + tilt[..., None] * g) ** 2 * np.maximum(squares, 0)
        plain = plain + each.sum(axis=-1)
        # Where no sample is, no leverage bounds anything.
        free = np.where(np.asarray(part.samples) > 0, 1 - weight * leverage, 1.0)
        corrected = corrected + (each / free).sum(axis=-1)
    return plain, corrected
