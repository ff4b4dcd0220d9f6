"""Closed forms of intervals, against textbook examples, sample-by-sample sums and matrices."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.scores import intervals
from dejavu.scores.intervals import (
    Average,
    Centred,
    Clusters,
    Difference,
    Levels,
    Moments,
    Proportion,
)

Z = 1.959963984540054
COUNTS = st.integers(0, 40)


@pytest.mark.parametrize("freedom", [2, 7.5, 40, np.inf])
@pytest.mark.parametrize("level", [0.5, 0.05, 1e-12])
def test_quantiles_and_tails_undo_each_other(level, freedom):
    found = intervals.quantile(level, freedom)
    assert intervals.tail(found, freedom) == pytest.approx(level, rel=1e-6)
    assert intervals.tail(-found, freedom) == pytest.approx(level, rel=1e-6)


def test_quantiles_are_those_of_the_tables():
    assert intervals.quantile(0.05) == pytest.approx(Z)
    assert intervals.quantile(0.05, 2) == pytest.approx(4.303, abs=5e-4)
    assert intervals.quantile(0.01, [10, np.inf]) == pytest.approx([3.169, 2.576], abs=5e-4)


def one_set(wins, losses, ties):
    return intervals.mean_of(wins + losses + ties, wins - losses, wins + losses)


def test_wins_and_losses_by_hand():
    # 13 wins, no loss, 2 ties: 14 and 1 of 17.
    low, high = one_set(13, 0, 2).ends()
    centre, half = 13 / 17, Z * math.sqrt((15 / 17 - (13 / 17) ** 2) / 17)
    assert (low, high) == pytest.approx((centre - half, min(1.0, centre + half)))


@given(COUNTS, COUNTS, COUNTS)
def test_the_interval_contains_the_score_and_has_a_width(wins, losses, ties):
    if wins + losses + ties == 0:
        assert np.isnan(one_set(0, 0, 0).ends()[0])
        return
    found = one_set(wins, losses, ties)
    low, high = found.ends()
    assert -1 <= low <= found.value + 1e-12 and found.value - 1e-12 <= high <= 1
    assert high - low > 1e-3
    assert found.value == (wins - losses) / (wins + losses + ties)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from([-1.0, 0.0]))
def test_a_mean_is_that_of_the_samples_and_two_pseudo_samples(values, least):
    values = np.array(values) * (1 - least) + least
    found = intervals.mean_of(len(values), values.sum(), (values**2).sum(), least)
    extended = np.concatenate([values, [least, 1]])
    mean, spread = extended.mean(), extended.var()
    assert found.value == pytest.approx(values.mean(), abs=1e-12)
    assert found.centre == pytest.approx(mean, abs=1e-12)
    assert found.error == pytest.approx(math.sqrt(spread / len(extended)), abs=1e-9)


@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 4)), min_size=1, max_size=30))
def test_clusters_take_the_samples_place_in_the_variance(rows):
    values, numbers = (np.array(column) for column in zip(*rows, strict=True))
    sums = [values[numbers == number].sum() for number in range(5)]
    sizes = [np.count_nonzero(numbers == number) for number in range(5)]
    clusters = Clusters(
        sum(s * s for s in sums),
        sum(m * s for m, s in zip(sizes, sums, strict=True)),
        sum(m * m for m in sizes),
    )
    n = len(values)
    found = intervals.mean_of(n, values.sum(), (values**2).sum(), clusters=clusters)
    centre = values.sum() / (n + 2)
    parts = [s - m * centre for m, s in zip(sizes, sums, strict=True)]
    pseudo = (1 - centre) ** 2 + (1 + centre) ** 2
    expected = math.sqrt(sum(part**2 for part in parts) + pseudo) / (n + 2)
    assert found.error == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("right", "of"), [(0, 7), (5, 10), (313, 400), (9, 9)])
def test_a_proportion_is_that_of_two_more_successes_and_failures(right, of):
    """Of half of 1.96 squared of each, and Wald's interval of them all."""
    low, high = intervals.proportion(right, of)
    more = (right + Z**2 / 2) / (of + Z**2)
    half = Z * math.sqrt(more * (1 - more) / (of + Z**2))
    assert (low, high) == pytest.approx((max(0, more - half), min(1, more + half)))
    assert low <= right / of <= high
    assert np.isnan(intervals.proportion(0, 0)).all()


class Known:
    """A proportion with Wilson's interval, by the quadratic that its ends solve."""

    def __init__(self, right, of):
        self.value, self.of = right / of, of

    def ends(self, level=0.05):
        squared = Z**2 / self.of
        roots = np.roots([1 + squared, -(2 * self.value + squared), self.value**2])
        return tuple(sorted(roots))


