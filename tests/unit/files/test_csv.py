"""Tables of results."""

import csv
import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.errors import DamagedFile
from dejavu.files.csv import marked, read_csv, scan_csv, unmarked, write_csv, write_csv_parts

COLUMNS = {"name": pl.String, "count": pl.Int64, "score": pl.Float64, "right": pl.Boolean}
# Whatever there is, and what is made of the characters that the rule speaks of.
TEXTS = st.one_of(st.text(), st.text("'=+-@＝\\u001bfgU\x00\x1b\x9f\r\n\t0,\" "))


def cells(path):
    """What any other reader of CSV finds."""
    with open(path, newline="", encoding="utf-8") as file:  # noqa: PTH123
        return list(csv.reader(file))


def undone(cell):
    """The rule as docs/files.md has it, word for word."""
    return re.sub(r"\\u([0-9a-f]{4})", lambda code: chr(int(code[1], 16)), cell.removeprefix("'"))


def test_csv_has_empty_cells_for_what_is_missing_and_whole_numbers(tmp_path):
    path = tmp_path / "out.csv"
    columns = {"name": pl.String, "count": pl.Int64, "score": pl.Float64}
    rows = [
        {"name": "a, b", "count": 10**12, "score": 0.1 + 0.2},
        {"name": 'é"', "score": float("nan")},
        {"count": 3, "score": None},
    ]
    write_csv(path, rows, columns, "config")
    assert cells(path) == [
        ["name", "count", "score"],
        ["a, b", "1000000000000", repr(0.1 + 0.2)],
        ['é"', "", ""],
        ["", "3", ""],
    ]
    write_csv(path, [], columns, "config")
    assert path.read_text() == "name,count,score\n"
    assert read_csv(path, "config").schema == columns


def test_a_key_that_is_no_column_is_told_and_nothing_is_written(tmp_path):
    rows = [{"name": "a"}, {"name": "b", "score_low": 0.1, "high": 1}]
    with pytest.raises(ValueError, match=r"out\.csv: rows have high, score_low, and the columns"):
        write_csv(tmp_path / "out.csv", rows, {"name": pl.String, "score": pl.Float64}, "config")
    assert not list(tmp_path.iterdir())


def test_labels_that_look_like_numbers_are_read_as_they_were_written(tmp_path):
    rows = [
        {"name": label, "count": 3, "score": 1.0, "right": True}
        for label in ("001", "1.0", "1.00", "true", "1e3", "", "null", None)
    ]
    write_csv(tmp_path / "t.csv", rows, COLUMNS, "config")
    assert read_csv(tmp_path / "t.csv", "config").to_dicts() == rows


@given(st.lists(st.one_of(st.none(), TEXTS)))
def test_every_text_comes_back_and_so_it_does_by_the_documented_rule(texts):
    cells = marked(pl.Series("x", texts, dtype=pl.String))
    assert unmarked(cells).to_list() == texts
    assert [None if cell is None else undone(cell) for cell in cells] == texts


@given(st.lists(TEXTS, min_size=1))
def test_no_cell_is_a_formula_or_has_a_control_character(texts):
    for cell in marked(pl.Series("x", texts, dtype=pl.String)):
        assert not cell or cell[0] not in "=+-@＝＋－＠"
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", cell)


def test_text_is_marked_in_the_file_and_numbers_are_not(tmp_path):
    texts = ["=1+1", "'quoted'", "\x1b[31mred", "a\tb\nc", "\\u0041", "C:\\users", "plain"]
    rows = [{"name": text, "count": -1, "score": -0.5, "right": None} for text in texts]
    write_csv(tmp_path / "t.csv", rows, COLUMNS, "config")
    assert [row[:3] for row in cells(tmp_path / "t.csv")[1:]] == [
        [cell, "-1", "-0.5"]
        for cell in (
            *("'=1+1", "''quoted'", r"\u001b[31mred", r"a\u0009b\u000ac", r"\u005cu0041"),
            *("C:\\users", "plain"),
        )
    ]
    assert read_csv(tmp_path / "t.csv", "config").to_dicts() == rows
    assert scan_csv(tmp_path / "t.csv", "config").head(2).collect().to_dicts() == rows[:2]


def test_a_table_of_parts_is_one_table(tmp_path):
    parts = [pl.DataFrame({"x": each}, schema={"x": pl.String}) for each in ([], ["-1"], ["b"])]
    write_csv_parts(tmp_path / "t.csv", parts, "config")
    assert read_csv(tmp_path / "t.csv", "config")["x"].to_list() == ["-1", "b"]


def test_a_table_cut_to_a_third_is_not_read(tmp_path):
    path = tmp_path / "t.csv"
    write_csv(path, [{"name": f"{n}", "count": n} for n in range(30)], COLUMNS, "config")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:11]))
    with pytest.raises(DamagedFile, match=r"t\.csv is not the table that was written there"):
        read_csv(path, "config")
