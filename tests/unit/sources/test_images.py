"""References to pixels, in files and inside tar shards."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from dejavu.errors import InputError
from dejavu.sources import images
from dejavu.sources.images import decode, open_image, read_bytes, tar_reference, why_unreadable


@pytest.mark.parametrize("folder", ["photos", "with#hash", "a b@1+2", "x.tar.d"])
@pytest.mark.parametrize(
    "member", ["1.jpg", "a#1.jpg", "d/é 1@2+3.jpg", "x.tar.jpg", "#", "a\nb.jpg"]
)
def test_members_of_tar_shards_are_found_whatever_their_names(tmp_path, folder, member):
    tar = tmp_path / folder / "00000.tar"
    tar.parent.mkdir()
    contents = {"before": b"before" * 100, member: b"the bytes", "after": b"after"}
    with tarfile.open(tar, "w") as archive:
        for name, content in contents.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    with tarfile.open(tar) as archive:
        found = archive.getmember(member)
    reference = tar_reference(str(tar), member, found.offset_data, found.size)
    assert read_bytes(reference) == b"the bytes"


@pytest.mark.parametrize("name", ["plain.jpg", "a#1.jpg", "a#b@1+2", "été.png"])
def test_a_path_is_a_reference_to_the_whole_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"content")
    assert read_bytes(str(path)) == b"content"


def test_a_member_behind_the_end_of_its_file_is_an_error(tmp_path):
    tar = tmp_path / "0.tar"
    tar.write_bytes(b"x" * 100)
    with pytest.raises(OSError, match=r"0\.tar ends inside one\.jpg"):
        read_bytes(tar_reference(str(tar), "one.jpg", 90, 11))
    with pytest.raises(OSError, match="No such file"):
        read_bytes(tar_reference(str(tmp_path / "1.tar"), "one.jpg", 0, 1))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1", "I;16"])
def test_pictures_of_every_mode_become_rgb(tmp_path, mode):
    path = tmp_path / "picture"
    Image.new(mode, (5, 4)).save(path, "TIFF")
    image = open_image(str(path))
    assert (image.mode, image.size) == ("RGB", (5, 4))


def test_every_truncated_picture_is_an_os_error(picture_bytes):
    for kind in ("jpeg", "png", "webp"):
        content = picture_bytes(kind=kind)
        decode(content)
        for size in range(0, len(content) - 20, 9):
            with pytest.raises(OSError, match=r"."):
                decode(content[:size])


def test_a_bomb_of_pixels_is_an_os_error(monkeypatch, picture_bytes):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.raises(OSError, match="exceeds limit"):
        decode(picture_bytes(size=(24, 20)))


def test_reasons_are_the_same_in_every_run():
    with pytest.raises(OSError, match="cannot identify") as error:
        decode(b"no picture")
    assert why_unreadable(error.value) == "unreadable image: cannot identify image file the bytes"


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_grey_of_sixteen_bits_is_scaled_to_eight(kind):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    content = io.BytesIO()
    if kind == "PPM":
        content.write(b"P5 256 4 65535\n" + ramp.astype(">u2").tobytes())
    else:
        Image.fromarray(ramp).save(content, kind)
    found = np.asarray(decode(content.getvalue()))
    assert found[..., 0].tolist() == [list(range(256))] * 4 and (found == found[..., :1]).all()


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_of_an_unknown_range_are_an_os_error(mode):
    content = io.BytesIO()
    Image.new(mode, (5, 4)).save(content, "TIFF")
    with pytest.raises(OSError, match=r"have no known range"):
        decode(content.getvalue())


def test_reasons_hold_no_names(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        open_image(str(tmp_path / "missing.jpg"))
    assert why_unreadable(error.value) == "unreadable image: No such file or directory"


@pytest.fixture
def moved(tmp_path, monkeypatch):
    """Lets the pictures of `vlm.s` lie in a folder, as seen from the working directory."""
    monkeypatch.chdir(tmp_path)

    def to(folder):
        monkeypatch.setenv(images.FOLDERS, json.dumps({"vlm.s": str(folder)}))

    return to


def test_a_picture_is_found_again_where_its_source_has_moved(tmp_path, moved):
    for place in ("one", "deep/two"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "a.png").write_bytes(place.encode())
        with tarfile.open(tmp_path / place / "0.tar", "w") as archive:
            images.add_member(archive, "a.png", place.encode())
    moved("one")
    kept = images.from_source("vlm.s", "one/a.png")
    member = images.from_source("vlm.s", tar_reference("one/0.tar", "a.png", 512, 3))
    assert (kept, member) == ("{vlm.s}/a.png", "{vlm.s}/0.tar#a.png@512+3")
    assert read_bytes(kept) == read_bytes(member) == b"one"
    for place in ("deep/two", str(tmp_path / "deep/two"), "./deep/../deep/two"):
        moved(place)
        assert read_bytes(kept) == b"deep/two" and read_bytes(member) == b"dee"


@pytest.mark.parametrize(
    ("folder", "reference", "kept"),
    [
        ("data", "data/a{b}.png", "{vlm.s}/a{b}.png"),
        ("data", "data2/a.png", "data2/a.png"),
        (".", "a.png", "{vlm.s}/a.png"),
        (".", "/elsewhere/a.png", "/elsewhere/a.png"),
        ("..", "../data/a.png", "{vlm.s}/data/a.png"),
        ("/data", "/data/x/a.png", "{vlm.s}/x/a.png"),
        ("/", "/data/a.png", "{vlm.s}/data/a.png"),
    ],
)
def test_only_what_lies_in_the_folder_of_a_source_is_named_from_there(
    moved, folder, reference, kept
):
    moved(folder)
    assert images.from_source("vlm.s", reference) == kept
    # Those of a generated source lie below the results, wherever those are.
    assert images.from_source("vlm.other", reference) == reference


def test_a_source_that_is_gone_from_the_config_is_told(moved):
    moved("data")
    with pytest.raises(InputError, match=r"has no source vlm\.gone"):
        read_bytes("{vlm.gone}/a.png")
