"""Where pixels are: references to image files and to members of tar shards.

A reference is a path; ``{tar}#{member}@{offset}+{size}``, where the member's bytes are read at
their offset, so that a picture in a large shard costs one read and no scan; or a row of a Parquet
file (`parquet_images`). Where the file is a source's it starts with ``{domain.source}/``, which
stands for the source's folder: that may move, and no record goes stale. Where the folders are is
told by the environment, as what changes no result is.
"""

import io
import json
import os
import re
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dejavu.errors import InputError, system_fault
from dejavu.samples.texts import spellings
from dejavu.sources import parquet_images
from dejavu.sources.regular import open_regular, read_regular

# Pillow would hand a file of another format, whatever its name, to other programs: PostScript to
# Ghostscript.
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
# Grey pixels of 16 bits, in either order of bytes; Pillow scales colours of as many itself.
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
# Names may hold any of the separators: the first `.tar#` ends the shard's.
FOLDERS = "DEJAVU_PICTURES"
OF_SOURCE = re.compile(r"\{(?P<source>[a-z0-9_]+\.[a-z0-9_]+)\}/(?P<inside>.*)", re.DOTALL)
IN_TAR = re.compile(r"(?P<tar>.+?\.tar)#(?P<member>.*)@(?P<offset>\d+)\+(?P<size>\d+)", re.DOTALL)


def tar_reference(tar: str, member: str, offset: int, size: int) -> str:
    """Refer to a member of a tar shard by the place of its bytes."""
    return f"{tar}#{member}@{offset}+{size}"


def add_member(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a member whose header holds nothing but its name and size."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def from_source(source: str, reference: str) -> str:
    """A reference as records keep it: from the folder of its source, if it lies there.

    Args:
        source: domain and name, as `vlm.photographs`.
        reference: as a reader gives it, or an item that starts with a path.
    """
    folder = _folders().get(source)
    if folder is None:
        return reference
    start = str(Path(folder) / "_").removesuffix("_")
    is_outside = Path(reference).is_absolute() and not Path(folder).is_absolute()
    if is_outside or not reference.startswith(start):
        return reference
    return f"{{{source}}}/{reference.removeprefix(start)}"


def _folders() -> dict[str, str]:
    """The folders of pictures, by domain and name of their source."""
    found: dict[str, str] = json.loads(os.environ.get(FOLDERS, "{}"))
    return found


def _located(reference: str) -> str:
    """A reference that records keep, with the folder of its source."""
    match = OF_SOURCE.fullmatch(reference)
    if match is None:
        return reference
    folder = _folders().get(match["source"])
    if folder is None:
        raise InputError(f"{reference}: the config has no source {match['source']}: name it again.")
    return str(Path(folder) / match["inside"])


def path_within(folder: Path, name: object) -> Path | None:
    """A file that a data set names, or None where the name leads out of its folder."""
    if not isinstance(name, str) or not name or "\0" in name:
        return None
    parts = Path(name).parts
    return None if Path(name).is_absolute() or ".." in parts else as_written(folder, name)


def as_written(folder: Path, name: str) -> Path:
    """A file by its name, however the disk spells its characters (NFC or NFD)."""
    for spelling in spellings(name):
        try:
            if (folder / spelling).exists():
                return folder / spelling
        except (OSError, ValueError):  # too long for a name, or no name at all: so says who opens
            break
    return folder / name


def read_bytes(reference: str) -> bytes:
    """Read the encoded bytes of an image.

    Raises:
        OSError: the file is missing, not a regular one, or shorter than the reference says.
        InputError: its source is no longer in the config.
    """
    reference = _located(reference)
    if match := IN_TAR.fullmatch(reference):
        with open_regular(match["tar"]) as shard:
            shard.seek(int(match["offset"]))
            content = shard.read(int(match["size"]))
        if len(content) < int(match["size"]):
            raise OSError(f"{match['tar']} ends inside {match['member']}")
        return content
    if match := parquet_images.REFERENCE.fullmatch(reference):
        value = parquet_images.read_value(match["parquet"], match["column"], int(match["row"]))
        if value is None:
            raise OSError("no picture in this row")
        return value
    return read_regular(reference)


def decode(content: bytes) -> Image.Image:
    """Decode an image completely, to RGB of 8 bits.

    Raises:
        OSError: the bytes are not an image, are cut off, would decode to a pixel bomb, or hold
            pixels of an unknown range.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            # Pillow itself only warns, up to twice as many, and not safely in threads.
            pixels, most = image.width * image.height, Image.MAX_IMAGE_PIXELS
            if most is not None and pixels > most:
                raise OSError(f"Image size ({pixels} pixels) exceeds limit of {most} pixels")
            return _eight_bits(image).convert("RGB")
    except (OSError, MemoryError, NameError):
        raise
    except Exception as error:  # decoders raise anything on damaged input
        raise OSError(str(error) or type(error).__name__) from error


def _eight_bits(image: Image.Image) -> Image.Image:
    """An image as it is, or scaled from 16 bits to 8: converting would cut at 255."""
    # Of PPM, Pillow stretches more than 8 bits to 16, and calls them 32.
    if image.mode in SIXTEEN_BITS or (image.mode == "I" and image.format == "PPM"):
        values = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise OSError(
            f"pixels of 32 bits ({image.mode}) have no known range; save them with 8 or 16"
        )
    return image


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
        raise system_fault(error, verb="be read") or InputError(
            f"An image that was readable before no longer is ({error}): restore the source, or"
            " run again, which reads it anew where it has changed."
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
    """A reason for the table of rejected items, the same in every run and for every name.

    The system's own sentences end in the file's name, and Pillow's may hold an address.

    Raises:
        InputError: the system refused to read it, which tells nothing of the image.
    """
    fault = system_fault(error, verb="be read")
    if fault is not None:
        raise fault from error
    message = error.strerror if error.errno is not None and error.strerror else str(error)
    message = re.sub(r"<_io\.BytesIO object at 0x[0-9a-f]+>", "the bytes", message)
    return f"unreadable image: {message}"
