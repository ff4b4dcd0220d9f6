"""Training images, decoded once."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import gettempdir, mkdtemp

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dejavu.errors import InputError
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
        InputError: there is no room for temporary files.
        OSError: an image can no longer be read.
    """
    shape = (len(references), side, side, 3)
    folder = team.agreed(mkdtemp(prefix="dejavu-pixels-") if team.leads else "")
    path = Path(folder) / "pixels"
    if team.leads:
        _reserve(path, math.prod(shape))
    team.wait()
    pixels = np.memmap(path, dtype=np.uint8, mode="r+", shape=shape)
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


def _reserve(path: Path, size: int) -> None:
    """Make a file of a size that the disk has room for.

    A page that it had no room for later would end the process by a signal.
    """
    with path.open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, max(1, size))
        except OSError as error:
            path.unlink()
            path.parent.rmdir()
            raise InputError(
                f"There is no room for {size / 1e6:.0f} MB of decoded images in {gettempdir()}"
                f" ({os.strerror(error.errno or 0)}): free some space there, or name another folder"
                " for temporary files in TMPDIR."
            ) from error
