"""Gaps adjusted for a shift, against explicit weighed regressions of single samples."""

import numpy as np
import pytest
from scipy import stats

from dejavu.scores import intervals, shift
from dejavu.scores.intervals import Levels, Moments

PSEUDO = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]


def padded(values, covariates):
    """The samples and four of weight one half, at the mean of all covariates but the first."""
    more = np.tile(covariates.mean(axis=0), (4, 1))
    more[:, 0] = [g for _, g in PSEUDO]
    weights = np.concatenate([np.ones(len(values)), np.full(4, 0.5)])
    t = np.concatenate([values, [t for t, _ in PSEUDO]])
    return t, np.concatenate([covariates, more]), weights


def least_squares(values, covariates, weights):
    """Design, inverse and coefficients of a weighed regression with a level."""
    design = np.column_stack([np.ones(len(values)), covariates])
    inverse = np.linalg.inv(design.T @ (weights[:, None] * design))
    return design, inverse, inverse @ design.T @ (weights * values)


def within(clusters):
    """For samples and the pseudo-samples, which two are of one cluster."""
    numbers = np.concatenate([clusters, clusters.max() + 1 + np.arange(4)])
    return (numbers[:, None] == numbers).astype(float)


def explicit(members, controls, clusters=None):
    """Value, ends of the interval and bias bound of t given g and scores."""
    (t, x), (u, y) = members, controls
    same = [within(each) for each in clusters or (np.arange(len(t)), np.arange(len(u)))]
    *_, coefficients = least_squares(u, y, np.ones(len(u)))
    value = np.mean(t - x @ coefficients[1:]) - coefficients[0]
    bias = (x.mean(axis=0) - y.mean(axis=0))[1:] @ coefficients[2:]
    sizes = len(t), len(u)
    (t, x, own), (u, y, weights) = padded(t, x), padded(u, y)
    design, inverse, coefficients = least_squares(u, y, weights)
    residuals = u - design @ coefficients
    leverage = weights * np.einsum("ni,ij,nj->n", design, inverse, design)
    parts = (np.sqrt(weights) * residuals)[:, None] * design
    meat = parts.T @ (same[1] / (1 - same[1] @ leverage)) @ parts
    covariance = inverse @ meat @ inverse
    at = np.concatenate([[1.0], own @ x / own.sum()])
    rest = t - x @ coefficients[1:]
    centre = own @ rest / own.sum() - coefficients[0]
    rest = np.sqrt(own) * (rest - own @ rest / own.sum())
    spread = rest @ same[0] @ rest / (own.sum() * (own.sum() - 1))
    line = at @ covariance @ at
    number = x.shape[1] - 1
    freedom = (spread + line) ** 2 / (
        spread**2 / (sizes[0] - 1) + line**2 / (sizes[1] - 2 - number)
    )
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(spread + line)
    distance = at - weights @ design / weights.sum()
    distance[:2] = 0
    variance = distance @ covariance @ distance
    for scores, size, together in ((x, sizes[0], same[0]), (y, sizes[1], same[1])):
        of_scores = scores[:size, 1:] @ coefficients[2:]
        of_scores -= of_scores.mean()
        variance += of_scores @ together[:size, :size] @ of_scores / size**2
    bound = abs(bias) + stats.norm.ppf(0.975) * np.sqrt(variance)
    return value, centre - reach, centre + reach, bound


def samples(rng, size, lean):
    """Vectors whose mean leans, and three settings' results in tenths."""
    vectors = rng.normal(size=(size, 6)) * [3, 2, 1, 1, 0.5, 0.1]
    vectors[:, 1] += lean
    chance = 1 / (1 + np.exp(-0.5 * vectors[:, [1]] - [-1.0, 0.0, 0.5]))
    t, g = (rng.binomial(10, chance) / 10 for _ in range(2))
    return vectors, t, g


def shards_of(group, parts=3):
    return zip(*(np.array_split(each, parts) for each in group), strict=True)


