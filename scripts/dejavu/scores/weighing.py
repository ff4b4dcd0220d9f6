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
from dejavu.scores.intervals import PSEUDO_PAIRS, PSEUDO_SAMPLES, PSEUDO_WEIGHT, Centred

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
        member_parts: float64 [n].
        control_parts: float64 [m].
    """

    beta: float = 0.0
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
    own = np.bincount(classes)
    within_u, within_h = (
        each - (np.bincount(classes, weights=each) / np.maximum(own, 1))[classes] for each in (u, h)
    )
    product, spread = float(within_u @ within_h), float(within_h @ within_h)
    beta = product / spread if spread > 1e-12 * max(float(h @ h), 1e-300) else 0.0
    value = float((t - beta * g).mean() - weights @ (u - beta * h))
    # The pseudo-samples' deviations from their means are ±½, and their products cancel.
    spread += PSEUDO_WEIGHT
    line = product / spread
    sizes = len(t), effective(weights)
    sides = [
        _with_pseudo_samples(size, share, one - line * other, other, line)
        for size, share, one, other in (
            (sizes[0], equal_weights(len(t)), t, g),
            (sizes[1], weights, u, h),
        )
    ]
    (mean, error, reach), (control_mean, control_error, control_reach) = sides
    distance = reach - control_reach
    slope_parts = within_h * (within_u - line * within_h) / spread
    level_parts = weights * (u - line * h - control_mean)
    leverage = 1 / own[classes] + within_h**2 / spread
    free = np.where(leverage < 1 - 1e-9, 1 - leverage, 1.0)
    pseudo = PSEUDO_PAIRS[:, 2] - 0.5
    pseudo_parts = pseudo * (PSEUDO_PAIRS[:, 1] - 0.5 - line * pseudo) / spread
    pseudo_free = 1 - PSEUDO_WEIGHT * (0.5 + pseudo**2 / spread)
    of_slope = float((slope_parts**2 / free).sum())
    of_slope += float((PSEUDO_WEIGHT * pseudo_parts**2 / pseudo_free).sum())
    of_line = control_error**2 + distance**2 * of_slope
    of_line = max(of_line + 2 * distance * float(level_parts @ slope_parts), control_error**2)
    freedom = (error**2 + of_line) ** 2 / (
        error**4 / max(sizes[0] - 1, 1) + of_line**2 / max(sizes[1] - 2, 1)
    )
    return WeighedGap(
        value,
        mean - control_mean,
        float(np.sqrt(error**2 + of_line)),
        freedom,
        beta=beta,
        member_parts=(t - line * g - mean) / len(t),
        control_parts=-(level_parts + distance * slope_parts),
    )


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
