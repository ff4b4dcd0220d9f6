"""Sets of labels as bits, against Python's sets and counters."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dejavu.predictions import label_bits

LABELS = st.sampled_from([1, 2, 63, 64, 65, 130])


def block_of(sets, labels):
    """The block of some sets."""
    offsets = np.cumsum([0] + [len(each) for each in sets])
    codes = np.array([code for each in sets for code in sorted(each)], dtype=np.int32)
    return label_bits.packed(offsets.astype(np.int64), codes, labels).T


def sets_of(block):
    """The sets of a block, bit by bit."""
    return [
        {
            64 * place + bit
            for place, word in enumerate(words)
            for bit in range(64)
            if word >> bit & 1
        }
        for words in block.T.tolist()
    ]


def numbers_of(planes, labels, samples):
    """The numbers that planes hold, [samples, labels]."""
    total = np.zeros((samples, labels), dtype=int)
    for digit, plane in enumerate(planes):
        for sample, found in enumerate(sets_of(np.broadcast_to(plane, (len(plane), samples)))):
            total[sample, [code for code in found if code < labels]] += 2**digit
    return total


@st.composite
def many_sets(draw):
    labels, samples = draw(LABELS), draw(st.integers(1, 3))
    some = st.sets(st.integers(0, labels - 1), max_size=8)
    row = st.lists(some, min_size=samples, max_size=samples)
    return labels, samples, draw(st.lists(row, max_size=20))


@given(many_sets())
def test_blocks_hold_the_sets_and_tell_their_sizes(drawn):
    labels, _, rows = drawn
    for sets in rows:
        block = block_of(sets, labels)
        assert sets_of(block) == sets
        masks = label_bits.mask(block, labels)
        assert masks.shape == (len(sets), labels)
        assert [set(np.flatnonzero(row).tolist()) for row in masks] == sets
        assert label_bits.sizes(block).tolist() == [len(each) for each in sets]


@given(many_sets())
def test_counts_are_right_after_every_block(drawn):
    labels, samples, rows = drawn
    counter = label_bits.Counter()
    assert counter.planes() == []
    expected = np.zeros((samples, labels), dtype=int)
    for sets in rows:
        counter.add(block_of(sets, labels))
        for sample, each in enumerate(sets):
            expected[sample, sorted(each)] += 1
        assert (numbers_of(counter.planes(), labels, samples) == expected).all()


@given(st.data(), LABELS, st.integers(0, 12), st.booleans())
def test_the_best_are_the_first_of_a_plain_sort(data, labels, size, smallest):
    few = st.sets(st.integers(0, labels - 1), max_size=20)
    votes = data.draw(st.lists(few, max_size=9))
    candidates = data.draw(few)
    counter = label_bits.Counter()
    for each in votes:
        counter.add(block_of([each], labels))
    order = list(label_bits.largest_first(counter.planes()))
    if smallest:
        order = list(label_bits.smallest_first(counter.planes()))
    counts = Counter(code for each in votes for code in each)
    sign = 1 if smallest else -1
    expected = sorted(candidates, key=lambda code: (sign * counts[code], code))[:size]
    chosen = label_bits.best(block_of([candidates], labels), order, size)
    assert sets_of(chosen) == [set(expected)]