def scored(members, controls, most=None, replicates=1, clusters=(None, None)):
    """`Shifted` of all columns, from shards where samples have no clusters."""
    sums = []
    for group, cluster in zip((members, controls), clusters, strict=True):
        parts = [(*group, cluster)] if cluster is not None else shards_of(group)
        first, *rest = (shift.Sums.of(*part) for part in parts)
        sums.append(sum(rest, start=first))
    fitted = shift.Shift.of(*sums, most)
    spreads = []
    for group, is_member, cluster in zip((members, controls), (True, False), clusters, strict=True):
        parts = [group] if cluster is not None else shards_of(group)
        first, *rest = (
            shift.spread_of(fitted, *part, replicates, is_member, cluster) for part in parts
        )
        spreads.append(sum(rest, start=first))
    return fitted, shift.shifted(fitted, *spreads, replicates)


@pytest.mark.parametrize("most", [None, 1, 3, 6])
def test_it_is_the_regression_on_the_reference_and_the_components(most):
    rng = np.random.default_rng(0)
    members, controls = samples(rng, 90, 0.5), samples(rng, 70, 0.0)
    fitted, found = scored(members, controls, most)
    both = np.concatenate([members[0], controls[0]])
    axes = np.linalg.eigh(np.cov(both.T)).eigenvectors
    number = most or 6
    assert fitted.number == number
    axes = axes[:, ::-1][:, :number]
    for column, result in enumerate(found):
        sides = [
            (t[:, column], np.column_stack([g[:, column], vectors @ axes]))
            for vectors, t, g in (members, controls)
        ]
        [gap], [bound] = result.gaps, result.bounds
        assert [gap.value, *gap.ends(), bound] == pytest.approx(explicit(*sides), rel=1e-9)


def test_without_components_it_is_the_adjusted_gap():
    rng = np.random.default_rng(1)
    members, controls = samples(rng, 60, 0.5), samples(rng, 40, 0.0)
    _, found = scored(members, controls, most=0)
    for column, result in enumerate(found):
        (t, g), (u, h) = ((t[:, column], g[:, column]) for _, t, g in (members, controls))
        same = h == np.arange(11)[:, None] / 10
        levels = Levels(np.arange(11) / 10, same.sum(1), same @ u, same @ u**2)
        plain = intervals.adjusted_gap(Moments.of(t, g), Moments.of(u, h), levels)
        [gap] = result.gaps
        assert [gap.value, *gap.ends()] == pytest.approx([plain.value, *plain.ends()])
        assert result.bounds == [0.0]


def test_no_more_components_than_a_fifth_of_the_controls():
    rng = np.random.default_rng(2)
    fitted, _ = scored(samples(rng, 60, 0.5), samples(rng, 19, 0.0), most=6)
    assert fitted.number == 3


def test_of_captions_of_images_a_component_has_five_images():
    rng = np.random.default_rng(12)
    members, controls = samples(rng, 60, 0.5), samples(rng, 60, 0.0)
    images = np.arange(60) // 4
    fitted, _ = scored(members, controls, clusters=(None, images))
    assert fitted.number == 3


def test_clusters_take_the_place_of_samples_with_the_leverage_that_theirs_have_together():
    rng = np.random.default_rng(13)
    members, controls = samples(rng, 80, 0.5), samples(rng, 60, 0.0)
    images = np.arange(80) // 2, np.arange(60) // 3
    _, found = scored(members, controls, most=2, clusters=images)
    both = np.concatenate([members[0], controls[0]])
    axes = np.linalg.eigh(np.cov(both.T)).eigenvectors[:, :3:-1]
    for column, result in enumerate(found):
        sides = [
            (t[:, column], np.column_stack([g[:, column], vectors @ axes]))
            for vectors, t, g in (members, controls)
        ]
        [gap], [bound] = result.gaps, result.bounds
        assert [gap.value, *gap.ends(), bound] == pytest.approx(explicit(*sides, images), rel=1e-9)


