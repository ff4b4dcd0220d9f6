"""Tables of images: Parquet and CSV, good rows and bad."""

import csv
import json
import os

import polars as pl
import pytest

from dejavu.errors import InputError
from dejavu.sources import Record, Rejected
from dejavu.sources.admission import admitted
from dejavu.sources.captions import Captions
from dejavu.sources.cells import NO_LABELS
from dejavu.sources.columns import readable, scan_table
from dejavu.sources.images import open_image
from dejavu.sources.table import read_rows

COLUMNS = {"id": "id", "image": "image", "caption": "caption", "objects": "objects"}


@pytest.fixture
def folder(tmp_path, picture_bytes):
    (tmp_path / "img").mkdir()
    for number in range(3):
        (tmp_path / "img" / f"{number}.jpg").write_bytes(picture_bytes(number))
    (tmp_path / "img" / "broken.jpg").write_bytes(picture_bytes(0)[:150])
    return tmp_path


def written(folder, rows, suffix, columns=COLUMNS):
    path = folder / f"rows{suffix}"
    names = list(columns.values())
    if suffix == ".parquet":
        values = zip(*rows, strict=True)
        pl.DataFrame(dict(zip(names, map(list, values), strict=True))).write_parquet(path)
    else:
        with open(path, "w", newline="", encoding="utf-8") as file:  # noqa: PTH123
            csv.writer(file).writerows([names, *rows])
    return path


def read(path, columns=COLUMNS, separator=";", part=0, parts=1):
    return list(read_rows(path, columns, separator, Captions("one", 0), part, parts))


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_rows_become_records_with_labels_sorted_and_unique(folder, suffix):
    rows = [
        ("a", "img/0.jpg", " a dog, a cat ", "dog;cat; dog ;"),
        ("b", "img/1.jpg", 'two\n"lines"', '["tree", "a;b"]'),
        ("été", str(folder / "img/2.jpg"), "狗", "狗"),
    ]
    found = read(written(folder, rows, suffix))
    assert [(each.id, each.caption, each.objects) for each in found] == [
        ("a", "a dog, a cat", ["cat", "dog"]),
        ("b", 'two\n"lines"', ["a;b", "tree"]),
        ("été", "狗", ["狗"]),
    ]
    for each in found:
        assert open_image(each.image).size == (24, 20)


def test_several_captions_are_one_sample_or_several(folder):
    rows = [("a", "img/0.jpg", ["x", " ", "y "], ["d"]), ("b", "img/1.jpg", [" "], [])]
    path = written(folder, rows, ".parquet")
    each = list(read_rows(path, COLUMNS, ";", Captions("each", 0), 0, 1))
    assert [(found.id, found.caption) for found in each[:2]] == [("a#0", "x"), ("a#1", "y")]
    assert [found.objects for found in each[:2]] == [["d"], ["d"]]
    assert each[2].reason == "no caption"
    (one, _) = read(path)
    assert one.id == "a" and one.caption in ("x", "y")


def test_objects_are_not_read_where_they_are_annotated_elsewhere(folder):
    columns = {role: name for role, name in COLUMNS.items() if role != "objects"}
    path = written(folder, [("a", "img/0.jpg", "x")], ".csv", columns)
    (found,) = read(path, columns)
    assert (found.id, found.objects) == ("a", [])


def test_parquet_lists_and_whole_numbers_are_taken_as_they_are(folder):
    rows = [(7, "img/0.jpg", "x", ["b", "a"]), (8, "img/1.jpg", "y", [])]
    found = read(written(folder, rows, ".parquet"))
    assert [(each.id, each.objects) for each in found] == [("7", ["a", "b"]), ("8", [])]


