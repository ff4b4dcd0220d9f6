"""The adjusted gap by an explicit regression over samples."""

import numpy as np
from scipy import stats


def explicit(members, controls, ends):
    """Adjusted gap with its interval and p-value, by a weighed regression with HC2 errors.

    Args:
        members: t (or a difference of two results) and g of the members.
        controls: likewise.
        ends: the least and the largest t that there can be, at which the pseudo-samples lie.
    """
    pairs = [(float(end), g) for end in ends for g in (0.0, 1.0)]
    pseudo_t, pseudo_g = np.array(pairs).T
    (t, g), (u, h) = members, controls
    slope, level = np.polyfit(h, u, 1)
    value = np.mean(t - slope * g - level)
    weights = np.concatenate([np.ones(len(u)), np.full(4, 0.5)])
    u, h = np.concatenate([u, pseudo_t]), np.concatenate([h, pseudo_g])
    design = np.stack([np.ones(len(h)), h], axis=1)
    inverse = np.linalg.inv(design.T @ (weights[:, None] * design))
    fitted = inverse @ design.T @ (weights * u)
    residuals = u - design @ fitted
    leverage = weights * np.einsum("ni,ij,nj->n", design, inverse, design)
    meat = design.T @ ((weights * residuals**2 / (1 - leverage))[:, None] * design)
    own = np.concatenate([np.ones(len(t)), np.full(4, 0.5)])
    t, g = np.concatenate([t, pseudo_t]), np.concatenate([g, pseudo_g])
    size, controls_size = own.sum(), weights.sum()
    at = np.array([1.0, own @ g / size])
    rest = t - fitted[1] * g
    centre = own @ rest / size - fitted[0]
    spread = own @ (rest - own @ rest / size) ** 2 / (size * (size - 1))
    line = at @ inverse @ meat @ inverse @ at
    freedom = (spread + line) ** 2 / (spread**2 / (size - 3) + line**2 / (controls_size - 4))
    error = np.sqrt(spread + line)
    reach = stats.t.ppf(0.975, freedom) * error
    p_value = 2 * stats.t.sf(abs(centre / error), freedom)
    return value, centre - reach, centre + reach, slope, p_value
