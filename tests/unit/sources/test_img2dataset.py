"""Webdataset tar shards, well formed and not."""

import io
import json
import os
import re
import tarfile

import numpy as np
import pytest
from PIL import Image

from dejavu.errors import InputError
from dejavu.sources import Record, Rejected, img2dataset
from dejavu.sources.admission import admitted
from dejavu.sources.images import open_image
from dejavu.sources.img2dataset import read_tar, tar_files


@pytest.fixture
def tar(tmp_path):
    """A function that writes members in the order given, and returns the path."""

    def write(*members, name="00000.tar"):
        path = tmp_path / "shards" / name
        path.parent.mkdir(exist_ok=True)
        with tarfile.open(path, "w") as archive:
            for member, content in members:
                header = tarfile.TarInfo(member)
                header.size = len(content)
                archive.addfile(header, io.BytesIO(content))
        return path

    return write


@pytest.fixture
def sample(picture_bytes):
    """A function that makes the three members of a sample."""

    def make(key, objects=("dog",), caption=b" a dog \n", suffix="jpg", number=0, **facts):
        return [
            (f"{key}.{suffix}", picture_bytes(number)),
            (f"{key}.txt", caption),
            (f"{key}.json", json.dumps({"objects": list(objects), **facts}).encode()),
        ]

    return make


def read(path, *options):
    return list(read_tar(path, *(options or ("objects",))))


def reasons(path, *options):
    return {
        each.item.partition("#")[2]: each.reason
        for each in read(path, *options)
        if isinstance(each, Rejected)
    }


def test_a_sample_has_its_key_caption_labels_and_pixels(tar, sample, picture_bytes):
    members = sample("000000007", objects=["tree", "dog ", "", "dog"], number=7)
    (record,) = read(tar(*members))
    assert (record.id, record.caption, record.objects) == ("000000007", "a dog", ["dog", "tree"])
    from_bytes = np.asarray(open_image(record.image))
    assert from_bytes.shape == (20, 24, 3)
    assert record.image.partition("#")[2].startswith("000000007.jpg@")


def test_members_come_in_any_order(tar, sample):
    members = [member for key in "abcd" for member in sample(key, number=ord(key))]
    expected = {each.id: each for each in read(tar(*members))}
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(members))
        path = tar(*(members[place] for place in order), name=f"{seed}.tar")
        found = read(path)
        assert {each.id for each in found} == set("abcd")
        for each in found:
            first = expected[each.id]
            assert (each.caption, each.objects) == (first.caption, first.objects)
            assert open_image(each.image).tobytes() == open_image(first.image).tobytes()


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "png", "webp", "JPG", "Jpeg", "PNG"])
def test_images_of_every_usual_suffix_are_taken(tar, sample, suffix):
    (record,) = read(tar(*sample("a", suffix=suffix)))
    assert open_image(record.image).size == (24, 20)


def test_keys_are_the_names_up_to_the_first_dot_with_their_folders(tar, sample):
    members = [
        *sample("train/0001"),
        *sample("val/0001"),
        *sample("./a.b/0002"),
        *sample("été/狗 1"),
        ("train/0001.seg.png", b"another file of the sample"),
        ("train/0001.cls", b"3"),
    ]
    keys = ["train/0001", "val/0001", "./a.b/0002", "été/狗 1"]
    assert [each.id for each in read(tar(*members))] == keys


@pytest.mark.parametrize("key", ["../../escape", "/absolute/escape", "a/../../../escape"])
def test_names_that_point_elsewhere_are_rejected_and_never_written(tar, sample, tmp_path, key):
    path = tar(*sample("a"), *sample(key), name="deep.tar")
    before = sorted(each for each in tmp_path.rglob("*"))
    assert [each.id for each in read(path) if isinstance(each, Record)] == ["a"]
    assert reasons(path) == {key: "the member's name leads out of a folder"}
    assert sorted(each for each in tmp_path.rglob("*")) == before


def test_a_name_with_the_marks_of_a_reference_is_read(tar, sample):
    (record,) = read(tar(*sample("a#b@1+2")))
    assert (record.id, open_image(record.image).size) == ("a#b@1+2", (24, 20))


