"""Training images, decoded once."""

import errno
import os

import numpy as np
import pytest
from PIL import Image

from dejavu.errors import InputError
from dejavu.training.pixels import decoded


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 8, 8, 3), np.uint8)
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return pictures, [str(tmp_path / f"{number}.png") for number in range(3)]


def test_images_are_decoded_in_order_and_no_file_is_left(images, tmp_path, monkeypatch):
    pictures, paths = images
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    pixels = decoded([paths[2], paths[0]], lambda image: image, side=8)
    np.testing.assert_array_equal(pixels, pictures[[2, 0]])
    assert list((tmp_path / "tmp").iterdir()) == []


def test_no_room_for_temporary_files_is_one_sentence_and_no_signal(images, monkeypatch):
    def full(descriptor, offset, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(InputError, match=r"no room for 0 MB .* TMPDIR"):
        decoded(images[1], lambda image: image, side=8)
