"""Crops of a control set, weighed class by class as the members' classes are (method: intervals).

Sets of images are drawn class by class, so that control may have other shares of classes than the
members. Weighed crops are worth as many as their effective number, one over the sum of the squared
weights (Kish 1965).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dejavu.scores import intervals
from dejavu.scores.intervals import (
    NORMAL_QUANTILE,
    PSEUDO_PAIRS,
    PSEUDO_SAMPLES,
    PSEUDO_WEIGHT,
    Centred,
)
from dejavu.scores.shift import inverse_of

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def class_weights(members: Codes, controls: Codes) -> tuple[Bools, Floats]:
    """Weigh each control crop so that classes have the members' shares.

    Args:
        members: class of each member, int64 [n], from 0.
        controls: of each control crop, int64 [m].

    Returns:
        Which members' classes have any control crop, bool [n], and the weights of the control
        crops, float64 [m], which add up to 1; 0 where a class has no member.
    """
    classes = int(max(members.max(initial=-1), controls.max(initial=-1))) + 1
    known = np.bincount(controls, minlength=classes)
    matched = known[members] > 0
    number = max(int(np.count_nonzero(matched)), 1)
    shares = np.bincount(members[matched], minlength=classes) / number
    return matched, (shares / np.maximum(known, 1))[controls]


def equal_weights(samples: int) -> Floats:
    """Weights of samples that weigh the same."""
    return np.full(samples, 1 / samples) if samples else np.empty(0)


def effective(weights: Floats) -> float:
    """How many samples of equal weight weighed ones are worth; 0 without any."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def weighed_mean(values: Floats, weights: Floats) -> Centred:
    """Mean of values from −1 to 1 of weighed samples [n]."""
    size = effective(weights)
    return intervals.mean_of(
        size, size * float(weights @ values), size * float(weights @ values**2)
    )


@dataclass(frozen=True)
class WeighedGap(Centred):
    """An adjusted gap with its slope, and what each crop adds to the deviation from the truth.

    Attributes:
        beta: the slope of t on g within control's classes.
        own_variance: the part of the variance that is the members'.
        member_parts: float64 [n].
        control_parts: float64 [m].
    """

    beta: float = 0.0
    own_variance: float = 0.0
    member_parts: Any = None
    control_parts: Any = None


def adjusted_gap(
    members: tuple[Floats, Floats],
    controls: tuple[Floats, Floats],
    classes: Codes,
    weights: Floats,
) -> WeighedGap:
    """The adjusted gap of members, with a slope within classes, pooled over control's classes.

    The slope has an HC2 variance; the four pseudo-samples are a class of their own.

    Args:
        members: results t and g of the target and of the reference, float64 [n] each.
        controls: likewise, float64 [m] each.
        classes: of the controls, int64 [m].
        weights: of the controls, as of `class_weights`.
    """
    (t, g), (u, h) = members, controls
    return shifted_gap((t, g[:, None]), (u, h[:, None]), classes, weights)[0]