def test_links_and_devices_are_rejected_and_folders_passed_over(tar, sample, tmp_path):
    path = tar(*sample("a"))
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    kinds = {
        "b.jpg": tarfile.SYMTYPE,
        "c.jpg": tarfile.LNKTYPE,
        "d.jpg": tarfile.CHRTYPE,
        "e.jpg": tarfile.BLKTYPE,
        "f.jpg": tarfile.FIFOTYPE,
        "g.jpg": tarfile.DIRTYPE,
    }
    with tarfile.open(path, "a") as archive:
        for name, kind in kinds.items():
            header = tarfile.TarInfo(name)
            header.type, header.linkname = kind, "../secret.jpg"
            archive.addfile(header)
    assert [each.id for each in read(path) if isinstance(each, Record)] == ["a"]
    assert reasons(path) == dict.fromkeys("bcdef", "a member that is neither a file nor a folder")


def sparse_header(name, stored, size):
    """A GNU sparse member's header: `stored` bytes in the archive stand for `size` in the file."""
    header = tarfile.TarInfo(name)
    header.type, header.size = tarfile.GNUTYPE_SPARSE, stored
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[386:398], block[398:410] = b"%011o\0" % 0, b"%011o\0" % stored
    block[483:495] = b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def test_huge_and_sparse_members_are_rejected_without_being_read(tar, sample, monkeypatch):
    monkeypatch.setattr(img2dataset, "LARGEST_MEMBER", 5000)
    monkeypatch.setattr(img2dataset, "LARGEST_TEXT", 100)
    path = tar(
        *sample("a"),
        ("b.jpg", bytes(5001)),
        ("c.json", b'{"objects": []}' + b" " * 100),
        ("d.txt", b"word " * 50),
    )
    with tarfile.open(path) as archive:
        end = archive.getmembers()[-1].offset_data + 512
    content = path.read_bytes()[:end] + sparse_header("e.jpg", 512, 8 * 2**30 - 1) + bytes(512)
    path.write_bytes(content + bytes(2 * tarfile.BLOCKSIZE))
    assert [each.id for each in read(path) if isinstance(each, Record)] == ["a"]
    assert reasons(path) == {
        "b": "a member is too large: 5001 bytes, over 5000",
        "c": "a member is too large: 115 bytes, over 100",
        "d": "a member is too large: 250 bytes, over 100",
        "e": "a sparse member",
    }


def test_a_bomb_of_pixels_is_rejected_and_not_decoded(tar, sample, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 20 - 1)
    path = tar(*sample("a"))
    assert re.match("unreadable image: .*480 pixels", reasons(path)["a"])


def test_objects_are_not_asked_for_where_they_are_annotated_elsewhere(tar, sample):
    kept = [member for member in sample("a") if not member[0].endswith(".json")]
    facts = {"key": "a", "status": "success", "error_message": None, "exif": "{}", "width": 24}
    path = tar(*kept, ("a.json", json.dumps(facts).encode()))
    assert [(each.id, each.objects) for each in read(path, None)] == [("a", [])]
    assert set(reasons(path)) == {"a"}


def test_what_is_missing_or_broken_is_rejected_with_its_reason(tar, sample, picture_bytes):
    def without(key, suffix, content=None):
        kept = [member for member in sample(key) if not member[0].endswith(suffix)]
        return kept if content is None else [*kept, (f"{key}{suffix}", content)]

    half = picture_bytes(kind="png")[:300]
    path = tar(
        *sample("good"),
        *without("no_text", ".txt"),
        *without("blank_text", ".txt", b" \n"),
        *without("no_json", ".json"),
        *without("no_image", ".jpg"),
        *without("half_image", ".jpg", half),
        *without("empty_image", ".jpg", b""),
        *without("bad_json", ".json", b'{"objects": ['),
        *without("deep_json", ".json", b"[" * 200_000),
        *without("list_json", ".json", b"[1]"),
        *without("bad_text", ".txt", b"\xff\xfe"),
        *without("word_objects", ".json", b'{"objects": "dog"}'),
        *without("number_objects", ".json", b'{"objects": ["dog", 3]}'),
        *without("null_objects", ".json", b'{"objects": null}'),
        *without("no_objects", ".json", b"{}"),
        *without("empty_objects", ".json", b'{"objects": []}'),
    )
    assert [(each.id, each.objects) for each in read(path) if isinstance(each, Record)] == [
        ("good", ["dog"]),
        ("empty_objects", []),
    ]
    expected = {
        "no_text": "no caption",
        "blank_text": "no caption",
        "no_json": "no list of labels in the field 'objects'",
        "no_image": "no .jpg, .png or .webp member",
        "half_image": "unreadable image",
        "empty_image": "unreadable image",
        "bad_json": "unreadable .json or .txt",
        "deep_json": "unreadable .json or .txt",
        "list_json": "unreadable .json: it is not an object",
        "bad_text": "unreadable .json or .txt",
        "word_objects": "no list of labels",
        "number_objects": "no list of labels",
        "null_objects": "no list of labels",
        "no_objects": "no list of labels",
    }
    found = reasons(path)
    assert set(found) == set(expected)
    for key, start in expected.items():
        assert found[key].startswith(start), key


