"""Corrections for many scores at once, against plain definitions and known quantiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dejavu.scores import families
from dejavu.scores.intervals import Centred


@given(st.lists(st.one_of(st.floats(0, 1), st.just(np.nan)), max_size=12))
def test_holm_rejects_step_by_step(p_values):
    found = families.holm(p_values)
    known = [place for place, p_value in enumerate(p_values) if not np.isnan(p_value)]
    assert [np.isnan(each) for each in found] == [np.isnan(each) for each in p_values]
    for level in (0.01, 0.05, 0.3):
        rejected, left = set(), len(known)
        for place in sorted(known, key=lambda place: p_values[place]):
            if p_values[place] * left > level:
                break
            rejected.add(place)
            left -= 1
        assert {place for place in known if found[place] <= level} == rejected


def test_holm_by_hand():
    assert families.holm([0.01, 0.04, 0.03, np.nan]) == pytest.approx(
        [0.03, 0.06, 0.06, np.nan], nan_ok=True
    )


@pytest.mark.parametrize("freedom", [5.0, np.inf])
def test_the_largest_of_independent_and_of_equal_scores(freedom):
    one = stats.norm if np.isinf(freedom) else stats.t(freedom)
    equal = families.largest_quantile(np.ones((6, 6)), freedom)
    assert equal == pytest.approx(one.ppf(0.975), rel=0.02)
    if np.isinf(freedom):
        independent = families.largest_quantile(np.eye(6), freedom)
        assert independent == pytest.approx(one.ppf((1 + 0.95 ** (1 / 6)) / 2), rel=0.01)


def test_simultaneous_intervals_have_one_quantile_and_repeat():
    estimates = [Centred(0.1, 0.11, 0.02, 30.0), Centred(0.3, 0.29, 0.05, 80.0)]
    covariance = np.array([[4e-4, 5e-4], [5e-4, 25e-4]])
    ends = families.simultaneous(estimates, covariance)
    assert ends == families.simultaneous(estimates, covariance)
    quantiles = [
        (high - low) / 2 / each.error for each, (low, high) in zip(estimates, ends, strict=True)
    ]
    assert quantiles[0] == pytest.approx(quantiles[1])
    assert stats.t(30).ppf(0.975) < quantiles[0] < stats.t(30).ppf(1 - 0.025 / 2) * 1.01
    assert [sum(pair) / 2 for pair in ends] == pytest.approx([0.11, 0.29])


def test_a_score_without_variance_is_correlated_with_none():
    found = families.correlation(np.array([[0.0, 0.0], [0.0, 2.0]]))
    assert found.tolist() == [[1, 0], [0, 1]]
