"""Examples of galleries: the right rows, neighbours and pictures."""

import base64
import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import vlm_gallery
from dejavu.config import ranges
from dejavu.files.neighbors import Neighbors, write_neighbors
from dejavu.files.parquet import write_parquet
from dejavu.report import gallery


def numbers(shard, rows):
    """Sample numbers of a shard of some set."""
    return np.arange(rows, dtype=np.int64) + ranges.first_number(0, shard)


@pytest.fixture
def shards(tmp_path):
    """Paths of two shards of samples, each with an id."""
    paths = []
    for shard in range(2):
        table = pa.table({"sample": numbers(shard, 4), "id": [f"{shard}{row}" for row in range(4)]})
        paths.append(tmp_path / f"{shard}.parquet")
        write_parquet(paths[-1], table)
    return paths


def test_rows_are_found_in_whatever_shard_they_lie(shards):
    wanted = np.array([numbers(1, 4)[3], numbers(0, 4)[2], numbers(1, 4)[3]])
    found = gallery.rows_of(shards, wanted, ["id"])
    assert {sample: row["id"] for sample, row in found.items()} == {
        wanted[0]: "13",
        wanted[1]: "02",
    }
    assert gallery.rows_of(shards, wanted[:0], ["id"]) == {}


def test_neighbours_come_in_the_order_asked_for(tmp_path):
    paths = []
    for shard in range(2):
        samples = numbers(shard, 3)
        near = np.stack([samples * 10, samples * 10 + 1], axis=1)
        paths.append(tmp_path / f"{shard}.parquet")
        scores = np.zeros((3, 2), np.float32)
        write_neighbors(paths[-1], Neighbors(samples, near, scores, {}))
    wanted = np.array([numbers(1, 3)[2], numbers(0, 3)[1], numbers(1, 3)[0]])
    assert gallery.neighbors_of(paths, wanted)[:, 0].tolist() == (wanted * 10).tolist()
    assert gallery.neighbors_of(paths, wanted[:0]).size == 0


def test_a_thumbnail_is_small_and_shows_the_crop(tmp_path):
    image = Image.new("RGB", (800, 400), "red")
    image.paste("blue", (400, 0, 800, 400))
    image.save(tmp_path / "wide.png")
    crop = {"xmin": 400, "ymin": 0, "xmax": 800, "ymax": 400}
    for box, size, colour in ((None, (160, 80), (254, 0, 0)), (crop, (160, 160), (0, 0, 254))):
        uri = gallery.thumbnail(str(tmp_path / "wide.png"), box)
        content = base64.b64decode(uri.removeprefix("data:image/webp;base64,"))
        small = Image.open(io.BytesIO(content)).convert("RGB")
        assert small.size == size
        assert np.allclose(small.getpixel((2, 2)), colour, atol=6)
        assert gallery.thumbnail(str(tmp_path / "wide.png"), box) == uri


def test_a_picture_that_is_not_there_is_none(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    for reference in ("", str(tmp_path / "gone.png"), str(tmp_path / "text.png"), str(tmp_path)):
        assert gallery.thumbnail(reference) is None


def test_label_lists_hold_the_codes():
    lists = gallery.label_lists([["b", "a"], [], ["c"]], {"a": 0, "b": 1, "c": 2})
    assert lists.offsets.tolist() == [0, 2, 2, 3]
    assert lists.codes.tolist() == [1, 0, 2]


def test_objects_are_recovered_wrong_or_missed():
    found = vlm_gallery.judged(["cat", "dog", "cow"], ["cat", "dog", "hen", "pig"])
    assert (found["recovered"], found["wrong"]) == (["cat", "dog"], ["cow"])
    assert found["missed"] == ["hen", "pig"]
    assert (found["precision"], found["recall"]) == (pytest.approx(2 / 3), 0.5)
    assert vlm_gallery.judged([], ["cat"])["precision"] == 0
