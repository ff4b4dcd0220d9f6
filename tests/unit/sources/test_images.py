"""References to pixels, in files and inside tar shards."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

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
