"""Uncertainty of a score: bootstrap percentiles, exact tests and the adjusted gap.

Scores are means of a few distinct values over samples, so that a bootstrap over samples is a
multinomial draw over the values' counts: its cost depends on the number of values, not of samples.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

COVERAGE = 0.95
NORMAL_QUANTILE = 1.96


def generator(*names: object) -> np.random.Generator:
    """Random numbers that depend on what they are for, never on what else is computed."""
    digest = hashlib.blake2b("|".join(map(str, names)).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest))


def multinomial_counts(
    counts: ArrayLike, replications: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Redraw the samples: counts of each value [replications, values] in bootstrap samples."""
    counts = np.asarray(counts, dtype=np.int64)
    return rng.multinomial(counts.sum(), counts / counts.sum(), size=replications)


def multinomial_means(
    values: ArrayLike, counts: ArrayLike, replications: int, rng: np.random.Generator
) -> Floats:
    """Bootstrap the mean of discrete values.

    Args:
        values: the distinct values, float [values], or [values, measures] for several at once.
        counts: how many samples have each, int [values]; nan replications where there is none.
        replications: number of bootstrap samples.
        rng: from `generator`.

    Returns:
        float64 [replications] or [replications, measures].
    """
    values = np.asarray(values, dtype=np.float64)
    total = int(np.sum(counts))
    if total == 0:
        return np.full((replications, *values.shape[1:]), np.nan)
    return multinomial_counts(counts, replications, rng) @ values / total


def seed_weights(seeds: int, replications: int, rng: np.random.Generator) -> Floats:
    """Redraw the training seeds: weights [replications, seeds] that add up to 1."""
    return rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=replications) / seeds


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are drawn: the number of replications and what they are drawn for."""

    replications: int
    names: tuple[object, ...]

    def named(self, *names: object) -> "Bootstrap":
        """The same for a part of what it was for."""
        return Bootstrap(self.replications, (*self.names, *names))

    def generator(self, *names: object) -> np.random.Generator:
        """Random numbers for one purpose."""
        return generator(*self.names, *names)

    def over_seeds(self, draws: Floats) -> Floats:
        """Redraw the seeds as well: from draws [replications, seeds] to [replications].

        The same seeds are drawn wherever the names are the same.
        """
        seeds = draws.shape[1]
        weights = seed_weights(seeds, self.replications, self.generator("seeds"))
        return (draws * weights).sum(axis=1)


def percentile(replicates: Floats, coverage: float = COVERAGE) -> tuple[float, float]:
    """Percentile interval of bootstrap replications, 95 % unless told."""
    tail = (1 - coverage) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return float(low), float(high)


def binomial_p_value(wins: int, losses: int) -> float:
    """Two-sided exact binomial test of wins against losses; 1 where there are none.

    With equal chances both tails are alike: twice the lower one, as the incomplete beta function
    gives it (DLMF, §8.17.5).
    """
    from scipy.special import betainc

    fewer, more = sorted((wins, losses))
    return 1.0 if fewer == more else min(1.0, float(2 * betainc(more, fewer + 1, 0.5)))


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Score interval of a proportion, 95 % (Wilson 1927); nan without trials."""
    if not trials:
        return np.nan, np.nan
    rate, spread = successes / trials, NORMAL_QUANTILE**2 / trials
    centre = rate + spread / 2
    half = float(np.sqrt(spread * (rate * (1 - rate) + spread / 4)))
    return max(0.0, (centre - half) / (1 + spread)), min(1.0, (centre + half) / (1 + spread))


@dataclass(frozen=True)
class Moments:
    """Count, sums and sums of products of a target's and a reference's results; additive."""

    samples: int = 0
    target: float = 0.0
    reference: float = 0.0
    target_squared: float = 0.0
    reference_squared: float = 0.0
    product: float = 0.0

    @classmethod
    def of(cls, target: ArrayLike, reference: ArrayLike, counts: ArrayLike = 1) -> "Moments":
        """Moments of paired results [n], each standing for `counts` samples."""
        t = np.asarray(target, dtype=np.float64)
        g = np.asarray(reference, dtype=np.float64)
        n = np.broadcast_to(np.asarray(counts, dtype=np.int64), t.shape)
        return cls(
            int(n.sum()),
            float((n * t).sum()),
            float((n * g).sum()),
            float((n * t * t).sum()),
            float((n * g * g).sum()),
            float((n * t * g).sum()),
        )

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.samples + other.samples,
            self.target + other.target,
            self.reference + other.reference,
            self.target_squared + other.target_squared,
            self.reference_squared + other.reference_squared,
            self.product + other.product,
        )

    @property
    def reference_deviation(self) -> float:
        """Sum of squared deviations of the reference from its mean."""
        return max(self.reference_squared - self.reference**2 / self.samples, 0.0)

    @property
    def co_deviation(self) -> float:
        """Sum of products of both deviations."""
        return self.product - self.target * self.reference / self.samples

    def residual_mean(self, beta: float) -> float:
        """Mean of target − β · reference."""
        return (self.target - beta * self.reference) / self.samples

    def residual_variance(self, beta: float) -> float:
        """Variance of target − β · reference, with n − 1."""
        target_deviation = self.target_squared - self.target**2 / self.samples
        squares = target_deviation - 2 * beta * self.co_deviation
        squares += beta**2 * self.reference_deviation
        return max(squares, 0.0) / (self.samples - 1)


def adjusted_gap(members: Moments, controls: Moments) -> tuple[float, float, float, float]:
    """Calibrated score with the reference as a covariate (method: raw scores, adjusted gap).

    Returns:
        The gap, the low and high end of its 95 % interval, and the slope β; nan where a group has
        fewer than two samples.
    """
    if min(members.samples, controls.samples) < 2:
        return np.nan, np.nan, np.nan, np.nan
    beta = regression_slope(members, controls)
    gap = members.residual_mean(beta) - controls.residual_mean(beta)
    variance = members.residual_variance(beta) / members.samples
    variance += controls.residual_variance(beta) / controls.samples
    half = NORMAL_QUANTILE * float(np.sqrt(variance))
    return gap, gap - half, gap + half, beta


def regression_slope(members: Moments, controls: Moments) -> float:
    """Least-squares slope β of target on reference within the groups; 0 without variation."""
    deviation = members.reference_deviation + controls.reference_deviation
    # Sums of squares carry rounding noise: a reference that is the same everywhere has no slope.
    noise = 1e-12 * max(members.reference_squared + controls.reference_squared, 1e-300)
    if deviation <= noise:
        return 0.0
    return (members.co_deviation + controls.co_deviation) / deviation
