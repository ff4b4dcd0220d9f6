"""What files of the config hold, and what is remembered of them."""

import errno
import os
import shutil
import time
from pathlib import Path

import pytest

from dejavu.config import contents
from dejavu.errors import InputError


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """A working directory of its own, in which no file is too young to be remembered."""
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    monkeypatch.setattr(contents, "TICK", 0)
    contents.content_of.cache_clear()
    contents.contents_of.cache_clear()


@pytest.fixture
def read(monkeypatch):
    """Content anew, as another process takes it, and which files were read for it."""
    files = []
    hashed = contents._hash

    def noted(path):
        files.append(Path(path).name)
        return hashed(path)

    monkeypatch.setattr(contents, "_hash", noted)

    def of(place):
        contents.content_of.cache_clear()
        files.clear()
        time.sleep(0.01)
        return contents.content_of(place), sorted(files)

    return of


def folder(path, count=3):
    for number in range(count):
        (path / f"n{number % 2}").mkdir(parents=True, exist_ok=True)
        (path / f"n{number % 2}" / f"{number}.jpg").write_bytes(bytes([number]) * 100)
    return path


def test_a_file_is_read_once_and_again_only_when_the_system_says_it_changed(tmp_path, read):
    data = folder(tmp_path / "data")
    first, files = read(data)
    assert files == ["0.jpg", "1.jpg", "2.jpg"]
    assert read(data) == (first, [])
    (data / "n1/1.jpg").touch()
    assert read(data) == (first, ["1.jpg"])
    (data / "n1/1.jpg").write_bytes(b"x" * 100)
    changed, files = read(data)
    assert changed != first and files == ["1.jpg"]


