"""Photographs in folders by class, as ImageNet has them, with boxes beside them.

One folder of images a class, which may have folders in it; `boxes` reads their annotations.
Names are compared, and ids and labels given, in Unicode's normal form C.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xxhash
from PIL import Image, UnidentifiedImageError

from dejavu.errors import InputError, system_fault
from dejavu.samples.texts import normalised
from dejavu.sources import Photograph, Rejected
from dejavu.sources.boxes import Annotations, BoxList, Fault, Picture, open_annotations
from dejavu.sources.images import FORMATS

# Those of torchvision's ImageFolder, by whose order images are counted.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class _File(NamedTuple):
    """An image of a folder: its path from there, as the disk spells it, and its place."""

    inside: str
    position: int


def read_folders(
    images: Path, annotations: Path | None, part: int = 0, parts: int = 1
) -> Iterator[Photograph | Rejected]:
    """Go through all images, class by class and file by file, in the order of their names.

    Only headers are read: an image whose pixels are damaged passes. An image is rejected whole if
    one of its boxes is degenerate or outside of it. An id is a file's name without its suffix, as
    published; where files of two folders have one name, every id is the path from the folder of
    images, without the suffix. All names are listed to know that, so that ids don't depend on
    `parts`. A later image with an id that was seen is rejected. Positions are those of
    torchvision's ImageFolder: files sorted by name, in class folders sorted by name. Files and
    folders whose names begin with a dot are passed over.

    Args:
        images: folder with one folder of images a class.
        annotations: what `boxes.open_annotations` takes; an image may lack one. None where there
            are none.
        part: which of the parts to read.
        parts: number of parts; every `parts`-th class belongs to one.

    Raises:
        InputError: a folder is missing, can't be read or has no image, two class folders have one
            name, or the annotations can't be used.
    """
    for path, what in ((images, "image folder"), (annotations, "annotation folder or file")):
        if path is not None and not path.exists():
            raise InputError(
                f"The {what} {path} does not exist: put it there, or correct the source's paths in"
                " the config."
            )
    boxes = None if annotations is None else open_annotations(annotations)
    listing = _list(images, boxes, part, parts)
    seen: set[str] = set()
    for file in listing.files:
        path = images / file.inside
        if not _is_text(file.inside):
            # As such it can't stand in any file of results.
            told = os.fsencode(path).decode("utf-8", "backslashreplace")
            yield Rejected(told, None, "file name is not UTF-8: rename the file")
            continue
        inside = normalised(file.inside)
        picture = Picture(inside, _hash(inside) in listing.repeated)
        identifier = picture.whole_stem if listing.repeated else picture.stem
        if identifier in seen:
            yield Rejected(str(path), identifier, f"repeated id: rename the file ({identifier})")
            continue
        seen.add(identifier)
        try:
            yield _photograph(path, identifier, picture, boxes, file.position)
        except Fault as fault:
            yield Rejected(str(path), identifier, str(fault))


class _Listing(NamedTuple):
    """One part's files, and hashes of the names that files of several folders have."""

    files: list[_File]
    repeated: frozenset[int]


def _list(images: Path, boxes: Annotations | None, part: int, parts: int) -> _Listing:
    """List all images; the names of other parts are kept as hashes alone."""
    files: list[_File] = []
    hashes = [np.empty(0, np.uint64)]
    named: set[str] = set()
    position = 0
    labels: dict[str, str] = {}
    for number, label in enumerate(sorted(entry.name for entry in _folders(images))):
        if labels.setdefault(normalised(label), label) != label:
            raise InputError(
                f"The folder {images} has two class folders {normalised(label)!r}, spelled in two"
                " forms of Unicode: move their images into one."
            )
        for folder, names in _walk(images, label):
            stems = set()
            for name in names:
                inside = f"{folder}/{name}"
                if not any(each.startswith(".") for each in inside.split("/")):
                    if number % parts == part:
                        files.append(_File(inside, position))
                    if _is_text(inside):
                        picture = Picture(normalised(inside), repeated=False)
                        stems.add(_hash(picture.inside))
                        if isinstance(boxes, BoxList):
                            named |= boxes.named(picture)
                position += 1
            hashes.append(np.fromiter(stems, np.uint64, len(stems)))
    if not any(map(len, hashes)) and not files:
        raise InputError(
            f"The image folder {images} has no {', '.join(IMAGE_SUFFIXES)} file in a class folder:"
            " put one folder of images a class there."
        )
    if isinstance(boxes, BoxList):
        _check_named(boxes, named, images)
    values, counts = np.unique(np.concatenate(hashes), return_counts=True)
    repeated = frozenset(values[counts > 1].tolist())
    if repeated:
        print(
            f"{len(repeated)} names stand for files of several folders of {images}: ids are paths"
            " from there, without suffix"
        )
    return _Listing(files, repeated)


def _folders(images: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(images) as entries:
            yield from (entry for entry in entries if entry.is_dir())
    except OSError as error:
        _stop(error)


def _walk(images: Path, label: str) -> Iterator[tuple[str, list[str]]]:
    """A class folder and those in it, with their images, in ImageFolder's order."""
    for folder, _, names in sorted(os.walk(images / label, onerror=_stop, followlinks=True)):
        yield (
            os.path.relpath(folder, images),
            sorted(name for name in names if name.lower().endswith(IMAGE_SUFFIXES)),
        )


def _stop(error: OSError) -> None:
    raise system_fault(error, verb="be read") or InputError(
        f"The image folder {error.filename} cannot be read ({error.strerror}): mend that, or take"
        " it out of the source."
    ) from error


def _check_named(boxes: BoxList, named: set[str], images: Path) -> None:
    """Stop if annotations know none of the images; tell how many others they name."""
    strangers = len(boxes.by_name) - len(named)
    if strangers and not named:
        example = next(iter(boxes.by_name))
        raise InputError(
            f"{boxes.path} names none of the images in {images}, but {example!r} for one: name"
            " images by file name, or by path from that folder."
        )
    if strangers:
        print(f"{boxes.path}: {strangers} of {len(boxes.by_name)} images are not in {images}")


def _is_text(name: str) -> bool:
    """Whether a name is text: the bytes of one that is not UTF-8 stand in it as surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _hash(inside: str) -> int:
    """Of a file's name without its suffix."""
    stem = inside.rpartition("/")[2].rpartition(".")[0]
    return xxhash.xxh3_64_intdigest(stem.encode())


def _photograph(
    path: Path, identifier: str, picture: Picture, boxes: Annotations | None, position: int
) -> Photograph:
    try:
        # A pipe would be waited for without end.
        if not path.is_file():
            raise Fault("not a regular file")
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
    except UnidentifiedImageError as error:
        raise Fault("not a readable image: of no known format") from error
    except (OSError, SyntaxError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise system_fault(error, path, "be read") or Fault(
            f"not a readable image: {why[:100]}"
        ) from error
    except Image.DecompressionBombError as error:
        raise Fault(f"too large to be a photograph: {error}") from error
    annotation = None if boxes is None else boxes.of(picture)
    found = () if annotation is None else annotation.in_image((width, height))
    label = picture.inside.partition("/")[0]
    return Photograph(identifier, str(path), width, height, label, found, position=position)
