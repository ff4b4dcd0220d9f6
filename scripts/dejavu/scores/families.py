"""Many scores at once: p-values and intervals that hold for all of a family (method: many rows)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dejavu.scores.intervals import LEVEL, MOST_FREEDOM, Centred, Ends

Floats = NDArray[np.float64]

DRAWS = 40_000
KEY = 20_240_601


def holm(p_values: ArrayLike) -> Floats:
    """p-values corrected for their number (Holm 1979), float64 [n]; nan where there is none."""
    p_values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_values)[: np.count_nonzero(~np.isnan(p_values))]
    factors = len(order) - np.arange(len(order))
    corrected = np.full(len(p_values), np.nan)
    corrected[order] = np.maximum.accumulate(np.minimum(1.0, p_values[order] * factors))
    return corrected


def correlation(covariance: Floats) -> Floats:
    """Correlations of estimates [n, n] from covariances; 0 where an estimate has no variance."""
    deviations = np.sqrt(np.maximum(np.diag(covariance), 0))
    scale = np.where(deviations > 0, 1 / np.where(deviations > 0, deviations, 1), 0)
    found = covariance * scale[:, None] * scale
    np.fill_diagonal(found, 1.0)
    return found


def largest_quantile(correlations: Floats, freedom: float, level: float = LEVEL) -> float:
    """Quantile of the largest |t| of a multivariate t, drawn with a fixed key.

    Args:
        correlations: [n, n] of the estimates.
        freedom: degrees of freedom of all.
        level: how often some |t| may be larger.
    """
    rng = np.random.default_rng(KEY)
    values, vectors = np.linalg.eigh(correlations)
    root = vectors * np.sqrt(np.maximum(values, 0))
    largest = np.abs(rng.standard_normal((DRAWS, len(root))) @ root.T).max(axis=1)
    if freedom < MOST_FREEDOM:
        largest /= np.sqrt(rng.chisquare(freedom, DRAWS) / freedom)
    return float(np.quantile(largest, 1 - level))


def simultaneous(estimates: Sequence[Centred], covariance: Floats) -> list[Ends]:
    """Intervals that hold for all estimates at once, 95 %.

    Args:
        estimates: at least one, of the same samples under different settings.
        covariance: of the estimates, [n, n], from which their correlation is taken.
    """
    freedom = min(float(each.freedom) for each in estimates)
    largest = largest_quantile(correlation(covariance), freedom)
    return [
        (float(each.centre - largest * each.error), float(each.centre + largest * each.error))
        for each in estimates
    ]


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """q-values, float64 [n]: those at most q are false in at most q of cases on average.

    Source: Benjamini & Hochberg 1995, J. R. Statist. Soc. B 57:289.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    # In place: sets of millions are ranked here.
    ranked = p[order]
    ranked *= len(p)
    ranked /= np.arange(1, len(p) + 1)
    np.minimum.accumulate(ranked[::-1], out=ranked[::-1])
    np.minimum(ranked, 1.0, out=ranked)
    corrected = np.empty(len(p))
    corrected[order] = ranked
    return corrected
