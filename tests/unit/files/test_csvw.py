"""Descriptions of tables: of one table, in one place, by one config."""

import hashlib
import json
import shutil

import polars as pl
import pytest

from dejavu.errors import DamagedFile, InputError
from dejavu.files import csvw

FRAME = pl.DataFrame({"a": ["x"], "b": [1], "c": [0.5], "d": [True]})


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "results/tables/t.csv"
    csvw.write_frames(path, [FRAME, FRAME], "config")
    return path


def test_a_description_is_what_csv_on_the_web_asks_for(table):
    told = json.loads(table.with_name("t.csv-metadata.json").read_text())
    notes = told.pop("notes")
    names = [("a", "string"), ("b", "integer"), ("c", "double"), ("d", "boolean")]
    assert told == {
        "@context": "http://www.w3.org/ns/csvw",
        "url": "t.csv",
        "tableSchema": {
            "columns": [{"name": name, "titles": name, "datatype": kind} for name, kind in names]
        },
    }
    assert table.read_text() == "a,b,c,d\nx,1,0.5,true\nx,1,0.5,true\n"
    assert notes[0]["sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert csvw.description(table, "config").columns == dict(FRAME.schema)


def test_a_table_of_another_config_is_not_read(table):
    with pytest.raises(InputError, match=r"t\.csv was made by another config"):
        csvw.description(table, "other")


def test_no_change_of_table_or_description_goes_unseen(table):
    described = table.with_name("t.csv-metadata.json")
    for path in (table, described):
        whole = path.read_bytes()
        for place in range(len(whole)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            try:
                # White space of JSON means nothing.
                assert csvw.description(table, "config").columns == dict(FRAME.schema)
                assert path == described and not whole[place : place + 1].strip()
            except InputError as error:
                assert "t.csv" in str(error) and "\n" not in str(error)
        path.write_bytes(whole)
        path.unlink()
        with pytest.raises(DamagedFile, match=r"t\.csv"):
            csvw.description(table, "config")
        path.write_bytes(whole)


def test_table_and_description_of_another_place_are_not_read(table):
    for end in ("", "-metadata.json"):
        shutil.copyfile(f"{table}{end}", table.with_name(f"other.csv{end}"))
    with pytest.raises(DamagedFile, match=r"other\.csv-metadata\.json"):
        csvw.description(table.with_name("other.csv"), "config")


def test_a_table_is_hashed_as_sha256sum_does(tmp_path):
    (tmp_path / "x.csv").write_text("abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert csvw.sha256(tmp_path / "x.csv") == known
