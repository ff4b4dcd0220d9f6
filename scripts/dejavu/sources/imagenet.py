"""Photographs in folders by class, with PASCAL VOC annotations beside them, as ImageNet has them.

``<images>/<class>/<id>.JPEG`` with ``<annotations>/<class>/<id>.xml``, or, as for ImageNet's
validation images, ``<annotations>/<id>.xml``; an image may lack an annotation. One class folder is
held in memory at a time.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from PIL import Image, UnidentifiedImageError

from dejavu.errors import InputError
from dejavu.samples.crops import Box, box_fault
from dejavu.sources import Photograph, Rejected
from dejavu.sources.images import FORMATS

# Those of torchvision's ImageFolder, by whose order images are counted.
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}
)
CORNERS = ("xmin", "ymin", "xmax", "ymax")


class _Fault(Exception):
    """Why one image must be rejected."""


def read_folders(
    images: Path, annotations: Path | None, part: int = 0, parts: int = 1
) -> Iterator[Photograph | Rejected]:
    """Go through all images, class by class and file by file, in the order of their names.

    Only headers are read: an image whose pixels are damaged passes. An image is rejected whole if
    one of its boxes is degenerate or outside of it. An id is a file's name without its suffix, as
    published; a later image with an id that was seen is rejected. Positions are those of
    torchvision's ImageFolder: files sorted by name, in class folders sorted by name.

    Args:
        images: folder with one folder of images a class.
        annotations: folder with one folder of PASCAL VOC files a class, or with the files
            themselves; those of a class may lack. None where there are none.
        part: which of the parts to read.
        parts: number of parts; every `parts`-th class belongs to one.

    Raises:
        InputError: a folder is missing, or there is no image.
    """
    for folder, what in ((images, "image"), (annotations, "annotation")):
        if folder is not None and not folder.is_dir():
            raise InputError(
                f"The {what} folder {folder} does not exist: put one folder a class there, or"
                " correct the source's paths in the config."
            )
    seen: set[str] = set()
    folders = sorted(path for path in images.iterdir() if path.is_dir())
    before = 0
    for number, class_folder in enumerate(folders):
        files = [path for path in class_folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
        first, before = before, before + len(files)
        if number % parts != part:
            continue
        for position, path in enumerate(sorted(files), first):
            if path.name.startswith("."):
                continue
            if path.stem in seen:
                reason = f"the id {path.stem} occurs twice: rename one of the files"
                yield Rejected(str(path), path.stem, reason)
                continue
            seen.add(path.stem)
            try:
                yield _photograph(path, _annotation(annotations, path), position)
            except _Fault as fault:
                yield Rejected(str(path), path.stem, str(fault))
    if not seen and not any(map(_is_named_as_image, images.glob("*/*"))):
        raise InputError(
            f"The image folder {images} has no {', '.join(sorted(IMAGE_SUFFIXES))} file in a class"
            " folder: put one folder of images a class there."
        )


def _is_named_as_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _annotation(annotations: Path | None, image: Path) -> Path | None:
    """The annotation of an image, if there is one."""
    if annotations is None:
        return None
    name = f"{image.stem}.xml"
    places = annotations / image.parent.name / name, annotations / name
    return next((place for place in places if place.is_file()), None)


def _photograph(path: Path, annotation: Path | None, position: int) -> Photograph:
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise _Fault(f"not a readable image ({error})") from error
    except Image.DecompressionBombError as error:
        raise _Fault(f"too large to be a photograph ({error})") from error
    boxes = () if annotation is None else _boxes(annotation, width, height)
    return Photograph(
        path.stem, str(path), width, height, path.parent.name, boxes, position=position
    )


def _boxes(annotation: Path, width: int, height: int) -> tuple[Box, ...]:
    """Read the objects' boxes, each fitting in the image of that size."""
    boxes = []
    root, lines = _parse(annotation)
    for element in root.findall("object"):
        where = f"{annotation}, line {lines[element]}"
        # A part of an object (VOC's person layout) has a box of its own, deeper down.
        corners = element.find("bndbox")
        if corners is None:
            raise _Fault(f"{where}: object without bndbox")
        numbers = []
        for name in CORNERS:
            text = corners.findtext(name, default="").strip()
            try:
                numbers.append(int(text))
            except ValueError as error:
                raise _Fault(f"{where}: {name} is '{text}', not a whole number") from error
        box = Box(*numbers)
        fault = box_fault(box, width, height)
        if fault is not None:
            raise _Fault(f"{where}: {fault}")
        boxes.append(box)
    return tuple(boxes)


def _parse(annotation: Path) -> tuple[Element, dict[Element, int]]:
    """Parse XML that comes from anywhere: no DTD, hence no entities, hence no expansion.

    Returns:
        The root and the line on which each element starts.
    """
    parser, builder = expat.ParserCreate(), TreeBuilder()
    lines: dict[Element, int] = {}

    def start(tag: str, attributes: dict[str, str]) -> None:
        lines[builder.start(tag, attributes)] = parser.CurrentLineNumber

    def refuse(*_: object) -> None:
        raise _Fault(f"{annotation}, line {parser.CurrentLineNumber}: a DTD is not allowed")

    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(annotation.read_bytes(), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise _Fault(f"{annotation}, line {error.lineno}: malformed XML ({reason})") from error
    except (OSError, LookupError, ValueError) as error:
        raise _Fault(f"{annotation} cannot be read ({error})") from error
    return builder.close(), lines
