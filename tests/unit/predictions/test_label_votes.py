"""Votes and probabilities turned into predictions, against loops."""

from collections import Counter
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dejavu.predictions.label_votes import NONE, from_probabilities, from_votes


def padded(codes):
    return (list(codes) + [NONE] * 5)[:5]


# Few classes among many neighbours: most examples have ties, many at the edge of the top five.
VOTES = st.tuples(st.integers(1, 5), st.integers(1, 12)).flatmap(
    lambda shape: arrays.arrays(np.int64, shape, elements=st.integers(0, 8))
)


@given(VOTES)
def test_votes_equal_a_count_by_hand(labels):
    distances = np.arange(labels.size, dtype=np.float32).reshape(labels.shape)
    predictions = from_votes(labels, distances)
    for row, votes in enumerate(labels.tolist()):
        counts = Counter(votes)
        ranked = sorted(counts, key=lambda label: (-counts[label], votes.index(label)))
        assert predictions.top[row].tolist() == padded(ranked)
        entropy = -sum(n / len(votes) * log(n / len(votes)) for n in counts.values())
        assert predictions.entropy[row] == pytest.approx(entropy, abs=1e-12)
        assert predictions.confidence[row] == -predictions.entropy[row]
        assert predictions.tiebreak[row] == pytest.approx(-np.mean(distances[row]))


def test_equal_votes_go_to_the_class_with_the_nearer_voter():
    labels = np.array([[7, 3, 3, 7, 1], [3, 7, 7, 3, 1], [2, 2, 2, 2, 2]])
    predictions = from_votes(labels, np.zeros((3, 5)))
    assert predictions.first.tolist() == [7, 3, 2]
    assert predictions.top.tolist() == [padded([7, 3, 1]), padded([3, 7, 1]), padded([2])]
    assert predictions.confidence[2] == 0.0


def test_no_crops_give_no_predictions():
    predictions = from_votes(np.empty((0, 3), dtype=np.int64), np.empty((0, 3)))
    assert predictions.top.shape == (0, 5)
    assert from_probabilities(np.empty((0, 4))).top.shape == (0, 5)


@given(
    st.lists(
        st.lists(st.integers(0, 4), min_size=7, max_size=7).filter(any), min_size=1, max_size=6
    )
)
def test_probabilities_rank_as_a_stable_sort_does(weights):
    probabilities = np.array(weights) / np.sum(weights, axis=1, keepdims=True)
    predictions = from_probabilities(probabilities)
    for row, values in enumerate(probabilities.tolist()):
        ranked = sorted(range(7), key=lambda code: (-values[code], code))
        assert predictions.top[row].tolist() == ranked[:5]
        entropy = -sum(value * log(value) for value in values if value)
        assert predictions.confidence[row] == max(values)
        assert predictions.entropy[row] == pytest.approx(entropy, abs=1e-12)
        assert predictions.tiebreak[row] == -predictions.entropy[row]


def test_a_sharp_guess_is_more_confident_than_a_choice_between_two_of_many_classes():
    # Its entropy is higher all the same: by that the second would be the surer of the two.
    sharp = np.array([0.6, *[0.4 / 198] * 198, 0.0])
    between = np.array([0.5, 0.5, *[0.0] * 198])
    predictions = from_probabilities(np.stack([sharp, between]))
    assert predictions.confidence[0] > predictions.confidence[1]
    assert predictions.entropy[0] > predictions.entropy[1]


def test_fewer_than_five_classes():
    predictions = from_probabilities(np.array([[0.2, 0.5, 0.3]], dtype=np.float32))
    assert predictions.top.tolist() == [padded([1, 2, 0])]
    assert predictions.confidence.dtype == np.float64
