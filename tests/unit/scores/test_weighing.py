"""Weights of classes, against copies of crops and explicit regressions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.scores import intervals, shift, weighing
from dejavu.scores.intervals import Levels, Moments

CLASSES = st.lists(st.integers(0, 4), min_size=1, max_size=30).map(np.array)


@given(CLASSES, CLASSES)
def test_weights_give_control_the_members_shares_of_classes(members, controls):
    matched, weights = weighing.class_weights(members, controls)
    assert matched.tolist() == [number in controls for number in members]
    if not matched.any():
        assert not weights.any()
        return
    assert weights.sum() == pytest.approx(1)
    for number in range(5):
        share = np.mean(members[matched] == number)
        assert weights[controls == number].sum() == pytest.approx(
            share if number in controls else 0
        )
        assert len(set(weights[controls == number].round(12))) <= 1


def test_the_effective_number_is_kishs():
    assert weighing.effective(np.full(8, 1 / 8)) == pytest.approx(8)
    assert weighing.effective(np.array([0.5, 0.25, 0.25])) == pytest.approx(1 / 0.375)
    assert weighing.effective(np.zeros(3)) == weighing.effective(np.empty(0)) == 0


def test_crops_that_weigh_the_same_are_an_ordinary_set():
    values = np.array([1, 1, 0, -1, 0, 1.0])
    found = weighing.weighed_mean(values, weighing.equal_weights(6))
    expected = intervals.mean_of(6, 2, 4)
    assert found.ends() == pytest.approx(expected.ends())


def results(rng, classes, rate):
    g = rng.random(len(classes)) < 0.3 + 0.1 * classes
    t = rng.random(len(classes)) < rate + 0.2 * g
    return t.astype(float), g.astype(float)


def test_the_slope_is_that_of_a_regression_with_a_level_for_each_class():
    rng = np.random.default_rng(0)
    members, classes = rng.integers(0, 4, 60), rng.integers(0, 4, 40)
    (t, g), (u, h) = results(rng, members, 0.5), results(rng, classes, 0.3)
    _, weights = weighing.class_weights(members, classes)
    found = weighing.adjusted_gap((t, g), (u, h), classes, weights)
    design = np.concatenate([(classes[:, None] == np.arange(4)), h[:, None]], axis=1)
    beta = np.linalg.lstsq(design.astype(float), u, rcond=None)[0][-1]
    assert found.beta == pytest.approx(beta)
    of_class = [
        np.mean(members == number) * (u - beta * h)[classes == number].mean() for number in range(4)
    ]
    assert found.value == pytest.approx((t - beta * g).mean() - sum(of_class))


def test_with_one_class_it_is_the_ordinary_adjusted_gap():
    rng = np.random.default_rng(1)
    nothing = np.zeros(400, np.int64)
    # The reference is much better on the members, so that the slope's variance counts.
    (t, g), (u, h) = results(rng, nothing + 6, 0.2), results(rng, nothing, 0.3)
    found = weighing.adjusted_gap((t, g), (u, h), nothing, weighing.equal_weights(400))
    same = h == np.array([[0.0], [1.0]])
    levels = Levels(np.array([0.0, 1.0]), same.sum(1), same @ u, same @ u**2)
    plain = intervals.adjusted_gap(Moments.of(t, g), Moments.of(u, h), levels)
    assert found.value == pytest.approx(plain.value)
    # The pseudo-samples lie about their own means here, about those of all there.
    assert found.centre == pytest.approx(plain.centre, abs=1e-3)
    assert found.error == pytest.approx(plain.error, rel=0.01)
    assert found.freedom == pytest.approx(plain.freedom, rel=0.01)


def test_what_each_crop_adds_makes_up_the_variance():
    rng = np.random.default_rng(2)
    members, classes = rng.integers(0, 4, 600), rng.integers(0, 4, 500)
    (t, g), (u, h) = results(rng, members, 0.5), results(rng, classes, 0.3)
    _, weights = weighing.class_weights(members, classes)
    found = weighing.adjusted_gap((t, g), (u, h), classes, weights)
    whole = (found.member_parts**2).sum() + (found.control_parts**2).sum()
    assert np.sqrt(whole) == pytest.approx(found.error, rel=0.02)


def test_a_reference_that_is_the_same_within_every_class_has_no_slope():
    classes = np.array([0, 0, 1, 1, 2])
    u, h = np.array([1, 0, 1, 1, 0.0]), np.array([1, 1, 0, 0, 1.0])
    found = weighing.adjusted_gap((u, h), (u, h), classes, weighing.equal_weights(5))
    assert found.beta == 0 and found.value == pytest.approx(0)
    assert found.ends()[0] < 0 < found.ends()[1]


def test_further_covariates_are_those_of_a_regression_with_a_level_for_each_class():
    rng = np.random.default_rng(5)
    members, classes = rng.integers(0, 4, 80), rng.integers(0, 4, 60)
    _, weights = weighing.class_weights(members, classes)
    scores = [rng.normal(size=(len(each), 2)) + 0.2 * each[:, None] for each in (members, classes)]
    (t, g), (u, h) = results(rng, members, 0.5), results(rng, classes, 0.3)
    x, y = (np.column_stack(each) for each in zip((g, h), scores, strict=True))
    found, bound = weighing.shifted_gap((t, x), (u, y), classes, weights)
    design = np.concatenate([classes[:, None] == np.arange(4), y], axis=1).astype(float)
    slopes = np.linalg.lstsq(design, u, rcond=None)[0][4:]
    reach = x.mean(axis=0) - weights @ y
    assert found.value == pytest.approx(t.mean() - weights @ u - reach @ slopes)
    assert found.beta == pytest.approx(slopes[0])
    assert bound > abs(reach[1:] @ slopes[1:])


def test_with_one_class_it_is_the_gap_of_sums_over_shards():
    rng = np.random.default_rng(6)
    nothing = np.zeros(500, np.int64)
    groups = []
    for lean in (0.3, 0.0):
        vectors = rng.normal(size=(500, 3)) + lean
        g = rng.random(500) < 0.5 + 0.1 * np.tanh(vectors[:, 0])
        t = rng.random(500) < 0.3 + 0.2 * g + 0.1 * np.tanh(vectors[:, 1])
        groups.append((vectors, t[:, None].astype(float), g[:, None].astype(float)))
    sums = [shift.Sums.of(*group) for group in groups]
    fitted = shift.Shift.of(*sums, 3)
    spreads = [
        shift.spread_of(fitted, *group, 1, is_member)
        for group, is_member in zip(groups, (True, False), strict=True)
    ]
    [plain] = shift.shifted(fitted, *spreads, 1)
    sides = [(t[:, 0], np.column_stack([g, vectors @ fitted.axes])) for vectors, t, g in groups]
    found, bound = weighing.shifted_gap(*sides, nothing, weighing.equal_weights(500))
    [gap], [other] = plain.gaps, plain.bounds
    assert found.value == pytest.approx(gap.value)
    # The pseudo-samples lie about their own means here, about those of all there.
    assert found.error == pytest.approx(gap.error, rel=0.01)
    assert bound == pytest.approx(other, rel=0.02)
