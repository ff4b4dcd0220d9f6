"""Naive Bayes on tags, by hand and against exact fractions."""

from fractions import Fraction
from math import prod

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dejavu.predictions.naive_bayes import TAGS, fit, highest_scored


def tag_series(crops):
    """Tags of crops given as lists of (tag, score)."""
    structs = [
        None if crop is None else [{"tag": tag, "score": score} for tag, score in crop]
        for crop in crops
    ]
    return pl.Series("tags", structs, dtype=TAGS)


def test_by_hand():
    tags = tag_series([[("sky", 0.9), ("sea", 0.5)], [("sky", 0.8)], [("oven", 0.7)], []])
    predictor = fit(tags, ["ship", "ship", "cup", "cup"], tags_per_crop=2)
    assert predictor.classes == ["cup", "ship"]
    # Vocabulary oven, sea, sky. Cup: oven 1 of 1 tags, so (2, 1, 1) / 4; ship: (1, 2, 3) / 6.
    posterior = predictor.posterior(
        tag_series([[("sky", 0.1)], [("sea", 0.1), ("oven", 0.2)], [("moon", 1.0)], None])
    )
    expected = [[1 / 3, 2 / 3], [9 / 13, 4 / 13], [1 / 2, 1 / 2], [1 / 2, 1 / 2]]
    np.testing.assert_allclose(posterior, expected, rtol=1e-12)
    assert posterior.dtype == np.float64


def test_prior_is_the_fitting_sets_even_without_any_tag():
    predictor = fit(tag_series([[], None, []]), ["b", "a", "b"], tags_per_crop=3)
    posterior = predictor.posterior(tag_series([[("sky", 1.0)], []]))
    np.testing.assert_allclose(posterior, [[1 / 3, 2 / 3]] * 2)


def test_only_the_highest_scored_tags_count_ties_by_name():
    tags = tag_series([[("d", 0.5), ("c", 0.9), ("b", 0.5), ("a", 0.1)], None, [("a", 0.2)]])
    chosen = highest_scored(tags, 2)
    assert chosen.rows() == [(0, "c"), (0, "b"), (2, "a")]


def test_a_tag_given_twice_counts_once_by_its_best_score():
    tags = tag_series([[("a", 0.1), ("b", 0.5), ("c", 0.3), ("a", 0.9)]])
    assert highest_scored(tags, 2).rows() == [(0, "a"), (0, "b")]


CROPS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.sampled_from("pqrstuv"), st.sampled_from([0.25, 0.5, 0.75])), max_size=6
        ),
        st.sampled_from(["x", "y", "z"]),
    ),
    min_size=1,
    max_size=12,
)


def chosen_by_loop(crop, tags_per_crop):
    best = {}
    for tag, score in crop:
        best[tag] = max(score, best.get(tag, 0.0))
    return sorted(best, key=lambda tag: (-best[tag], tag))[:tags_per_crop]


@settings(deadline=None)
@given(CROPS, CROPS, st.integers(1, 5))
def test_posterior_equals_exact_fractions(fitting, asked, tags_per_crop):
    labels = [label for _, label in fitting]
    predictor = fit(tag_series([crop for crop, _ in fitting]), labels, tags_per_crop)
    posterior = predictor.posterior(tag_series([crop for crop, _ in asked]))

    classes = sorted(set(labels))
    seen = {label: [] for label in classes}
    for crop, label in fitting:
        seen[label] += chosen_by_loop(crop, tags_per_crop)
    vocabulary = set().union(*seen.values())
    for row, (crop, _) in zip(posterior, asked, strict=True):
        known = [tag for tag in chosen_by_loop(crop, tags_per_crop) if tag in vocabulary]
        joint = [
            Fraction(labels.count(label), len(labels))
            * prod(
                Fraction(seen[label].count(tag) + 1, len(seen[label]) + len(vocabulary))
                for tag in known
            )
            for label in classes
        ]
        exact = [float(value / sum(joint)) for value in joint]
        assert row == pytest.approx(exact, rel=1e-9)
    assert predictor.classes == classes