def test_a_difference_is_newcombes_of_1998():
    low, high = Difference(Known(56, 70), Known(48, 80)).ends()
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_a_paired_difference_is_narrower_by_the_correlation():
    one, other = Proportion(0.5, 100), Proportion(0.5, 100)
    below = 0.5 - one.ends()[0]
    for correlation in (-0.5, 0.0, 0.7, 1.0):
        low, high = Difference(one, other, correlation).ends()
        expected = below * math.sqrt(2 - 2 * correlation)
        assert (low, high) == pytest.approx((-expected, expected), abs=1e-12)


def test_a_mean_of_two_weighs_each_one_half():
    one, other = Proportion(0.9, 20), Proportion(0.3, 50)
    mean = Average(one, other)
    low, high = mean.ends()
    (a, b), (c, d) = one.ends(), other.ends()
    assert mean.value == pytest.approx(0.6)
    assert low == pytest.approx(0.6 - math.sqrt((0.9 - a) ** 2 + (0.3 - c) ** 2) / 2)
    assert high == pytest.approx(0.6 + math.sqrt((b - 0.9) ** 2 + (d - 0.3) ** 2) / 2)


SETS = st.tuples(COUNTS, COUNTS, st.integers(1, 30))


@given(SETS, SETS, st.sampled_from(["mean", "difference", "average", "proportions"]))
def test_a_p_value_is_the_smallest_level_at_which_the_interval_excludes_0(one, other, form):
    estimate = {
        "mean": lambda: one_set(*one),
        "difference": lambda: Difference(one_set(*one), one_set(*other)),
        "average": lambda: Average(one_set(*one), one_set(*other)),
        "proportions": lambda: Difference(
            *(Proportion(each[0] / sum(each), sum(each)) for each in (one, other)), 0.3
        ),
    }[form]()
    found = float(intervals.p_value(estimate))

    def excludes(level):
        low, high = estimate.ends(level)
        return bool(low > 0 or high < 0)

    if found < 0.999:
        assert excludes(min(1.0, found * 1.001))
    assert not excludes(found * 0.999)


@given(COUNTS, COUNTS)
def test_the_sign_test_is_the_binomial_distributions(wins, losses):
    trials = wins + losses
    chances = [math.comb(trials, heads) / 2**trials for heads in range(trials + 1)]
    extreme = sum(each for each in chances if each <= chances[wins] * (1 + 1e-9))
    assert intervals.sign_test(wins, losses) == pytest.approx(min(1.0, extreme))


def test_three_seeds_by_hand():
    # Variance .01 between seeds, covariance .002 over samples: (.01 + .006)² / (.01² / 2) = 5.12.
    found = intervals.pooled([0.2, 0.3, 0.4], [0.19, 0.29, 0.39], 0.002, most=1)
    assert found.value == pytest.approx(0.3)
    assert found.centre == pytest.approx(0.29)
    assert found.freedom == pytest.approx(5.12)
    assert found.error == pytest.approx(math.sqrt(0.01 / 3 + 0.002))
    low, high = found.ends()
    assert high - low == pytest.approx(2 * 2.552 * found.error, rel=2e-3)


def test_seeds_that_agree_are_as_sure_as_one_of_them():
    found = intervals.pooled([0.2] * 5, [0.2] * 5, 0.003, most=1)
    assert found.ends() == pytest.approx(Centred(0.2, 0.2, math.sqrt(0.003)).ends())


RESULTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=14)


def levels_of(t, g):
    values = np.unique(g)
    same = g == values[:, None]
    return Levels(values, same.sum(1), same @ t, same @ t**2)


def columns(rows):
    t, g = (np.array(column) / 4 for column in zip(*rows, strict=True))
    return t, g


@given(RESULTS, RESULTS)
def test_an_adjusted_gap_is_the_prediction_of_controls_regression(first, second):
    (t1, g1), (t2, g2) = columns(first), columns(second)
    found = intervals.adjusted_gap(Moments.of(t1, g1), Moments.of(t2, g2), levels_of(t2, g2))
    varies = g2.max() > g2.min()
    beta = np.polyfit(g2, t2, 1)[0] if varies else 0.0
    assert found.beta == pytest.approx(beta, abs=1e-9)
    assert found.value == pytest.approx(
        t1.mean() - t2.mean() - beta * (g1.mean() - g2.mean()), abs=1e-9
    )
    # Interval: four pseudo-samples of half a weight in each group, weighted least squares by
    # matrices, and HC2.
    pseudo = np.array([(0, 0), (0, 1), (1, 0), (1, 1)], float)
    sides = []
    for t, g in ((t1, g1), (t2, g2)):
        t, g = np.concatenate([t, pseudo[:, 0]]), np.concatenate([g, pseudo[:, 1]])
        sides.append((t, g, np.concatenate([np.ones(len(t) - 4), np.full(4, 0.5)])))
    (t, g, w), (u, h, v) = sides
    x = np.stack([np.ones_like(h), h], axis=1)
    bread = np.linalg.inv(x.T @ (v[:, None] * x))
    coefficients = bread @ x.T @ (v * u)
    residuals = u - x @ coefficients
    leverage = v * np.einsum("ni,ij,nj->n", x, bread, x)
    meat = x.T @ ((v * residuals**2 / (1 - leverage))[:, None] * x)
    covariance = bread @ meat @ bread
    point = np.array([1, np.average(g, weights=w)])
    of_line = point @ covariance @ point
    rest = t - coefficients[1] * g
    mean = np.average(rest, weights=w)
    of_members = w @ (rest - mean) ** 2 / (w.sum() - 1) / w.sum()
    assert found.centre == pytest.approx(np.average(t, weights=w) - point @ coefficients, abs=1e-9)
    assert found.error == pytest.approx(math.sqrt(of_members + of_line), rel=1e-7)
    n, m = len(t1), len(t2)
    freedom = (of_members + of_line) ** 2 / (of_members**2 / (n - 1) + of_line**2 / max(m - 2, 1))
    assert found.freedom == pytest.approx(freedom, rel=1e-7)


