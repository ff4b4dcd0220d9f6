"""Files and folders that a config names."""

import pytest

from dejavu.config import paths, reruns
from dejavu.config.paths import File
from dejavu.errors import InputError

FILE, FOLDER = File("path"), File("images", is_folder=True, by_names=True)
LOCAL = File("architecture", is_folder=True, prefix="local-dir:").inside("model")
HUB = File("model", is_folder=True, or_name=True)


def found(settings, files, base):
    return [path for _, path in paths.named(settings, files, base)]


def test_keys_that_are_not_there_name_nothing(tmp_path):
    for settings in ({}, {"model": "ViT-B-32"}, {"model": {}}, {"path": None}):
        assert found(settings, [FILE, FOLDER, LOCAL], tmp_path) == []


def test_a_prefix_tells_a_path_from_a_name(tmp_path):
    assert found({"model": {"architecture": "ViT-B-32"}}, [LOCAL], tmp_path) == []
    assert found({"model": {"architecture": "local-dir:x/y"}}, [LOCAL], tmp_path) == ["x/y"]


def test_a_folder_goes_before_a_name_on_a_hub_and_what_looks_like_a_path_is_one(tmp_path):
    for name, is_path in (("owner/name", False), ("./name", True), ("a/b/c", True), ("/a", True)):
        assert found({"model": name}, [HUB], tmp_path) == ([name] if is_path else [])
    (tmp_path / "owner/name").mkdir(parents=True)
    assert found({"model": "owner/name"}, [HUB], tmp_path) == ["owner/name"]
    assert found({"model": "package:owner"}, [HUB], tmp_path) == []


def test_settings_are_relocated_in_a_copy_with_their_prefixes(tmp_path):
    settings = {"path": "a.csv", "parts": 2, "model": {"architecture": "local-dir:x"}}
    moved = paths.relocated(settings, [FILE, FOLDER, LOCAL], tmp_path, "../{}".format)
    assert moved == {"path": "../a.csv", "parts": 2, "model": {"architecture": "local-dir:../x"}}
    assert settings["model"] == {"architecture": "local-dir:x"}


def test_a_source_stands_in_the_paths_that_differ_by_it_alone(tmp_path):
    files = [File("path", of_source=True), File("images")]
    settings = {"path": "{source}/{source}_1", "images": "{source}"}
    assert paths.for_source(settings, files, tmp_path, "a") == {**settings, "path": "a/a_1"}
    assert paths.for_source({"path": "one"}, files, tmp_path, "a") == {"path": "one"}


def test_content_follows_what_the_record_says(tmp_path):
    (tmp_path / "images").mkdir()
    picture, table = tmp_path / "images/1.jpg", tmp_path / "a.csv"
    settings = {"path": "a.csv", "images": "images"}

    def content(picture_bytes, table_bytes):
        picture.write_bytes(picture_bytes)
        table.write_bytes(table_bytes)
        reruns.content_of.cache_clear()
        reruns.listing_of.cache_clear()
        return paths.contents(settings, [FILE, FOLDER], tmp_path)

    first = content(b"1", b"1")
    assert len(first) == 2
    assert content(b"2", b"1") == first, "of very many files names and sizes count alone"
    changed = content(b"1", b"2")
    assert changed[0] != first[0] and changed[1] == first[1]
    assert content(b"11", b"1")[1] != first[1]


def test_only_the_folder_that_is_read_counts(tmp_path):
    for name in ("metadata", "img_emb"):
        (tmp_path / name).mkdir()
    file = File("path", is_folder=True, by_names=True, below="metadata")

    def content():
        reruns.listing_of.cache_clear()
        return paths.contents({"path": "."}, [file], tmp_path)

    first = content()
    (tmp_path / "img_emb/0.npy").touch()
    assert content() == first
    (tmp_path / "metadata/0.parquet").touch()
    assert content() != first


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"path": "no.csv"}, "x.path: there is no file"),
        ({"path": "images"}, "x.path: there is no file"),
        ({"images": "a.csv"}, "x.images: there is no folder"),
        ({"model": {"architecture": "local-dir:no"}}, "x.model.architecture: there is no folder"),
    ],
)
def test_what_is_missing_is_one_sentence(tmp_path, settings, told):
    (tmp_path / "images").mkdir()
    (tmp_path / "a.csv").touch()
    with pytest.raises(InputError, match=told):
        paths.check("x", settings, [FILE, FOLDER, LOCAL], tmp_path)
    paths.check("x", {"path": "a.csv", "images": "images"}, [FILE, FOLDER, LOCAL], tmp_path)
