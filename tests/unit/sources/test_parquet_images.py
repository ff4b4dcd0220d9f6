"""Pictures inside Parquet files: as bytes, or as Hugging Face's structs of bytes and path."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dejavu.errors import InputError
from dejavu.sources import Record, parquet_images
from dejavu.sources.captions import Captions
from dejavu.sources.cells import NO_LABELS
from dejavu.sources.images import decode, open_image
from dejavu.sources.table import read_rows

COLUMNS = {"id": "id", "image": "image", "caption": "caption", "objects": "objects"}
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def read(path, part=0, parts=1, columns=COLUMNS, separator=";"):
    return list(read_rows(path, columns, separator, Captions("one", 0), part, parts))


def pixels(image):
    return np.asarray(image).tolist()


@pytest.fixture
def written(tmp_path, picture_bytes):
    """A function that writes seven rows in row groups of three."""

    def write(image=None, objects=None, kind=IMAGE, features=None):
        contents = [picture_bytes(n) for n in range(7)]
        image = image or (lambda n: {"bytes": contents[n], "path": f"{n}.jpg"})
        table = pa.table(
            {
                "id": pa.array(range(7)),
                "image": pa.array([image(n) for n in range(7)], kind),
                "caption": [f"number {n}" for n in range(7)],
                "objects": objects or [["dog"]] * 7,
            }
        )
        if features is not None:
            told = json.dumps({"info": {"features": features}})
            table = table.replace_schema_metadata({"huggingface": told})
        path = tmp_path / "train-00000-of-00001.parquet"
        pq.write_table(table, path, row_group_size=3)
        return path

    return write


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("kind", [IMAGE, pa.binary(), pa.large_binary()])
def test_a_picture_stays_in_the_table_and_is_opened_there(written, picture_bytes, kind, parts):
    image = None if kind is IMAGE else picture_bytes
    path = written(image, kind=kind)
    found = [each for part in range(parts) for each in read(path, part, parts)]
    assert [each.id for each in found] == [str(n) for n in range(7)]
    for number in (6, 0, 3, 2):
        assert found[number].image == f"{path}#image@{number}"
        assert pixels(open_image(found[number].image)) == pixels(decode(picture_bytes(number)))


def test_a_row_without_bytes_names_a_file_or_has_no_picture(written, tmp_path, picture_bytes):
    (tmp_path / "1.jpg").write_bytes(picture_bytes(9))
    images = {0: {"bytes": None, "path": None}, 1: {"bytes": None, "path": "1.jpg"}}
    images |= {2: None, 3: {"bytes": b"no picture", "path": "1.jpg"}}
    good = {"bytes": picture_bytes(0), "path": None}
    found = read(written(lambda n: images.get(n, good)))
    assert found[1].image == str(tmp_path / "1.jpg")
    assert [found[n].reason for n in (0, 2)] == ["no image"] * 2
    assert found[3].reason == "unreadable image: cannot identify image file the bytes"
    assert [type(each) for each in found[4:]] == [Record] * 3


@pytest.mark.parametrize("is_list", [False, True])
def test_numbers_of_classes_become_their_names(written, is_list):
    feature = {"names": ["tench; a fish", "dog"], "_type": "ClassLabel"}
    codes = [1, 0, 1, -1, 2, 1, 0]
    objects = [[code, 1] for code in codes] if is_list else codes
    features = {"objects": {"feature": feature, "_type": "Sequence"} if is_list else feature}
    found = read(written(objects=objects, features=features))
    expected = [["dog"], ["dog", "tench; a fish"] if is_list else ["tench; a fish"]]
    assert [each.objects for each in found[:2]] == expected
    # -1 stands for unknown, and 2 for nothing.
    assert [found[n].reason for n in (3, 4)] == [NO_LABELS] * 2


def test_types_that_do_not_fit_are_told_before_any_row_is_read(written):
    path = written(objects=[1] * 7)
    with pytest.raises(InputError, match="column 'objects' for the objects holds Int64, not text"):
        read(path)
    with pytest.raises(InputError, match="column 'image' for the caption holds") as error:
        read(path, columns={**COLUMNS, "caption": "image"})
    assert len(str(error.value)) < 400


def test_a_row_group_that_is_too_large_is_told(written, monkeypatch):
    monkeypatch.setattr(parquet_images, "LARGEST_GROUP", 100)
    with pytest.raises(InputError, match="row groups of 100 rows"):
        read(written())


def test_pictures_are_found_whatever_groups_are_kept(written, picture_bytes, monkeypatch):
    monkeypatch.setattr(parquet_images, "KEPT_BYTES", 1)
    path = written()
    for number in (0, 6, 1, 5, 2, 4, 3):
        value = parquet_images.read_value(str(path), "image", number)
        assert value == picture_bytes(number)
    with pytest.raises(OSError, match="no row 7"):
        parquet_images.read_value(str(path), "image", 7)


def test_coded_and_fixed_lists_and_large_strings_are_read_as_what_they_are(tmp_path, picture_bytes):
    (tmp_path / "a.jpg").write_bytes(picture_bytes(1))
    labels = pa.array(["dog", "cat"] * 2)
    columns = {
        "id": pa.array(["x", "y"], pa.large_string()),
        "image": pa.array(["a.jpg"] * 2).dictionary_encode(),
        "caption": pa.array([["one", "two"]] * 2, pa.list_(pa.string(), 2)),
        "objects": pa.FixedSizeListArray.from_arrays(labels.dictionary_encode(), 2),
    }
    path = tmp_path / "coded.parquet"
    pq.write_table(pa.table(columns), path)
    found = read(path)
    assert [(each.id, each.objects) for each in found] == [
        ("x", ["cat", "dog"]),
        ("y", ["cat", "dog"]),
    ]
