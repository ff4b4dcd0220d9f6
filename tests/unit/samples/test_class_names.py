"""Readable names of class folders, in the forms in which they are published."""

import pytest

from dejavu.errors import InputError
from dejavu.samples import class_names

NAMES = {"n01440764": "tench", "n02119789": "kit_fox, Vulpes"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("index.json", '{"0": ["n01440764", "tench"], "1": ["n02119789", "kit_fox, Vulpes"]}'),
        ("names.json", '{"n01440764": "tench", "n02119789": "kit_fox, Vulpes"}'),
        ("names.csv", 'wnid,name\nn01440764,tench\nn02119789,"kit_fox, Vulpes"\n'),
    ],
)
def test_names_are_read_by_class_folder(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    assert class_names.read(path) == NAMES


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.csv", '\ufeffwnid,name\r\n001,1.0\r\n"e\u0301t\u00e9","a\u2028b"\r\n'),
        ("names.json", '\ufeff{"001": "1.0", "e\\u0301t\u00e9": "a\u2028b"}'),
    ],
)
def test_names_keep_their_spelling_in_one_form_of_unicode(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    assert class_names.read(path) == {"001": "1.0", "\u00e9t\u00e9": "a\u2028b"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.json", "{", "cannot be read as class names"),
        ("a.json", "[1]", "cannot be read as class names"),
        ("a.json", '{"0": ["n1"]}', "holds no class names"),
        ("a.json", '{"n1": 3}', "holds no class names"),
        ("a.csv", "wnid\nn1\n", "holds no class names"),
        ("a.csv", "wnid,name\nn1,a\nn1,b\n", "gives a class folder two names"),
    ],
)
def test_what_holds_no_names_is_one_sentence(tmp_path, name, text, told):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=told):
        class_names.read(path)