def test_csv_ids_keep_their_leading_zeros(folder):
    found = read(written(folder, [("007", "img/0.jpg", "1.50", "1")], ".csv"))
    assert (found[0].id, found[0].caption, found[0].objects) == ("007", "1.50", ["1"])


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_names_of_columns_and_the_separator_are_configurable(folder, suffix):
    columns = {"id": "key", "image": "file", "caption": "the text", "objects": "Objects"}
    rows = [("a", "img/0.jpg", "x", "b; c|a")]
    path = written(folder, rows, suffix, columns)
    assert read(path, columns, separator="|")[0].objects == ["a", "b; c"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_missing_column_gives_a_sentence_with_the_key_and_the_columns(folder, suffix):
    path = written(folder, [("a", "img/0.jpg", "x", "b")], suffix)
    with pytest.raises(InputError) as error:
        read(path, {**COLUMNS, "caption": "text"})
    for part in (path.name, "'text'", "`columns.caption`", "id, image, caption, objects"):
        assert part in str(error.value)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_empty_cells_are_rejected_with_their_row_and_reason(folder, suffix):
    rows = [
        ("", "img/0.jpg", "x", "a"),
        ("b", "", "x", "a"),
        ("c", "img/0.jpg", "", "a"),
        ("d", "img/0.jpg", "  ", "a"),
        ("e", "img/missing.jpg", "x", "a"),
        ("f", "img/broken.jpg", "x", "a"),
        ("g", "img/0.jpg", "x", '["a", 1]'),
        ("h", "img/0.jpg", "x", '["a"'),
        ("i", "img/0.jpg", "x", "a"),
    ]
    path = written(folder, rows, suffix)
    found = [each for part in range(2) for each in read(path, part=part, parts=2)]
    assert isinstance(found[-1], Record)
    expected = [
        (None, "no id"),
        ("b", "no image"),
        ("c", "no caption"),
        ("d", "no caption"),
        ("e", "unreadable image"),
        ("f", "unreadable image"),
        ("g", "objects are not a list of labels"),
        ("h", "objects are not a list of labels"),
    ]
    for row, (each, (identifier, reason)) in enumerate(zip(found[:-1], expected, strict=True)):
        assert isinstance(each, Rejected)
        assert (each.item, each.id) == (f"{path}#row {row}", identifier)
        assert each.reason.startswith(reason)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_cell_without_labels_is_a_picture_without_objects(folder, suffix):
    rows = [
        ("a", "img/0.jpg", "x", ""),
        ("b", "img/0.jpg", "x", " ; "),
        ("c", "img/0.jpg", "x", "[]"),
    ]
    assert [each.objects for each in read(written(folder, rows, suffix))] == [[], [], []]


def test_null_labels_of_a_parquet_table_are_unknown_and_rejected(folder):
    found = read(
        written(folder, [("a", "img/0.jpg", "x", "a"), ("b", "img/0.jpg", "x", None)], ".parquet")
    )
    assert [type(each) for each in found] == [Record, Rejected]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("rows", [0, 1, 7, 10])
@pytest.mark.parametrize("parts", [1, 2, 3, 11])
def test_parts_cover_every_row_once(folder, suffix, rows, parts):
    made = [(f"i{row}", "img/0.jpg", "one\ntwo, three", "a") for row in range(rows)]
    path = folder / f"rows{suffix}"
    if rows:
        written(folder, made, suffix)
    elif suffix == ".csv":
        path.write_text("id,image,caption,objects\n")
    else:
        pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String)).write_parquet(path)
    found = [each for part in range(parts) for each in read(path, part=part, parts=parts)]
    assert [each.id for each in found] == [row[0] for row in made]


def test_other_files_and_missing_files_give_a_sentence(folder):
    for name in ("rows.xlsx", "rows"):
        with pytest.raises(InputError, match=r"neither a \.parquet nor a \.csv nor a \.tsv file"):
            read(folder / name)
    for name in ("missing.csv", "missing.parquet"):
        with pytest.raises(InputError, match=f"{name} cannot be read as") as error:
            read(folder / name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("ragged.csv", b"id,image,caption,objects\na,img/0.jpg,x,b\na,b,c,d,e,f\n"),
        ("latin.csv", "id,image,caption,objects\na,img/0.jpg,été,b\n".encode("latin-1")),
        ("text.parquet", b"not parquet at all, but long enough"),
        ("empty.parquet", b""),
    ],
)
def test_files_that_cannot_be_parsed_give_a_sentence(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name} cannot be read as") as error:
        read(folder / name)
    assert "\n" not in str(error.value)
    remedies = ("write it anew, or name another file", "into quotes", "save it as UTF-8")
    assert any(remedy in str(error.value) for remedy in remedies)


