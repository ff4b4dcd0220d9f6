"""Tests of the core: examples that are the same in every run."""

import io

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

settings.register_profile("unit", deadline=None, derandomize=True, max_examples=60, database=None)
settings.load_profile("unit")


@pytest.fixture
def picture_bytes():
    """A function that encodes a small picture, another one for every number."""

    def encode(number=0, kind="jpeg", size=(24, 20)):
        pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8)
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, kind)
        return content.getvalue()

    return encode