def test_labels_and_ids_come_from_the_configured_fields(tar, sample):
    path = tar(
        *sample("0", labels=["cat"], sha256="f00d"),
        *sample("1", labels=["cat"], sha256=17),
        *sample("2", labels=["cat"]),
        *sample("3", labels=["cat"], sha256=""),
        *sample("4", labels=["cat"], sha256=["f00d"]),
    )
    found = [(each.id, each.objects) for each in read(path, "labels", "sha256")[:2]]
    assert found == [("f00d", ["cat"]), ("17", ["cat"])]
    assert reasons(path, "labels", "sha256") == dict.fromkeys(
        "234", "no id in the field 'sha256' of the .json"
    )


def test_members_repeated_in_one_archive_are_rejected_and_the_first_kept(tar, sample):
    path = tar(
        *sample("a", caption=b"first", number=1),
        *sample("b"),
        *sample("a", caption=b"second", number=2),
    )
    kept = [each for each in read(path) if isinstance(each, Record)]
    assert [(each.id, each.caption) for each in kept] == [("a", "first"), ("b", "a dog")]
    assert reasons(path) == {"a": "members repeat the names of earlier ones: 3"}


def test_every_truncated_archive_is_one_sentence(tar, sample):
    path = tar(*(member for key in "abc" for member in sample(key)))
    content = path.read_bytes()
    end = len(content.rstrip(b"\0"))
    # Also exactly between two members, where tarfile itself sees nothing wrong.
    for size in {*range(0, end, 97), *range(0, end, 512)}:
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match="not a complete tar archive") as error:
            read(path)
        assert "\n" not in str(error.value)


def test_a_damaged_header_inside_an_archive_is_one_sentence(tar, sample):
    # Python's tarfile takes it for the end and silently forgets what follows.
    path = tar(*(member for key in "abc" for member in sample(key)))
    with tarfile.open(path) as archive:
        place = archive.getmember("b.txt").offset
    content = bytearray(path.read_bytes())
    content[place + 150] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a complete tar archive"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"\x1f\x8b" + b"\0" * 600])
def test_a_file_that_is_no_tar_is_one_sentence(tmp_path, content):
    path = tmp_path / "00000.tar"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"00000\.tar is not a complete tar archive"):
        read(path)


def test_an_empty_archive_holds_nothing(tar):
    assert read(tar()) == []


def test_the_shards_of_a_folder_are_its_tar_files_by_name(tar, tmp_path):
    paths = [tar(name=name) for name in ("2.tar", "10.tar", "1.tar")]
    (paths[0].parent / "1_stats.json").write_text("{}")
    assert [each.name for each in tar_files(paths[0].parent)] == ["1.tar", "10.tar", "2.tar"]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"empty holds no \.tar files"):
        tar_files(empty)
    with pytest.raises(InputError, match="there is no folder"):
        tar_files(tmp_path / "missing")


def test_names_in_another_encoding_and_half_pairs_are_rejected_alone(tar, sample, picture_bytes):
    path = tar(*sample("a"))
    with tarfile.open(path, "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as archive:
        members = [*sample("caf\xe9"), *sample("b", objects=["half \ud83d"]), *sample("c")]
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    found = [admitted(each) for each in read(path)]
    assert [each.id for each in found if isinstance(each, Record)] == ["c"]
    rejected = [each for each in found if isinstance(each, Rejected)]
    assert rejected[0].reason == "the id is not valid text: caf\\udce9" and rejected[0].id is None
    assert rejected[1].reason == "a label is not valid text: half \\ud83d"
    assert "caf\\udce9.jpg@" in rejected[0].item


def test_a_pipe_among_the_shards_is_told_and_not_waited_for(tar, sample):
    path = tar(*sample("a")).with_name("00001.tar")
    os.mkfifo(path)
    with pytest.raises(InputError, match="not a regular file"):
        read(path)


def test_further_fields_are_taken_as_text_where_they_are_text_or_numbers(tar, sample):
    path = tar(
        *sample("a", language="de", year=2019),
        *sample("b", language=["de"], year=None),
        *sample("c"),
    )
    found = [admitted(each) for each in read(path, "objects", None, ["language", "year"])]
    assert [each.further for each in found] == [("de", "2019"), (None, None), (None, None)]
    assert {each.further for each in read(path)} == {()}
