"""Predicted objects and how many are right, against sets and loops of plain Python."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dejavu.errors import InputError
from dejavu.predictions.object_votes import (
    LabelLists,
    concatenated,
    count_recovered,
    label_codes,
    predicted_labels,
    renumbered,
)
from dejavu.samples.schemas import STRINGS

SIZES = {"top1": 1, "top10": 10, "all": None}


def lists_of(sets):
    offsets = np.cumsum([0] + [len(each) for each in sets])
    codes = [code for each in sets for code in sorted(each)]
    return LabelLists(offsets.astype(np.int64), np.array(codes, dtype=np.int32))


def by_hand(neighbors, public, truth, hidden, k, size):
    """Counts of true, predicted and right objects of one sample, step by step."""
    votes, nearest = {}, {}
    for rank, row in enumerate(neighbors[:k]):
        for label in public[row]:
            votes[label] = votes.get(label, 0) + 1
            nearest.setdefault(label, rank)
    candidates = [label for label in votes if label not in hidden]
    candidates.sort(key=lambda label: (-votes[label], nearest[label], label))
    predicted = set(candidates[:size])
    true = set(truth) - set(hidden)
    return len(true), len(predicted), len(predicted & true)


@st.composite
def worlds(draw):
    labels = draw(st.sampled_from([1, 2, 8, 9, 10, 11, 12, 40, 64, 65, 150]))
    some = st.sets(st.integers(0, labels - 1), max_size=draw(st.sampled_from([2, 6, 14])))
    public = draw(st.lists(some, min_size=1, max_size=12))
    k = draw(st.integers(1, len(public)))
    row = st.permutations(range(len(public))).map(lambda each: each[:k])
    samples = draw(st.lists(st.tuples(row, some, some), max_size=6))
    return labels, public, k, samples


@pytest.mark.slow
@settings(max_examples=150)
@given(worlds(), st.sampled_from([2**13, 1, 3]), st.sampled_from([2**25, 1, 30]))
def test_counts_equal_those_by_hand(world, block, packed):
    labels, public, width, samples = world
    neighbors = np.array([row for row, _, _ in samples], np.int64).reshape(len(samples), width)
    truth, hidden = ([each[place] for each in samples] for place in (1, 2))
    ks = sorted({1, 2, width, width + 7})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dejavu.predictions.object_votes.BLOCK_WORDS", block)
        patch.setattr("dejavu.predictions.object_votes.PACKED_WORDS", packed)
        given_lists = lists_of(public), lists_of(truth), {"hidden": lists_of(hidden)}
        counts = count_recovered(neighbors, *given_lists, labels, ks, list(SIZES))["hidden"]
    for k in ks:
        for name, size in SIZES.items():
            expected = [
                by_hand(row, public, true, hide, k, size)
                for row, true, hide in zip(neighbors.tolist(), truth, hidden, strict=True)
            ]
            found = zip(
                counts.truth.tolist(),
                counts.predicted[k, name].tolist(),
                counts.correct[k, name].tolist(),
                strict=True,
            )
            assert list(found) == expected


@given(worlds(), st.sampled_from(list(SIZES)))
def test_predicted_labels_are_those_that_are_counted(world, size):
    labels, public, k, samples = world
    neighbors = np.array([row for row, _, _ in samples], np.int64).reshape(len(samples), k)
    hidden = [each[2] for each in samples]
    found = predicted_labels(neighbors, lists_of(public), lists_of(hidden), labels, k, size)
    assert found.shape == (len(samples), labels)
    for row, mask, hide in zip(neighbors.tolist(), found, hidden, strict=True):
        predicted = set(np.flatnonzero(mask).tolist())
        counts = [by_hand(row, public, {label}, hide, k, SIZES[size])[2] for label in range(labels)]
        assert predicted == set(np.flatnonzero(counts).tolist())


def count_one(public, truth, hidden, predict, labels=20):
    neighbors = np.arange(len(public))[None]
    given_lists = lists_of(public), lists_of([truth]), {"hidden": lists_of([hidden])}
    counts = count_recovered(neighbors, *given_lists, labels, [99], [predict])["hidden"]
    return int(counts.predicted[99, predict][0]), int(counts.correct[99, predict][0])


@pytest.mark.parametrize(
    ("winner", "public"),
    [
        pytest.param(7, [{1}, {7}, {7, 3}], id="more votes win"),
        pytest.param(7, [{7}, {1}], id="then the nearer voter"),
        pytest.param(7, [{0}, {7, 0}, {7, 0}, {7}, {7}], id="not the sum of the ranks"),
        pytest.param(3, [{7, 3, 5}], id="then the name"),
    ],
)
def test_the_first_object_is_the_one_the_method_names(winner, public):
    assert count_one(public, {winner}, set(), "top1") == (1, 1)
    for other in set().union(*public) - {winner}:
        assert count_one(public, {other}, set(), "top1") == (1, 0)


def test_the_tenth_place_goes_to_the_first_name_of_equals():
    assert count_one([set(range(4, 16))], {13}, set(), "top10") == (10, 1)
    assert count_one([set(range(4, 16))], {14}, set(), "top10") == (10, 0)


def test_fewer_than_ten_are_predicted_where_fewer_were_voted_for():
    assert count_one([{1, 2}, {2, 3}], {2, 9}, set(), "top10") == (3, 1)
    assert count_one([set(), set()], {2}, set(), "top10") == (0, 0)


def test_hidden_labels_leave_their_places_to_others():
    public = [set(range(12))]
    assert count_one(public, {10, 11}, set(), "top10") == (10, 0)
    assert count_one(public, {10, 11}, {0, 1}, "top10") == (10, 2)
    assert count_one(public, {0, 5}, {0}, "all") == (11, 1)


def test_lists_can_be_taken_repeated_and_joined():
    sets = [{1, 2}, set(), {0}]
    joined = concatenated([lists_of(sets), lists_of([]), lists_of([{2}])])
    assert len(joined) == 4
    taken = joined.take(np.array([3, 0, 0, 1]))
    spans = pairwise(taken.offsets)
    assert [set(taken.codes[low:high]) for low, high in spans] == [{2}, {1, 2}, {1, 2}, set()]
    assert len(concatenated([])) == 0


@given(st.lists(st.integers(0, 9), max_size=12))
def test_rows_are_numbered_anew_in_their_order(rows):
    used, places = renumbered(np.array(rows, np.int64), 10)
    assert used.tolist() == sorted(set(rows))
    assert used[places].tolist() == rows


LABELS = st.lists(st.lists(st.sampled_from(["dog", "cat", "été", "a"]), unique=True), max_size=8)


@given(LABELS, st.integers(0, 8))
def test_label_codes_are_places_in_the_vocabulary(lists, cut):
    vocabulary = sorted({"dog", "cat", "été", "a", "zebra"})
    chunks = [pa.array(part, type=STRINGS) for part in (lists[:cut], lists[cut:])]
    chunked = pa.chunked_array(chunks, type=STRINGS)
    for column in (chunked, pa.array(lists, type=STRINGS)):
        for start in (0, min(2, len(lists))):
            table = pa.table({"objects": column}).slice(start)
            offsets, codes = label_codes(table, "objects", vocabulary)
            spans = pairwise(offsets)
            read = [[vocabulary[code] for code in codes[low:high]] for low, high in spans]
            assert read == lists[start:]


def test_a_label_outside_the_vocabulary_gives_a_sentence():
    table = pa.table({"objects": pa.array([["dog"]], type=STRINGS)})
    with pytest.raises(InputError, match="'dog' is not in the vocabulary"):
        label_codes(table, "objects", ["cat"])