def test_a_damaged_parquet_table_gives_a_sentence_or_its_rows(folder):
    made = [(f"id{row}", "img/0.jpg", json.dumps([row]) * 30, "a") for row in range(200)]
    path = written(folder, made, ".parquet")
    content = path.read_bytes()
    sentences = 0
    for place in range(10, len(content), len(content) // 60):
        damaged = bytearray(content)
        damaged[place : place + 6] = b"\xff" * 6
        path.write_bytes(damaged)
        try:
            assert len(read(path)) == 200
        except InputError as error:
            sentences += 1
            assert "\n" not in str(error)
    assert sentences


@pytest.mark.parametrize(("suffix", "separator"), [(".tsv", "\t"), (".csv", "\t"), (".csv", ";")])
def test_cells_may_be_parted_otherwise_as_open_clip_parts_them(folder, suffix, separator):
    path = folder / f"rows{suffix}"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [("filepath", "title"), ("img/0.jpg", "a dog, a cat"), ("img/1.jpg", 'a\n"line"')]
        csv.writer(file, delimiter=separator).writerows(rows)
    columns = {"id": "filepath", "image": "filepath", "caption": "title"}
    found = read(path, columns)
    expected = [("img/0.jpg", "a dog, a cat"), ("img/1.jpg", 'a\n"line"')]
    assert [(each.id, each.caption) for each in found] == expected


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_path_is_a_path_and_no_pattern(folder, suffix):
    wanted = written(folder, [("a", "img/0.jpg", "x", "b")], suffix)
    wanted.rename(folder / f"train[1]{suffix}")
    written(folder, [("other", "img/0.jpg", "x", "b")], suffix).rename(folder / f"train1{suffix}")
    assert [each.id for each in read(folder / f"train[1]{suffix}")] == ["a"]


@pytest.mark.parametrize(
    "cell",
    ["['a', 'b']", "['a' 'b']", "{'a'}", "('a', 'b')", "('a',)", "set()", "frozenset({'a'})"],
)
def test_a_list_as_python_prints_it_is_no_label(folder, cell):
    found = read(
        written(folder, [("a", "img/0.jpg", "x", cell), ("b", "img/0.jpg", "x", "(a) b")], ".csv")
    )
    assert found[0].reason == NO_LABELS
    assert found[1].objects == ["(a) b"]


def test_labels_joined_by_another_separator_are_told(folder):
    rows = [(f"{n}", "img/0.jpg", "x", "a, b" if n else "c") for n in range(3)]
    with pytest.raises(InputError, match="holds the separator ';', and 2 of 3 hold ','"):
        read(written(folder, rows, ".csv"))
    assert read(written(folder, rows, ".csv"), separator=",")[1].objects == ["a", "b"]
    rows = [(f"{n}", "img/0.jpg", "x", '["tench, Tinca"]') for n in range(3)]
    assert read(written(folder, rows, ".csv"))[1].objects == ["tench, Tinca"]


def test_what_is_no_regular_file_is_neither_read_nor_waited_for(folder):
    os.mkfifo(folder / "img" / "pipe.jpg")
    os.mkfifo(folder / "pipe.csv")
    (found,) = read(written(folder, [("a", "img/pipe.jpg", "x", "b")], ".csv"))
    assert found.reason == "unreadable image: it is not a regular file"
    with pytest.raises(InputError, match="not a regular file"):
        read(folder / "pipe.csv")


def test_a_path_with_a_nul_is_a_row_that_is_rejected(folder):
    rows = [("a", "img/0\0.jpg", "x", "b"), ("b", "img/0.jpg", "x", "b")]
    found = read(written(folder, rows, ".parquet"))
    assert found[0].reason.startswith("unreadable image: its name can't be") and found[1].id == "b"


def test_a_file_is_found_however_the_disk_spells_it(folder, picture_bytes):
    (folder / "img" / "e\u0301.jpg").write_bytes(picture_bytes(5))
    (found,) = read(written(folder, [("a", "img/\u00e9.jpg", "x", "b")], ".csv"))
    assert open_image(found.image).size == (24, 20)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_table_in_wide_characters_is_told_with_the_remedy(tmp_path, encoding, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes("id,image\n1,a.png\n".encode(encoding))
    with pytest.raises(InputError, match=f"a{suffix} is text in UTF-16 or UTF-32: save it"):
        scan_table(path, {"id": "id"}, "columns")


def test_a_row_with_more_cells_than_columns_is_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,image\n1,a.png\n2,b.png,c\n")
    told = "a row has more cells than the first line"
    with pytest.raises(InputError, match=told) as error, readable(path):
        scan_table(path, {"id": "id"}, "columns").collect()
    assert "Schema" not in str(error.value)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_further_columns_go_with_the_samples(folder, suffix):
    columns = {**COLUMNS, "further": "language"}
    rows = [("a", "img/0.jpg", "x", "d", "de"), ("b", "img/1.jpg", "y", "d", "")]
    path = written(folder, rows, suffix, columns)
    found = list(read_rows(path, COLUMNS, ";", Captions("one", 0), 0, 1, ["language"]))
    assert [admitted(each).further for each in found] == [("de",), (None,)]
    assert {each.further for each in read(path)} == {()}
    with pytest.raises(InputError, match=r"no column 'country' of text .* name another column"):
        list(read_rows(path, COLUMNS, ";", Captions("one", 0), 0, 1, ["country"]))
