"""Bootstraps, exact tests and the adjusted gap, against textbook formulas."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.scores import intervals
from dejavu.scores.intervals import Moments


def test_random_numbers_depend_on_their_names_alone():
    def first(*names):
        return intervals.generator(*names).random()

    assert first("a", 1) == first("a", 1)
    assert len({first("a", 1), first("a", 2), first("b", 1), first("a"), first(1, "a")}) == 5


def test_counts_are_those_of_resampled_samples():
    counts = [60, 0, 25, 15]
    drawn = intervals.multinomial_counts(counts, 20_000, np.random.default_rng(0))
    assert drawn.shape == (20_000, 4)
    assert (drawn.sum(axis=1) == 100).all()
    share = np.array(counts) / 100
    np.testing.assert_allclose(drawn.mean(axis=0), counts, atol=0.15)
    np.testing.assert_allclose(drawn.var(axis=0), 100 * share * (1 - share), rtol=0.05)
    covariance = np.cov(drawn[:, 0], drawn[:, 2])[0, 1]
    assert covariance == pytest.approx(-100 * 0.6 * 0.25, rel=0.1)


def test_means_of_discrete_values_vary_as_means_do():
    values, counts = [-1.0, 0.0, 1.0], [20, 30, 50]
    means = intervals.multinomial_means(values, counts, 40_000, np.random.default_rng(1))
    assert means.mean() == pytest.approx(0.3, abs=0.002)
    assert means.std() == pytest.approx(math.sqrt((0.7 - 0.09) / 100), rel=0.02)
    several = np.stack([values, np.square(values)], axis=1)
    both = intervals.multinomial_means(several, counts, 40_000, np.random.default_rng(1))
    np.testing.assert_array_equal(both[:, 0], means)
    assert both[:, 1].mean() == pytest.approx(0.7, abs=0.002)


def test_no_samples_have_no_mean():
    rng = np.random.default_rng(0)
    assert np.isnan(intervals.multinomial_means([1.0, 2.0], [0, 0], 5, rng)).all()
    assert intervals.multinomial_means(np.empty((0, 3)), [], 5, rng).shape == (5, 3)


def test_seeds_are_drawn_with_replacement():
    weights = intervals.seed_weights(3, 30_000, np.random.default_rng(0))
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    # Of 27 draws of three seeds 3 take one seed alone, 18 take two and 6 take all.
    used = np.count_nonzero(weights, axis=1)
    shares = [np.mean(used == number) for number in (1, 2, 3)]
    np.testing.assert_allclose(shares, [3 / 27, 18 / 27, 6 / 27], atol=0.01)
    assert (intervals.seed_weights(1, 10, np.random.default_rng(0)) == 1).all()


def test_percentiles_leave_out_the_same_share_at_both_ends():
    assert intervals.percentile(np.arange(1001.0)) == pytest.approx((25.0, 975.0))
    assert intervals.percentile(np.arange(1001.0), 0.99) == pytest.approx((5.0, 995.0))


@given(st.integers(0, 40), st.integers(0, 40))
def test_p_values_are_those_of_the_binomial_distribution(wins, losses):
    trials = wins + losses
    chances = [math.comb(trials, heads) / 2**trials for heads in range(trials + 1)]
    extreme = sum(each for each in chances if each <= chances[wins] * (1 + 1e-9))
    assert intervals.binomial_p_value(wins, losses) == pytest.approx(min(1.0, extreme))


RESULTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 3)), min_size=1, max_size=12
)


@given(RESULTS)
def test_moments_add_up_and_give_means_and_variances(rows):
    target, reference, counts = (np.array(column) for column in zip(*rows, strict=True))
    target, reference = target / 4, reference / 4
    whole = Moments.of(target, reference, counts)
    parts = [Moments.of([t], [g], [n]) for t, g, n in zip(target, reference, counts, strict=True)]
    total = sum(parts[1:], start=parts[0])
    t, g = np.repeat(target, counts), np.repeat(reference, counts)
    for moments in (whole, total, Moments.of(t, g)):
        assert moments.samples == len(t)
        assert moments.reference_deviation == pytest.approx(len(g) * np.var(g), abs=1e-9)
        deviations = np.sum((t - t.mean()) * (g - g.mean()))
        assert moments.co_deviation == pytest.approx(deviations, abs=1e-9)
        for beta in (0.0, 0.7, -2.0):
            assert moments.residual_mean(beta) == pytest.approx(np.mean(t - beta * g), abs=1e-9)
            if len(t) > 1:
                variance = np.var(t - beta * g, ddof=1)
                assert moments.residual_variance(beta) == pytest.approx(variance, abs=1e-9)


def test_a_reference_that_explains_the_target_is_taken_out():
    rng = np.random.default_rng(2)
    g1, g2 = rng.random(2000) + 0.4, rng.random(1500)
    # Members are 0.1 better beyond what the reference, which is better on them too, explains.
    t1 = 0.5 * g1 + 0.1 + 0.05 * rng.normal(size=2000)
    t2 = 0.5 * g2 + 0.05 * rng.normal(size=1500)
    gap, low, high, beta = intervals.adjusted_gap(Moments.of(t1, g1), Moments.of(t2, g2))
    assert beta == pytest.approx(0.5, abs=0.01)
    assert low < 0.1 < high
    assert gap == pytest.approx(0.1, abs=0.01)
    assert high - low == pytest.approx(2 * 1.96 * 0.05 * math.sqrt(1 / 2000 + 1 / 1500), rel=0.05)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1.0])
def test_a_reference_that_never_varies_is_ignored(value):
    t1, t2 = np.array([1, 0.5, 0, 1] * 17), np.array([0, 0.5, 0.5] * 7)
    members = Moments.of(t1, np.full(len(t1), value))
    controls = Moments.of(t2, np.full(len(t2), value))
    gap, low, high, beta = intervals.adjusted_gap(members, controls)
    assert beta == 0
    assert gap == pytest.approx(t1.mean() - t2.mean())
    half = 1.96 * math.sqrt(np.var(t1, ddof=1) / 68 + np.var(t2, ddof=1) / 21)
    assert (low, high) == pytest.approx((gap - half, gap + half))


def test_adjusted_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(2000):
        groups = []
        for size, shift in ((60, 0.1), (40, 0.0)):
            g = rng.random(size)
            groups.append(Moments.of(0.4 * g + shift + 0.3 * rng.random(size), g))
        _, low, high, _ = intervals.adjusted_gap(*groups)
        covered += low <= 0.1 <= high
    assert 0.925 <= covered / 2000 <= 0.965


def test_a_single_sample_has_no_adjusted_gap():
    many, one = Moments.of([0, 1, 1], [0, 1, 0]), Moments.of([1], [0])
    for pair in ((one, many), (many, one)):
        assert np.isnan(intervals.adjusted_gap(*pair)).all()


def test_more_samples_give_narrower_intervals():
    widths = []
    for size in (50, 200, 800):
        rng = np.random.default_rng(4)
        draws = intervals.multinomial_means([-1, 0, 1], np.array([1, 2, 2]) * size // 5, 4000, rng)
        low, high = intervals.percentile(draws)
        widths.append(high - low)
    assert all(first == pytest.approx(2 * second, rel=0.1) for first, second in pairwise(widths))


@pytest.mark.parametrize(("right", "of"), [(0, 7), (5, 10), (313, 400), (9, 9)])
def test_the_score_interval_ends_where_the_score_test_rejects(right, of):
    """A proportion is inside as long as the observed one is within 1.96 of its standard errors."""
    low, high = intervals.wilson(right, of)
    assert 0 <= low <= right / of <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            assert abs(right / of - end) == pytest.approx(1.96 * np.sqrt(end * (1 - end) / of))
    assert np.isnan(intervals.wilson(0, 0)).all()