@given(RESULTS, RESULTS)
def test_what_each_sample_adds_to_an_adjusted_gap_makes_up_its_variance(first, second):
    (t1, g1), (t2, g2) = columns(first), columns(second)
    members, controls = Moments.of(t1, g1), Moments.of(t2, g2)
    found = intervals.adjusted_gap(members, controls, levels_of(t2, g2))
    for moments, weights, (t, g) in (
        (members, found.member_weights, (t1, g1)),
        (controls, found.control_weights, (t2, g2)),
    ):
        parts = intervals.features(t, g) @ weights
        squares = intervals.quadratic(weights, moments.products, weights)
        assert squares == pytest.approx((parts**2).sum(), abs=1e-12)


@given(RESULTS, st.integers(0, 14))
def test_moments_of_parts_add_up(rows, cut):
    t, g = columns(rows)
    whole = Moments.of(t, g)
    parts = Moments.of(t[:cut], g[:cut]) + Moments.of(t[cut:], g[cut:])
    np.testing.assert_allclose(parts.totals, whole.totals, atol=1e-12)
    np.testing.assert_allclose(parts.products, whole.products, atol=1e-12)


def test_copies_of_samples_in_clusters_tell_no_more_than_the_samples():
    rng = np.random.default_rng(0)
    (t1, g1), (t2, g2) = ((rng.random(n) < 0.5, rng.random(n) < 0.4) for n in (300, 200))
    t1, g1, t2, g2 = (each.astype(float) for each in (t1, g1, t2, g2))
    alone = intervals.adjusted_gap(Moments.of(t1, g1), Moments.of(t2, g2), levels_of(t2, g2))
    copies = [np.repeat(each, 4) for each in (t1, g1, t2, g2)]
    clusters = [np.repeat(np.arange(n), 4) for n in (300, 200)]
    found = {}
    for name, several in (("clustered", clusters), ("taken apart", (None, None))):
        found[name] = intervals.adjusted_gap(
            Moments.of(*copies[:2], several[0]),
            Moments.of(*copies[2:], several[1]),
            levels_of(*copies[2:]),
        )
    assert found["clustered"].value == pytest.approx(alone.value)
    assert found["clustered"].error == pytest.approx(alone.error, rel=0.02)
    assert found["taken apart"].error == pytest.approx(alone.error / 2, rel=0.02)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1.0])
def test_a_reference_that_never_varies_in_control_has_no_slope(value):
    t1, t2 = np.array([1, 0.5, 0, 1] * 17), np.array([0, 0.5, 0.5] * 7)
    g2 = np.full(len(t2), value)
    found = intervals.adjusted_gap(
        Moments.of(t1, np.full(len(t1), value)), Moments.of(t2, g2), levels_of(t2, g2)
    )
    assert found.beta == 0
    assert found.value == pytest.approx(t1.mean() - t2.mean())
    assert found.ends()[0] < found.value < found.ends()[1]


def test_a_reference_that_explains_the_target_is_taken_out():
    rng = np.random.default_rng(2)
    g1, g2 = np.clip(rng.random(2000) + 0.3, 0, 1), rng.random(1500)
    # Members are 0.1 better beyond what the reference, which is better on them too, explains.
    t1 = 0.5 * g1 + 0.1 + 0.05 * rng.normal(size=2000)
    t2 = 0.5 * g2 + 0.05 * rng.normal(size=1500)
    found = intervals.adjusted_gap(Moments.of(t1, g1), Moments.of(t2, g2), levels_of(t2, g2))
    low, high = found.ends()
    assert found.beta == pytest.approx(0.5, abs=0.01)
    assert low < 0.1 < high
    assert found.value == pytest.approx(0.1, abs=0.01)
