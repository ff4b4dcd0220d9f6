"""Embedding a shard: order, batches and errors while threads read ahead."""

import threading
import time

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from dejavu.encoders.shards import embed_images, embed_texts, encoding, in_parts
from dejavu.errors import InputError
from dejavu.job import Progress


@pytest.fixture
def pictures(tmp_path):
    """References of 23 pictures, each of a grey of its own."""
    paths = [tmp_path / f"{number}.png" for number in range(23)]
    for number, path in enumerate(paths):
        Image.new("RGB", (4, 6), (number,) * 3).save(path)
    return [str(path) for path in paths]


def progress():
    """A progress that prints nothing that matters."""
    return Progress("embedding", 23, "images")


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("batch", [1, 7, 100])
def test_vectors_come_in_the_order_of_the_images(pictures, workers, batch):
    sizes = []

    def prepare(image):
        value = image.getpixel((0, 0))[0]
        time.sleep(0.002 * (value % 3))  # the later may be ready first
        return value

    def encode(prepared):
        sizes.append(len(prepared))
        return np.array([[value, value + 1] for value in prepared], dtype=np.float32)

    places = [(path, None) for path in pictures]
    found = embed_images(places, prepare, encode, batch, workers, progress())
    np.testing.assert_array_equal(found, np.stack([np.arange(23), np.arange(23) + 1], axis=1))
    assert sizes == [batch] * (23 // batch) + ([23 % batch] if 23 % batch else [])


def test_images_are_prepared_while_the_model_works(pictures):
    begun = []
    enough = threading.Event()

    def prepare(image):
        begun.append(image)
        if len(begun) == 8:
            enough.set()
        return 0

    def encode(prepared):
        # More images than the first batch has are begun before its turn ends.
        assert enough.wait(timeout=10)
        return np.zeros((len(prepared), 1), np.float32)

    embed_images([(path, None) for path in pictures[:8]], prepare, encode, 4, 1, progress())


def test_crops_are_cut_before_they_are_prepared(pictures):
    crop = {"xmin": 1, "ymin": 2, "xmax": 3, "ymax": 6}
    sizes = []
    embed_images(
        [(pictures[0], crop)],
        lambda image: sizes.append(image.size),
        lambda prepared: np.zeros((1, 1), np.float32),
        8,
        1,
        progress(),
    )
    assert sizes == [(2, 4)]


def test_an_image_that_is_gone_ends_the_shard_with_a_sentence(pictures, tmp_path):
    (tmp_path / "20.png").unlink()
    with pytest.raises(InputError, match="no longer is"):
        embed_images(
            [(path, None) for path in pictures],
            lambda image: 0,
            lambda prepared: np.zeros((len(prepared), 1), np.float32),
            4,
            2,
            progress(),
        )


def test_no_images_give_no_vectors():
    assert embed_images([], lambda image: 0, lambda _: None, 4, 1, progress()).size == 0


@pytest.mark.parametrize("count", [1, 15, 16, 31, 32, 33, 255, 256])
@pytest.mark.parametrize(("side", "least"), [(48, 336), (160, 16), (224, 16), (384, 16)])
def test_a_batch_is_cut_evenly_into_parts_that_are_not_too_small(count, side, least):
    parts = in_parts(range(count), 3 * side * side)
    sizes = [len(part) for part in parts]
    assert [number for part in parts for number in part] == list(range(count))
    assert max(sizes) - min(sizes) <= 1 and max(sizes) < 2 * least
    assert len(parts) == 1 or min(sizes) >= least


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_only_on_a_cpu_a_batch_is_cut(kind):
    class Encoder:
        device = torch.device(kind)

        def encode_images(self, prepared):
            sizes.append(len(prepared))
            return np.stack([pixels[0, :2, 0] for pixels in prepared])

    sizes = []
    batch = np.arange(40, dtype=np.float32).repeat(3 * 224 * 224).reshape(40, 3, 224, 224)
    found = encoding(Encoder())(list(batch))
    np.testing.assert_array_equal(found, np.arange(40).repeat(2).reshape(40, 2))
    assert sizes == ([20, 20] if kind == "cpu" else [40])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "test_vit", "test_byobnet"])
@pytest.mark.parametrize("threads", [1, 2])
def test_vectors_do_not_depend_on_the_parts(name, threads):
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    model = timm.create_model(name, num_classes=0).eval()
    pixels = torch.randn(37, 3, 160, 160)
    with torch.inference_mode():
        whole = model(pixels)
        for size in (16, 18, 19, 31):
            # Equal to the bit on processors where it was tried; not all have the same kernels.
            torch.testing.assert_close(model(pixels[:size]), whole[:size], rtol=1e-5, atol=1e-6)
    torch.set_num_threads(1)


def test_texts_are_embedded_so_many_a_call():
    calls = []

    def encode(texts):
        calls.append(list(texts))
        return np.array([[float(text)] for text in texts], dtype=np.float32).reshape(-1, 1)

    found = embed_texts(["3", "1", "2"], encode, 2, progress())
    np.testing.assert_array_equal(found[:, 0], [3, 1, 2])
    assert calls == [["3", "1"], ["2"]]