def test_a_change_is_seen_though_size_and_time_of_content_are_as_before(tmp_path, read):
    data = folder(tmp_path / "data")
    picture, first = data / "n0/0.jpg", read(data)[0]
    before = picture.stat()
    picture.write_bytes(b"y" * before.st_size)
    os.utime(picture, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert picture.stat().st_mtime_ns == before.st_mtime_ns
    assert read(data)[0] != first


def test_copied_moved_and_linked_folders_are_the_same_ones(tmp_path, read):
    data = folder(tmp_path / "data")
    first, _ = read(data)
    assert read(shutil.copytree(data, tmp_path / "copy"))[0] == first
    (tmp_path / "link").symlink_to(tmp_path / "copy")
    assert read(tmp_path / "link") == (first, [])
    assert read(data.rename(tmp_path / "moved"))[0] == first
    (tmp_path / "mixed").mkdir()
    for label in ("n0", "n1"):
        (tmp_path / "mixed" / label).symlink_to(tmp_path / "copy" / label)
    assert read(tmp_path / "mixed")[0] == first


@pytest.mark.parametrize("change", ["renamed", "removed", "added", "swapped"])
def test_names_count(tmp_path, read, change):
    data = folder(tmp_path / "data")
    first, _ = read(data)
    if change == "renamed":
        (data / "n0/0.jpg").rename(data / "n0/9.jpg")
    elif change == "removed":
        (data / "n0/0.jpg").unlink()
    elif change == "added":
        (data / "n0/9.jpg").touch()
    else:
        (data / "n0/0.jpg").rename(data / "x")
        (data / "n0/2.jpg").rename(data / "n0/0.jpg")
        (data / "x").rename(data / "n0/2.jpg")
    assert read(data)[0] != first


def test_hidden_files_and_links_that_lead_round_count_for_nothing(tmp_path, read):
    data = folder(tmp_path / "data")
    first, _ = read(data)
    (data / ".DS_Store").touch()
    (data / ".cache").mkdir()
    (data / ".cache/x").touch()
    (data / "n0/round").symlink_to(data)
    assert read(data)[0] == first


def test_what_can_not_be_read_counts_as_that_and_stops_nothing(tmp_path, read):
    data = folder(tmp_path / "data")
    seen = {read(data)[0]}
    os.mkfifo(data / "pipe")
    seen.add(read(data)[0])
    (data / "gone").symlink_to(tmp_path / "nowhere")
    seen.add(read(data)[0])
    assert len(seen) == 3
    name = os.fsdecode(os.fsencode(data) + b"/\xff.jpg")
    Path(name).touch()
    seen.add(read(data)[0])
    assert len(seen) == 4 and read(data)[1] == []


@pytest.mark.parametrize("damage", ["cut", "other", "empty", "folder", "head"])
def test_a_damaged_memory_costs_time_alone(tmp_path, read, damage):
    data = folder(tmp_path / "data")
    first, files = read(data)
    [memory] = contents.MEMORY.iterdir()
    text = memory.read_bytes()
    if damage == "folder":
        memory.unlink()
        memory.mkdir()
    else:
        memory.write_bytes(
            {
                "cut": text[:-10],
                "other": text.replace(b'"n0/0.jpg": [100', b'"n0/0.jpg": [101'),
                "empty": b"",
                "head": text.replace(first.encode(), b"0" * len(first)),
            }[damage]
        )
    (data / "n0/0.jpg").touch()
    assert read(data) == (first, files)


def test_the_memory_of_one_place_is_none_of_another(tmp_path, read):
    one, other = folder(tmp_path / "one"), folder(tmp_path / "other", 2)
    read(one)
    [memory] = contents.MEMORY.iterdir()
    expected, _ = read(other)
    [second] = set(contents.MEMORY.iterdir()) - {memory}
    shutil.copy(memory, second)
    assert read(other) == (expected, ["0.jpg", "1.jpg"])


def test_a_file_that_may_change_within_its_disks_clock_is_not_remembered(
    tmp_path, read, monkeypatch
):
    monkeypatch.setattr(contents, "TICK", 3600 * 10**9)
    data = folder(tmp_path / "data")
    first = read(data)
    assert first[1] and read(data) == first


def test_of_a_large_array_blocks_count_and_of_every_other_file_all(tmp_path, read, monkeypatch):
    monkeypatch.setattr(contents, "WHOLE", 2**20)
    monkeypatch.setattr(contents, "BLOCKS", 4)
    content = bytearray(2**21)
    found = {}
    for name in ("a.npy", "a.tar"):
        for place in (None, 0, 10**6, 2**21 - 1):
            changed = bytearray(content)
            if place is not None:
                changed[place] = 1
            (tmp_path / name).write_bytes(changed)
            found[name, place] = read(tmp_path / name)[0]
    assert len({found["a.tar", place] for place in (None, 0, 10**6, 2**21 - 1)}) == 4
    assert len({found["a.npy", place] for place in (None, 0, 2**21 - 1)}) == 3
    assert found["a.npy", 10**6] == found["a.npy", None]


@pytest.mark.parametrize("code", [errno.EIO, errno.EMFILE, errno.ESTALE])
def test_a_failing_disk_is_told_and_taken_for_no_change(tmp_path, monkeypatch, code):
    data = folder(tmp_path / "data")

    def fail(*_, **__):
        raise OSError(code, os.strerror(code), str(data / "n0/0.jpg"))

    monkeypatch.setattr("builtins.open", fail)
    with pytest.raises(InputError, match=f"can't be read .{os.strerror(code)}"):
        contents.content_of(data)


def test_files_of_a_pattern_have_hashes_of_their_own(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for name, text in (("0.tar", "x"), ("1.tar", "x"), ("2.tar", "y"), ("stats.json", "z")):
        (data / name).write_text(text)
    names, (first, second, third) = zip(*contents.contents_of(data, "*.tar"), strict=True)
    assert names == ("0.tar", "1.tar", "2.tar")
    assert first == second != third


def test_files_that_another_names_are_told_by_name_and_content(tmp_path):
    data = folder(tmp_path / "data")

    def told(names):
        return contents.content_of_named(data, names, data / "table.csv")

    other = tmp_path / "other.jpg"
    other.write_bytes(b"1")
    names = ["n0/0.jpg", "n1/1.jpg", "gone.jpg", "no\0name", str(other)]
    first = told(names)
    assert told(names) == first != told(names[:1])
    (data / "n0/2.jpg").write_bytes(b"no name of it stands in the table")
    assert told(names) == first
    for path in (data / "n1/1.jpg", other):
        path.write_bytes(b"x" * 100)
        assert told(names) != first
        first = told(names)