def test_a_reference_that_does_not_vary_has_no_slope():
    rng = np.random.default_rng(3)
    members, controls = samples(rng, 60, 0.5), samples(rng, 40, 0.0)
    constant = [(vectors, t, np.full_like(g, 0.5)) for vectors, t, g in (members, controls)]
    fitted, found = scored(*constant, most=2)
    (vectors, t, _), (others, u, _) = constant
    coefficients = np.linalg.lstsq(
        np.column_stack([np.ones(len(others)), others @ fitted.axes]), u, rcond=None
    )[0]
    expected = (t - vectors @ fitted.axes @ coefficients[1:]).mean(axis=0) - coefficients[0]
    assert [each.gaps[0].value for each in found] == pytest.approx(expected)
    assert all(np.isfinite(each.gaps[0].error) for each in found)


def test_offsets_and_scales_of_the_vectors_change_nothing():
    rng = np.random.default_rng(4)
    members, controls = samples(rng, 60, 0.5), samples(rng, 40, 0.0)
    _, plain = scored(members, controls)
    for scale, offset in ((1e-3, 0.0), (1e3, 0.0), (1.0, 100.0)):
        moved = [(scale * vectors + offset, t, g) for vectors, t, g in (members, controls)]
        for one, other in zip(plain, scored(*moved)[1], strict=True):
            assert other.gaps[0].ends() == pytest.approx(one.gaps[0].ends(), rel=1e-6)
            assert other.bounds == pytest.approx(one.bounds, rel=1e-6)


def test_clusters_of_copies_are_as_good_as_one_sample():
    rng = np.random.default_rng(5)
    groups = samples(rng, 400, 0.5), samples(rng, 400, 0.0)
    _, single = scored(*groups)
    copied = [tuple(np.repeat(each, 3, axis=0) for each in group) for group in groups]
    _, found = scored(*copied, clusters=(np.repeat(np.arange(400), 3),) * 2)
    for one, other in zip(single, found, strict=True):
        assert other.gaps[0].value == pytest.approx(one.gaps[0].value)
        assert other.gaps[0].error == pytest.approx(one.gaps[0].error, rel=0.05)
        assert other.bounds == pytest.approx(one.bounds, rel=0.05)


def test_replicates_are_pooled_with_the_covariance_of_their_samples():
    rng = np.random.default_rng(6)
    members, controls = samples(rng, 200, 0.5), samples(rng, 150, 0.0)
    # The same replicate thrice: what they share is all of the variance.
    same = [(vectors, t[:, [0, 0, 0]], g[:, [0, 0, 0]]) for vectors, t, g in (members, controls)]
    _, [found] = scored(*same, replicates=3)
    pooled, single = found.pooled([0, 1, 2]), found.pooled([1])
    assert pooled.value == pytest.approx(single.value)
    assert pooled.error == pytest.approx(single.error, rel=0.05)
    assert found.pooled([0, 1]) is None


def captions_of(rng, images, each, lean, memory):
    """Captions of images, which share scene and chance: vectors, t and g, and their images."""
    clusters = np.repeat(np.arange(images), each)
    vectors = (rng.normal(size=(images, 12)) + lean)[clusters]
    vectors += rng.normal(scale=0.5, size=vectors.shape)
    chance = rng.normal(size=(2, images))[:, clusters] + rng.normal(size=(2, len(clusters)))
    g = vectors[:, 0] + chance[0]
    t = memory + g / 2 + vectors.mean(axis=1) + chance[1]
    return (vectors, t[:, None], g[:, None]), clusters


def test_intervals_cover_the_truth_where_captions_share_few_images():
    rng = np.random.default_rng(1)
    worlds, covered, covered_as_single = 300, 0, 0
    for _ in range(worlds):
        members, of_members = captions_of(rng, 200, 2, 0.3, 0.5)
        controls, of_controls = captions_of(rng, 60, 5, 0.0, 0.0)
        _, [found] = scored(members, controls, clusters=(of_members, of_controls))
        low, high = found.gaps[0].ends()
        covered += low <= 0.5 <= high
        _, [found] = scored(members, controls)
        low, high = found.gaps[0].ends()
        covered_as_single += low <= 0.5 <= high
    # Two standard errors below what is promised.
    assert covered / worlds >= 0.925 and covered_as_single / worlds < 0.85
