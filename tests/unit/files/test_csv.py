"""Tables of results."""

import csv

import polars as pl
import pytest

from dejavu.files.csv import write_csv


def test_csv_has_empty_cells_for_what_is_missing_and_whole_numbers(tmp_path):
    path = tmp_path / "out.csv"
    columns = {"name": pl.String, "count": pl.Int64, "score": pl.Float64}
    rows = [
        {"name": "a, b", "count": 10**12, "score": 0.1 + 0.2},
        {"name": 'é"', "score": float("nan")},
        {"count": 3, "score": None},
    ]
    write_csv(path, rows, columns)
    with open(path, newline="", encoding="utf-8") as file:  # noqa: PTH123
        read = list(csv.reader(file))
    assert read == [
        ["name", "count", "score"],
        ["a, b", "1000000000000", repr(0.1 + 0.2)],
        ['é"', "", ""],
        ["", "3", ""],
    ]
    write_csv(path, [], columns)
    assert path.read_text() == "name,count,score\n"


def test_a_key_that_is_no_column_is_told_and_nothing_is_written(tmp_path):
    rows = [{"name": "a"}, {"name": "b", "score_low": 0.1, "high": 1}]
    with pytest.raises(ValueError, match=r"out\.csv: rows have high, score_low, and the columns"):
        write_csv(tmp_path / "out.csv", rows, {"name": pl.String, "score": pl.Float64})
    assert not list(tmp_path.iterdir())
