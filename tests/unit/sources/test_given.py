"""What a pipeline gives of samples is found by their ids, whatever the order of the file."""

import numpy as np
import polars as pl
import pytest

from dejavu.errors import InputError
from dejavu.sources import given

IDS = pl.Series(["b", "é", "007"])
VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3)
# The second in decomposed form, as some disks have it.
HELD = ["007", "other", "e\u0301", "b"]
WANTED = VECTORS[[3, 2, 0]]


def written(path, form, ids=HELD, vectors=VECTORS):
    """A file of vectors in one of the forms that are read."""
    if form == "npy":
        np.save(path.with_suffix(".npy"), vectors)
        path.with_suffix(".txt").write_text("".join(f"{each}\n" for each in ids))
        return path.with_suffix(".npy")
    kind = pl.Array(pl.Float32, vectors.shape[1]) if form == "array" else None
    column = pl.Series("embedding", vectors.tolist(), dtype=kind)
    pl.DataFrame({"sample": ids, "embedding": column}).write_parquet(path)
    return path


@pytest.mark.parametrize("form", ["npy", "list", "array"])
def test_vectors_come_in_the_order_of_the_samples(tmp_path, form):
    found = given.vectors(written(tmp_path / "v.parquet", form), IDS)
    np.testing.assert_array_equal(found, WANTED)


@pytest.mark.parametrize("form", ["npy", "list", "array"])
def test_vectors_of_no_sample_have_the_width_of_the_others(tmp_path, form):
    assert given.vectors(written(tmp_path / "v.parquet", form), IDS[:0]).shape == (0, 3)


@pytest.mark.parametrize(("kind", "kept"), [("f2", "f2"), ("f4", "f4"), ("f8", "f4")])
def test_half_precision_stays_and_double_is_rounded(tmp_path, kind, kept):
    path = written(tmp_path / "v.parquet", "npy", vectors=VECTORS.astype(kind))
    assert given.vectors(path, IDS).dtype == np.dtype(kept)


def sentence(path, ids=IDS):
    with pytest.raises(InputError) as found:
        given.vectors(path, ids)
    assert "\n" not in str(found.value) and path.name in str(found.value)
    return str(found.value)


@pytest.mark.parametrize("form", ["npy", "list"])
def test_a_sample_that_is_missing_or_there_twice_stops_the_run(tmp_path, form):
    path = written(tmp_path / "v.parquet", form, ["007", "b", "e\u0301", "b"])
    assert "the rows 1 and 3 are both of 'b': keep one" in sentence(path)
    path = written(tmp_path / "v.parquet", form, ["007", "x", "y", "b"])
    assert "lacks 1 of the 3 samples that are asked for, 'é' for one: add" in sentence(path)


@pytest.mark.parametrize("form", ["npy", "list"])
def test_ids_of_another_kind_are_told_with_an_example(tmp_path, form):
    path = written(tmp_path / "v.parquet", form, ["a/007.jpg", "a/b.jpg", "a/c.jpg", "a/d.jpg"])
    assert "lacks 3 of the 3" in sentence(path)
    assert "while its first is 'a/007.jpg': add their rows" in sentence(path)


@pytest.mark.parametrize("form", ["npy", "list"])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_value_that_is_not_finite_is_told_with_its_row(tmp_path, form, value):
    vectors = VECTORS.copy()
    vectors[1, 2] = value  # of a sample that nobody asks for
    np.testing.assert_array_equal(
        given.vectors(written(tmp_path / "v.parquet", form, vectors=vectors), IDS), WANTED
    )
    vectors[2, 0] = value
    told = sentence(written(tmp_path / "v.parquet", form, vectors=vectors))
    assert told.endswith(
        ": row 2 holds a value that is no finite number of float32: embed that sample anew, or"
        " take it out of the data."
    )


@pytest.mark.parametrize("form", ["npy", "list", "array"])
def test_crops_and_what_they_search_are_of_one_width(tmp_path, form):
    searched = written(tmp_path / "images.parquet", form)
    given.check_width(tmp_path / "crops.npy", 3, searched)
    with pytest.raises(InputError) as found:
        given.check_width(tmp_path / "crops.npy", 2, searched)
    assert str(found.value) == (
        f"{tmp_path / 'crops.npy'} has embeddings of 2 values, and {searched} of 3: give crops and"
        " images of one network."
    )


def test_a_number_beyond_single_precision_is_not_finite(tmp_path):
    vectors = VECTORS.astype(np.float64)
    vectors[3, 1] = 1e300
    assert "row 3 holds a value" in sentence(
        written(tmp_path / "v.parquet", "npy", vectors=vectors)
    )


def test_files_of_another_form_are_one_sentence(tmp_path):
    path = tmp_path / "v.parquet"
    pl.DataFrame({"id": HELD}).write_parquet(path)
    assert "has no column 'sample', but id: give it one" in sentence(path)
    pl.DataFrame({"sample": HELD, "embedding": [1.0] * 4}).write_parquet(path)
    assert "holds Float64, no lists of floats" in sentence(path)
    uneven = [[1.0], [2.0, 3.0], [1.0, 2.0], [4.0, 5.0]]
    pl.DataFrame({"sample": HELD, "embedding": uneven}).write_parquet(path)
    assert "the embedding of row 3 has not 1 values" in sentence(path)
    path.write_text("no table")
    assert "cannot be read as parquet" in sentence(path)
    array = written(path, "npy", HELD[:3])
    assert "has 4 rows, and v.txt 3 ids" in sentence(array)
    (tmp_path / "v.txt").unlink()
    assert "has no ids, as v.txt beside it can't be read (" in sentence(array)
    np.save(array, np.array(["a"], dtype=object), allow_pickle=True)
    assert "can't be read" in sentence(array)
    np.save(array, np.arange(4))
    assert "is no matrix of floats" in sentence(array)
    np.save(array, np.empty((4, 0)))
    assert "is no matrix of floats, but float64 of shape (4, 0)" in sentence(array)
    array.write_bytes(b"")
    assert "can't be read as an array (No data left in file): write a row" in sentence(array)
    with array.open("wb") as file:
        np.savez(file, VECTORS)
    assert "is an archive of arrays: write a row" in sentence(array)
    pl.DataFrame({"sample": HELD, "embedding": [[]] * 4}).with_columns(
        pl.col("embedding").cast(pl.List(pl.Float32))
    ).write_parquet(path)
    assert "the embedding of row 0 has no values" in sentence(path)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_ids_stand_a_line_each_however_an_editor_wrote_them(tmp_path, end, mark):
    ids = ["007", "a\u2028b", "e\u0301", "b"]
    path = written(tmp_path / "v", "npy")
    for last in ("", end):
        (tmp_path / "v.txt").write_bytes((mark + end.join(ids) + last).encode())
        np.testing.assert_array_equal(given.vectors(path, IDS), WANTED)
        assert given.vectors(path, pl.Series(["a\u2028b"])).tolist() == [VECTORS[1].tolist()]
