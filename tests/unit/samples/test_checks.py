"""What stops a run before models are trained, or is told: rejected items, repeats, odd labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.errors import InputError
from dejavu.samples import checks


def test_rejected_items_are_counted_by_the_kind_of_their_reason():
    reasons = [
        "no caption",
        "duplicate id: a",
        "duplicate id: b",
        "no caption: x",
        "duplicate id: c",
    ]
    with pytest.raises(
        InputError, match=r"5 of 10 .* 3 for: duplicate id, as i1 \(duplicate id: a"
    ):
        checks.check_rejected("s", 5, reasons, [f"i{n}" for n in range(5)], 0.49)
    checks.check_rejected("s", 5, reasons, [f"i{n}" for n in range(5)], 0.5)


@given(st.lists(st.integers(0, 9), max_size=30))
def test_repeats_are_those_that_stood_before(values):
    expected = [place for place, value in enumerate(values) if value in values[:place]]
    assert checks.repeats(np.array(values, dtype=np.uint64)).tolist() == expected


def test_a_vocabulary_of_labels_that_stand_once_is_doubted():
    sentences = {f"a, b and {n}": 1 for n in range(30)}
    told = checks.doubt_about_labels({**sentences, "dog": 5})
    assert told is not None and "30 of 31 labels" in told and "'a, b and 0'" in told
    assert checks.doubt_about_labels(dict.fromkeys(sentences, 2)) is None
    assert checks.doubt_about_labels({f"{n}": 1 for n in range(19)}) is None
