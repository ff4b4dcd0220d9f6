"""Result tables: what is written, and labels that are read as they are written."""

import csv
import importlib
from pathlib import Path

import polars as pl
import pytest

from dejavu.files.csv import TEXT, read_csv, write_csv

SCRIPTS = Path(__file__).parents[3] / "scripts"
TABLES = [path.stem for path in SCRIPTS.glob("*.py") if "\nCOLUMNS" in path.read_text()]


def test_labels_that_look_like_numbers_are_read_as_they_were_written(tmp_path):
    columns = {"label": pl.String, "tag": pl.String, "id": pl.String, "crops": pl.Int64}
    rows = [
        {"label": label, "tag": label, "id": f"0{label}", "crops": 3}
        for label in ("001", "1.0", "1.00", "true", "1e3")
    ]
    write_csv(tmp_path / "t.csv", rows, columns)
    assert read_csv(tmp_path / "t.csv").to_dicts() == rows
    assert read_csv(tmp_path / "t.csv", 2).to_dicts() == rows[:2]


@pytest.mark.parametrize("script", TABLES)
def test_every_column_of_text_that_a_script_writes_is_read_as_text(script):
    columns = importlib.import_module(script).COLUMNS
    if not isinstance(columns, dict):
        columns = dict.fromkeys(columns, pl.String)
    text = {name for name, kind in columns.items() if kind == pl.String}
    assert text == set(columns) & set(TEXT)


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
