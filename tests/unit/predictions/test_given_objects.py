"""Objects that somebody's own pipeline predicts for captions, counted as sets would."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from dejavu.errors import InputError
from dejavu.predictions import given, object_votes
from dejavu.predictions.object_votes import LabelLists

IDS = pl.Series(["a", "b", "c"])
VOCABULARY = ["apple", "bed", "café"]


def written(folder, lists, **columns):
    """A file with a row of another sample before those of `c`, `b` and `a`."""
    path = folder / "given.parquet"
    rows = {"sample": ["z", "c", "b", "a"], "prediction": [["apple"], *lists]}
    pl.DataFrame({**rows, **columns}).write_parquet(path)
    return path


def test_lists_come_in_the_samples_order_with_what_no_object_is(tmp_path):
    path = written(tmp_path, [[], ["cafe\u0301", "unicorn", "bed"], ["bed"]])
    lists, distances = given.objects(path, IDS, VOCABULARY)
    assert lists.to_list() == [["bed"], ["café", "unicorn", "bed"], []]
    assert distances.tolist() == [0, 0, 0]


def test_distances_are_taken_where_there_are_any(tmp_path):
    path = written(tmp_path, [["bed"]] * 3, distance=[9.0, 0.5, 0.25, 0.125])
    assert given.objects(path, IDS, VOCABULARY)[1].tolist() == [0.125, 0.25, 0.5]


@pytest.mark.parametrize(
    ("lists", "columns", "told"),
    [
        ([["bed"], None, ["bed"]], {}, "row 2 has no list"),
        ([["bed"], ["bed", None], ["bed"]], {}, "row 2 holds an empty label"),
        ([["bed"], ["bed"], ["apple", "bed", "apple"]], {}, "row 3 names a label twice"),
        ([["bed"]] * 3, {"distance": [0.0, 1e39, 1.0, 1.0]}, "row 1 has no number as 'distance'"),
        ([["bed"]] * 3, {"distance": ["0", "1", "2", "3"]}, "holds String, no numbers"),
        ([["bed"]] * 3, {"distance": [[0.0]] * 4}, "holds List"),
        ([["bed"]] * 3, {"distance": [0.0, 1.0, None, 1.0]}, "row 2 has no number as 'distance'"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_row(tmp_path, lists, columns, told):
    path = written(tmp_path, lists, **columns)
    with pytest.raises(InputError, match=told) as error:
        given.objects(path, IDS, VOCABULARY)
    assert str(path) in str(error.value)


def test_a_file_without_any_label_that_objects_have_is_refused(tmp_path):
    path = written(tmp_path, [["Bed"], ["tree"], ["house"]])
    # The row of another sample has one: this shard's may all be wrong.
    lists, _ = given.objects(path, IDS, VOCABULARY)
    assert lists.to_list() == [["house"], ["tree"], ["Bed"]]
    with pytest.raises(InputError, match="no prediction is a label that objects have"):
        given.objects(path, IDS, ["stone"])


def test_lists_of_something_else_are_refused(tmp_path):
    path = tmp_path / "given.parquet"
    for wrong in ([[["bed"]]], [[1.5]], [[b"\xff"]]):
        pl.DataFrame({"sample": ["a"], "prediction": wrong}).write_parquet(path)
        with pytest.raises(InputError, match=r"lists of texts|cannot be read"):
            given.objects(path, pl.Series(["a"]), VOCABULARY)


def test_labels_that_are_no_lists_are_refused(tmp_path):
    path = tmp_path / "given.parquet"
    pl.DataFrame({"sample": ["a"], "prediction": ["bed"]}).write_parquet(path)
    with pytest.raises(InputError, match="no lists"):
        given.objects(path, pl.Series(["a"]), VOCABULARY)


def coded(lists):
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return LabelLists(offsets, np.array([code for each in lists for code in each], np.int32))


rankings = st.lists(st.lists(st.integers(0, 14), unique=True), min_size=3, max_size=3)


@drawn(ranked=rankings, true=rankings, named=rankings)
def test_counts_are_those_of_sets(ranked, true, named):
    hidden = {"all": object_votes.nothing(3), "unnamed": coded(named)}
    counts = object_votes.count_given(
        coded(ranked), coded(true), hidden, 15, [1, 5], ["top1", "top10", "all"]
    )
    for row in range(3):
        for variant, unseen in (("all", set()), ("unnamed", set(named[row]))):
            found = counts[variant]
            assert found.truth[row] == len(set(true[row]) - unseen)
            visible = [code for code in ranked[row] if code not in unseen]
            for size, most in (("top1", 1), ("top10", 10), ("all", None)):
                for k in (1, 5):
                    assert found.predicted[k, size][row] == len(visible[:most])
                    right = set(visible[:most]) & set(true[row])
                    assert found.correct[k, size][row] == len(right)
