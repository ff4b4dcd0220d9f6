"""Files and folders that a config names."""

from pathlib import Path

import pytest

from dejavu.config import contents, paths
from dejavu.config.paths import File
from dejavu.errors import InputError

FILE, FOLDER = File("path"), File("images", is_folder=True)
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


def test_paths_are_replaced_in_a_copy_and_keep_their_prefixes(tmp_path):
    settings = {"path": "a.csv", "parts": 2, "model": {"architecture": "local-dir:x"}}
    moved = paths.replaced(settings, [FILE, FOLDER, LOCAL], tmp_path, lambda _, path: f"../{path}")
    assert moved == {"path": "../a.csv", "parts": 2, "model": {"architecture": "local-dir:../x"}}
    assert settings["model"] == {"architecture": "local-dir:x"}


def test_a_source_stands_in_the_paths_that_differ_by_it_alone(tmp_path):
    files = [File("path", of_source=True), File("images")]
    settings = {"path": "{source}/{source}_1", "images": "{source}"}
    assert paths.for_source(settings, files, tmp_path, "a") == {**settings, "path": "a/a_1"}
    assert paths.for_source({"path": "one"}, files, tmp_path, "a") == {"path": "one"}


def test_a_path_leads_where_the_disk_has_it_also_through_links(tmp_path, monkeypatch):
    for folder in ("checkout", "disk/link/pictures", "disk/data", "data", "run"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "checkout/linked").symlink_to(tmp_path / "disk/link/pictures")
    (tmp_path / "disk/other").symlink_to(tmp_path / "checkout")
    monkeypatch.chdir(tmp_path / "run")
    for base, path, wanted in (
        (tmp_path / "checkout", "../data", "../data"),
        (tmp_path / "checkout", "linked/../../data", "../disk/data"),
        # By the letters, this would be disk/data.
        (tmp_path / "disk/other", "../data", "../data"),
        # What is no way up stays a link: the target's name may have another ending.
        (tmp_path / "checkout", "linked", "../checkout/linked"),
        (tmp_path / "checkout", str(tmp_path / "a/../b"), str(tmp_path / "a/../b")),
    ):
        assert paths.from_here(path, base) == wanted
        if not path.startswith("/"):
            assert Path(wanted).samefile(base / path)


@pytest.fixture
def told(monkeypatch, tmp_path):
    """What settings with paths tell, each time anew."""
    monkeypatch.chdir(tmp_path)

    def of(settings, files, base=tmp_path):
        contents.content_of.cache_clear()
        return paths.told(settings, files, base)

    return of


def test_hashes_of_content_stand_for_paths(tmp_path, told):
    (tmp_path / "images").mkdir()
    picture, table = tmp_path / "images/1.jpg", tmp_path / "a.csv"
    settings = {"path": "a.csv", "images": "images", "parts": 2}
    picture.write_bytes(b"1")
    table.write_bytes(b"1")
    first = told(settings, [FILE, FOLDER])
    assert first["parts"] == 2 and not {"a.csv", "images"} & set(first.values())
    picture.write_bytes(b"2")
    second = told(settings, [FILE, FOLDER])
    assert second["path"] == first["path"] and second["images"] != first["images"]
    table.write_bytes(b"2")
    assert told(settings, [FILE, FOLDER])["path"] != first["path"]


def test_what_moves_stays_the_same_however_its_path_is_written(tmp_path, told):
    for place in ("here", "elsewhere/there"):
        (tmp_path / place / "images/n01").mkdir(parents=True)
        (tmp_path / place / "images/n01/1.jpg").write_bytes(b"1")
        (tmp_path / place / "a.csv").write_bytes(b"x")
    settings = {"path": "here/a.csv", "images": "here/images"}
    first = told(settings, [FILE, FOLDER])
    for place in ("elsewhere/there", str(tmp_path / "here"), "./here", "elsewhere/../here"):
        moved = {"path": f"{place}/a.csv", "images": f"{place}/images"}
        assert told(moved, [FILE, FOLDER]) == first
    below = {"path": "a.csv", "images": "images"}
    assert told(below, [FILE, FOLDER], tmp_path / "here") == first


def test_only_the_folder_that_is_read_counts(tmp_path, told):
    for name in ("metadata", "img_emb"):
        (tmp_path / "data" / name).mkdir(parents=True)
    file = File("path", is_folder=True, below="metadata")
    first = told({"path": "data"}, [file])
    (tmp_path / "data/img_emb/0.npy").touch()
    assert told({"path": "data"}, [file]) == first
    (tmp_path / "data/metadata/0.parquet").touch()
    assert told({"path": "data"}, [file]) != first


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"path": "no.csv"}, "x.path: there is no file"),
        ({"path": "images"}, r"x.path: .*images is a folder: put a file there"),
        ({"images": "a.csv"}, r"x.images: .*a.csv is a file: put a folder there"),
        ({"model": {"architecture": "local-dir:no"}}, "x.model.architecture: there is no folder"),
    ],
)
def test_what_is_missing_is_one_sentence(tmp_path, settings, told):
    (tmp_path / "images").mkdir()
    (tmp_path / "a.csv").touch()
    with pytest.raises(InputError, match=told):
        paths.check("x", settings, [FILE, FOLDER, LOCAL], tmp_path)
    paths.check("x", {"path": "a.csv", "images": "images"}, [FILE, FOLDER, LOCAL], tmp_path)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (FILE, r"Snakefile\. Braces stand for nothing here\.$"),
        (File("path", of_source=True), r"Braces stand for a name as \{source\} alone here\.$"),
    ],
)
def test_braces_that_stand_for_nothing_are_told(tmp_path, file, told):
    settings = paths.for_source({"path": "{source}/{set}.npy"}, [file], tmp_path, "w")
    with pytest.raises(InputError, match=told):
        paths.check("x", settings, [file], tmp_path)
    with pytest.raises(InputError, match=r"Snakefile\.$"):
        paths.check("x", {"path": "none.npy"}, [file], tmp_path)