def shifted_gap(
    members: tuple[Floats, Floats],
    controls: tuple[Floats, Floats],
    classes: Codes,
    weights: Floats,
) -> tuple[WeighedGap, float]:
    """The same with further covariates beside g, and how far their shift may have moved a gap.

    Args:
        members: t, float64 [n], and covariates of which g is the first, float64 [n, p].
        controls: likewise.
        classes: of the controls, int64 [m].
        weights: of the controls, as of `class_weights`.

    Returns:
        The gap, and the bias bound.
    """
    (t, x), (u, y) = members, controls
    own = np.bincount(classes)
    left, within = _within(u[:, None], classes)[:, 0], _within(y, classes)
    reference = y[:, 0]
    if within[:, 0] @ within[:, 0] <= 1e-12 * max(float(reference @ reference), 1e-300):
        within[:, 0] = 0
    products, with_t = within.T @ within, within.T @ left
    slopes = inverse_of(products) @ with_t
    # The pseudo-samples lie at the means of all covariates but g.
    reach = x.mean(axis=0) - weights @ y
    x, y = x.copy(), y.copy()
    x[:, 1:] -= x[:, 1:].mean(axis=0)
    y[:, 1:] -= weights @ y[:, 1:]
    bias = float(reach[1:] @ slopes[1:])
    value = float((t - x @ slopes).mean() - weights @ (u - y @ slopes)) - bias
    # Their deviations from their means are ±½, and their products cancel.
    products[0, 0] += PSEUDO_WEIGHT
    inverse = inverse_of(products)
    line = inverse @ with_t
    sizes = len(t), effective(weights)
    sides = [
        _with_pseudo_samples(size, share, one - other @ line, other[:, 0], line[0])
        for size, share, one, other in (
            (sizes[0], equal_weights(len(t)), t, x),
            (sizes[1], weights, u, y),
        )
    ]
    (mean, error, at), (control_mean, control_error, control_at) = sides
    reach[0] = at - control_at
    leverage = 1 / own[classes] + ((within @ inverse) * within).sum(axis=1)
    free = np.where(leverage < 1 - 1e-9, 1 - leverage, 1.0)
    pseudo = PSEUDO_PAIRS[:, 2] - 0.5
    residuals = left - within @ line
    pseudo_residuals = PSEUDO_PAIRS[:, 1] - 0.5 - line[0] * pseudo
    pseudo_free = 1 - PSEUDO_WEIGHT * (0.5 + pseudo**2 * inverse[0, 0])

    def of_slopes(direction: Floats) -> tuple[Floats, float]:
        """What each control adds to the slopes in a direction, and their variance."""
        factors = inverse @ direction
        parts = (within @ factors) * residuals
        pseudo_parts = factors[0] * pseudo * pseudo_residuals
        variance = float((parts**2 / free).sum())
        return parts, variance + float((PSEUDO_WEIGHT * pseudo_parts**2 / pseudo_free).sum())

    slope_parts, of_slope = of_slopes(reach)
    level_parts = weights * (u - y @ line - control_mean)
    of_line = control_error**2 + of_slope
    of_line = max(of_line + 2 * float(level_parts @ slope_parts), control_error**2)
    further = x.shape[1] - 1
    freedom = (error**2 + of_line) ** 2 / (
        error**4 / max(sizes[0] - 1, 1) + of_line**2 / max(sizes[1] - 2 - further, 1)
    )
    gap = WeighedGap(
        value,
        mean - control_mean - float(reach[1:] @ line[1:]),
        float(np.sqrt(error**2 + of_line)),
        freedom,
        beta=float(slopes[0]),
        own_variance=error**2,
        member_parts=(t - x @ line - mean) / len(t),
        control_parts=-(level_parts + slope_parts),
    )
    reach[0] = 0
    _, of_bias = of_slopes(reach)
    of_bias += float(np.mean((x[:, 1:] @ line[1:]) ** 2)) / sizes[0]
    of_bias += float(weights @ (y[:, 1:] @ line[1:]) ** 2) / max(sizes[1], 1)
    return gap, abs(bias) + NORMAL_QUANTILE * float(np.sqrt(of_bias))


def _within(columns: Floats, classes: Codes) -> Floats:
    """Columns [m, p] minus the means of their classes."""
    own = np.maximum(np.bincount(classes), 1)
    means = [np.bincount(classes, weights=column) / own for column in columns.T]
    return columns - np.stack(means, axis=1)[classes]


def _with_pseudo_samples(
    size: float, weights: Floats, residuals: Floats, reference: Floats, line: float
) -> tuple[float, float, float]:
    """Mean of t − β · g with its standard error, and the mean of g, with the pseudo-samples."""
    pseudo = PSEUDO_PAIRS[:, 1] - line * PSEUDO_PAIRS[:, 2]
    whole = size + PSEUDO_SAMPLES
    mean = (size * float(weights @ residuals) + PSEUDO_WEIGHT * float(pseudo.sum())) / whole
    squares = size * float(weights @ (residuals - mean) ** 2)
    squares += PSEUDO_WEIGHT * float(((pseudo - mean) ** 2).sum())
    reach = (size * float(weights @ reference) + 1) / whole
    return mean, float(np.sqrt(squares / (whole * (whole - 1)))), reach
