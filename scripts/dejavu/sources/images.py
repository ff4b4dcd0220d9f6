"""Where pixels are: references to image files and to members of tar shards.

A reference is a path, or ``{tar}#{member}@{offset}+{size}``: the member's bytes are read at their
offset, so that a picture in a large shard costs one read and no scan.
"""

import io
import re
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dejavu.errors import InputError

# Pillow would hand a file of another format, whatever its name, to other programs: PostScript to
# Ghostscript.
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
# Names may hold any of the separators: the first `.tar#` ends the shard's.
IN_TAR = re.compile(r"(?P<tar>.+?\.tar)#(?P<member>.*)@(?P<offset>\d+)\+(?P<size>\d+)", re.DOTALL)


def tar_reference(tar: str, member: str, offset: int, size: int) -> str:
    """Refer to a member of a tar shard by the place of its bytes."""
    return f"{tar}#{member}@{offset}+{size}"


def add_member(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a member whose header holds nothing but its name and size."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def path_within(folder: Path, name: object) -> Path | None:
    """A file that a data set names, or None where the name leads out of its folder."""
    if not isinstance(name, str) or not name or "\0" in name:
        return None
    parts = Path(name).parts
    return None if Path(name).is_absolute() or ".." in parts else folder / name


def read_bytes(reference: str) -> bytes:
    """Read the encoded bytes of an image.

    Raises:
        OSError: the file is missing or shorter than the reference says.
    """
    match = IN_TAR.fullmatch(reference)
    if match is None:
        with open(reference, "rb") as file:  # noqa: PTH123
            return file.read()
    with open(match["tar"], "rb") as shard:  # noqa: PTH123
        shard.seek(int(match["offset"]))
        content = shard.read(int(match["size"]))
    if len(content) < int(match["size"]):
        raise OSError(f"{match['tar']} ends inside {match['member']}")
    return content


def decode(content: bytes) -> Image.Image:
    """Decode an image completely, to RGB.

    Raises:
        OSError: the bytes are not an image, are cut off, or would decode to a pixel bomb.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            # Pillow itself only warns, up to twice as many, and not safely in threads.
            pixels, most = image.width * image.height, Image.MAX_IMAGE_PIXELS
            if most is not None and pixels > most:
                raise OSError(f"Image size ({pixels} pixels) exceeds limit of {most} pixels")
            return image.convert("RGB")
    except (OSError, MemoryError, NameError):
        raise
    except Exception as error:  # decoders raise anything on damaged input
        raise OSError(str(error) or type(error).__name__) from error


def open_image(reference: str) -> Image.Image:
    """Read and decode an image, to RGB; raises `OSError`."""
    return decode(read_bytes(reference))


def open_available(reference: str, crop: Mapping[str, int] | None = None) -> Image.Image:
    """Open an image that was read before, or a crop of it.

    Raises:
        InputError: it can no longer be read.
    """
    try:
        image = open_image(reference)
    except OSError as error:
        raise InputError(
            f"An image that was readable before no longer is ({error}): restore the source, or"
            " remove the folder `sources` of the results to read it anew."
        ) from error
    if crop is None:
        return image
    return image.crop((crop["xmin"], crop["ymin"], crop["xmax"], crop["ymax"]))


def crop_pixels(
    images: Iterable[str], crops: Iterable[Mapping[str, int]], side: int
) -> NDArray[np.uint8]:
    """Crops of images, squashed to a square: uint8 [n, side, side, 3]."""
    squares = [
        open_available(image, crop).resize((side, side), Image.Resampling.BILINEAR)
        for image, crop in zip(images, crops, strict=True)
    ]
    if not squares:
        return np.empty((0, side, side, 3), dtype=np.uint8)
    return np.stack([np.asarray(square) for square in squares])


def why_unreadable(error: OSError) -> str:
    """A reason for the table of rejected items, without addresses that change from run to run."""
    message = re.sub(r"<_io\.BytesIO object at 0x[0-9a-f]+>", "the bytes", str(error))
    return f"unreadable image: {message}"
