"""Lifts against counts of Python's sets."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.scores.lifts import LEAST_CROPS, typical_tags

TAGS = pl.List(pl.Struct({"tag": pl.String}))
CROPS = st.lists(
    st.tuples(st.sampled_from("xyz"), st.lists(st.sampled_from("abcd"), max_size=5)), max_size=60
)


def frame(crops):
    """Crops from pairs of a label and its tags."""
    tags = [[{"tag": tag} for tag in several] for _, several in crops]
    labels = [label for label, _ in crops]
    return pl.DataFrame({"label": labels, "tags": tags}, schema={"label": pl.String, "tags": TAGS})


def test_a_lift_by_hand():
    # Of 20 crops 10 are cribs; bed is on 8 of these and on 2 others, a lamp on all.
    crops = [("crib", ["bed", "lamp"])] * 8 + [("crib", ["lamp"])] * 2
    crops += [("pig", ["bed", "lamp"])] * 2 + [("pig", ["lamp"])] * 8
    assert typical_tags(frame(crops), ["crib"]).rows() == [
        ("crib", "bed", 8, 0.8, 0.8 / 0.5),
        ("crib", "lamp", 10, 1.0, 1.0),
    ]


@given(CROPS, st.lists(st.sampled_from("xyz"), unique=True))
def test_lifts_are_ratios_of_rates_over_crops(crops, labels):
    held = [(label, set(tags)) for label, tags in crops]
    wanted = {}
    for label in labels:
        own = [tags for name, tags in held if name == label]
        for tag in "abcd":
            count = sum(tag in tags for tags in own)
            if count >= LEAST_CROPS:
                overall = sum(tag in tags for _, tags in held) / len(held)
                wanted[label, tag] = (count, count / len(own), count / len(own) / overall)
    found = typical_tags(frame(crops), labels)
    assert {row[:2]: pytest.approx(row[2:]) for row in found.rows()} == wanted
    keys = [(-lift, label, tag) for label, tag, _, _, lift in found.rows()]
    assert keys == sorted(keys)
