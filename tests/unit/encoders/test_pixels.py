"""The encoder of pixels: copies of an image stay near it, other images do not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from dejavu.audits import duplicates
from dejavu.encoders import pixels
from dejavu.sources import foregrounds, scenes

pytestmark = pytest.mark.slow

# What the default config takes for a near-duplicate.
THRESHOLD = 0.85
WORLDS = {
    "scenes": lambda number: scenes.picture(number, seed=3).pixels,
    "foregrounds": lambda number: foregrounds.picture(number, seed=3)[0],
}


def encoded(images):
    return pixels.encode_images([pixels.prepare_image(image) for image in images])


def recompressed(image, quality):
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return Image.open(io.BytesIO(content.getvalue())).convert("RGB")


def shifted(image, across, down):
    pixels = np.pad(np.asarray(image), ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = image.size[1], image.size[0]
    return Image.fromarray(pixels[1 + down :, 1 + across :][:height, :width])


COPIES = {
    "exact": lambda image: image,
    "recompressed": lambda image: recompressed(image, 40),
    "reduced": lambda image: image.resize((32, 32), Image.Resampling.BICUBIC),
    "enlarged": lambda image: image.resize((120, 90), Image.Resampling.LANCZOS),
    "shifted": lambda image: shifted(image, 1, 0),
    "cut": lambda image: image.crop((1, 1, 47, 47)),
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "sharpened": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
}


@pytest.fixture(scope="module", params=WORLDS)
def world(request):
    return [Image.fromarray(WORLDS[request.param](number)) for number in range(1500)]


def test_planted_copies_are_all_found_and_nothing_else(world):
    """Pictures 0 to 199 are copied into another set, a copy of each kind in turn."""
    kinds = list(COPIES.values())
    copies = [kinds[place % len(kinds)](image) for place, image in enumerate(world[:200])]
    members = encoded(world[:700])
    others = encoded([*world[700:], *copies])
    pairs = [
        (row, column)
        for rows, columns, _ in duplicates.similar_pairs(members, others, THRESHOLD)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    assert sorted(pairs) == [(number, 800 + number) for number in range(200)]


def test_vectors_have_length_1_and_a_plain_image_has_none():
    plain = Image.new("RGB", (30, 20), (9, 99, 199))
    found = encoded([plain, *map(Image.fromarray, map(WORLDS["scenes"], [1, 2]))])
    assert found.shape == (3, pixels.DIMENSION) and found.dtype == np.float32
    assert np.linalg.norm(found, axis=1) == pytest.approx([0, 1, 1])


def test_features_are_differences_of_neighbouring_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    [found] = encoded([Image.fromarray(pixels)])
    exact = pixels.astype(float)
    steps = [exact[row, column + 1] - exact[row, column] for row in range(8) for column in range(7)]
    steps += [
        exact[row + 1, column] - exact[row, column] for row in range(7) for column in range(8)
    ]
    expected = np.concatenate(steps)
    assert found == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)
