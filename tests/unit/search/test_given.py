"""Rankings of somebody's own pipeline: the numbers of the public samples that it names."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from dejavu.errors import InputError
from dejavu.files.parquet import write_parquet
from dejavu.search import given

IDS = pl.Series(["a", "b"])
PUBLIC = {"p0": 100, "p1": 101, "é": 2000, "p3": 2001}


@pytest.fixture
def public(tmp_path):
    """Two shards of public records."""
    shards = []
    for number, names in enumerate((["p0", "p1"], ["é", "p3"])):
        shards.append(str(tmp_path / f"{number}.parquet"))
        table = {"sample": [PUBLIC[name] for name in names], "id": names}
        write_parquet(shards[-1], pa.table(table))
    return shards


def written(folder, rows, **columns):
    """A file of neighbours with a row of another sample before those of `b` and `a`."""
    path = folder / "given.parquet"
    pl.DataFrame(
        {"sample": ["z", "b", "a"], "neighbors": [["nobody"], *rows], **columns}
    ).write_parquet(path)
    return path


RIGHT = [["p3", "p0", "é"], ["é", "p1"]]


def test_neighbours_are_the_numbers_of_the_first_k_that_are_named(tmp_path, public):
    found, scores = given.neighbors(written(tmp_path, RIGHT), IDS, public, 2)
    assert found.tolist() == [[2000, 101], [2001, 100]]
    assert found.dtype == np.int64 and scores.dtype == np.float32
    assert scores.tolist() == [[1, 1], [1, 1]]
    distances = [[9.0], [0.5, 0.75, 2.0], [0.25, 1.0]]
    path = written(tmp_path, RIGHT, distances=distances)
    found, scores = given.neighbors(path, IDS, public, 2)
    assert scores.tolist() == [[0.75, 0], [0.5, 0.25]]
    assert found.tolist() == [[2000, 101], [2001, 100]]


@pytest.mark.parametrize(
    ("rows", "columns", "told"),
    [
        ([["p0", "p1"], ["p1"]], {}, "row 2 names 1 neighbours, fewer than 2: give as many, or"),
        ([["p0", "p1"], None], {}, "row 2 names 0 neighbours, fewer than 2"),
        ([["p0", "p1"], ["p1", "x"]], {}, "row 2 names 'x', which is not in public"),
        ([["p0", None], ["p1", "p0"]], {}, "row 1 holds an empty id"),
        ([["p0", "p0"], ["p1", "p0"]], {}, "row 1 names 'p0' twice: name each once"),
        (RIGHT, {"distances": [[], [1.0], [1.0, 2.0]]}, "row 1 has not a distance for each"),
        (RIGHT, {"distances": [[], [1.0, 2.0], [1.0, float("nan")]]}, "row 2 has not a distance"),
        (RIGHT, {"distances": [1.0, 2.0, 3.0]}, "'distances' holds Float64, no lists"),
        (RIGHT, {"distances": [[], [1.0, 1e39], [1.0, 2.0]]}, "row 1 has not a distance"),
        (RIGHT, {"distances": [[], ["1", "2"], ["1", "2"]]}, "lists of String: write lists of"),
        (RIGHT, {"distances": [[], [1.0, 2.0], [0.9, 0.2]]}, "row 2 has distances that fall"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_row(tmp_path, public, rows, columns, told):
    path = written(tmp_path, rows, **columns)
    with pytest.raises(InputError) as found:
        given.neighbors(path, IDS, public, 2)
    assert told in str(found.value) and str(path) in str(found.value)
    assert "\n" not in str(found.value)


def test_samples_that_the_file_has_not_are_told(tmp_path, public):
    path = written(tmp_path, RIGHT)
    with pytest.raises(InputError, match="lacks 1 of the 2 samples that are asked for, 'c'"):
        given.neighbors(path, pl.Series(["a", "c"]), public, 2)
    assert given.neighbors(path, IDS[:0], public, 2)[0].shape == (0, 2)
