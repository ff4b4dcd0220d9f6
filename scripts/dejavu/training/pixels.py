"""Training images, decoded once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dejavu.job import Progress
from dejavu.sources.images import open_image


def decoded(
    references: Sequence[str], resize: Callable[[Image.Image], Image.Image], side: int
) -> NDArray[np.uint8]:
    """Decode images to uint8 [n, side, side, 3].

    The array is mapped from a temporary file without a name, so that its pages can leave memory.

    Raises:
        OSError: an image can no longer be read.
    """
    folder = Path(mkdtemp(prefix="dejavu-pixels-"))
    path = folder / "pixels"
    pixels = np.memmap(path, dtype=np.uint8, mode="w+", shape=(len(references), side, side, 3))
    path.unlink()
    folder.rmdir()
    progress = Progress("decoding", len(references), "images")
    for row, reference in enumerate(references):
        pixels[row] = np.asarray(resize(open_image(reference)))
        progress.advance(1)
    return pixels
