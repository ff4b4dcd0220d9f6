"""Training images, decoded once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dejavu.job import Progress
from dejavu.sources.images import open_image
from dejavu.training.processes import ALONE, Alone


def decoded(
    references: Sequence[str],
    resize: Callable[[Image.Image], Image.Image],
    side: int,
    team: Alone = ALONE,
) -> NDArray[np.uint8]:
    """Decode images to uint8 [n, side, side, 3].

    The array is mapped from a temporary file without a name, so that its pages can leave memory.
    The processes of a team decode a part each, into one file that all of them map.

    Raises:
        OSError: an image can no longer be read.
    """
    shape = (len(references), side, side, 3)
    if team.leads:
        path = Path(mkdtemp(prefix="dejavu-pixels-")) / "pixels"
        pixels = np.memmap(path, dtype=np.uint8, mode="w+", shape=shape)
        team.agreed(path)
    else:
        pixels = np.memmap(team.agreed(None), dtype=np.uint8, mode="r+", shape=shape)
    team.wait()
    if team.leads:
        path.unlink()
        path.parent.rmdir()
    mine = range(team.share.rank, len(references), team.share.processes)
    progress = Progress("decoding", len(mine), "images")
    for row in mine:
        pixels[row] = np.asarray(resize(open_image(references[row])))
        progress.advance(1)
    team.wait()
    return pixels
