"""Result tables keep their labels as they are written."""

import importlib
from pathlib import Path

import polars as pl
import pytest

from dejavu.files.csv import write_csv
from dejavu.report import verdict
from dejavu.report.tables import TEXT, read_csv

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


def test_every_column_that_is_read_as_text_is_one_that_some_script_writes():
    written = {name for script in TABLES for name in importlib.import_module(script).COLUMNS}
    assert set(TEXT) <= written | set(verdict.COLUMNS)
