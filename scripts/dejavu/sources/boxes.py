"""Boxes of labelled images: PASCAL VOC folders, COCO's JSON, tables.

Whatever the form, an image has one `Annotation`: corners, and the size of the image in which they
count, which may have been resized since. Names are compared in Unicode's normal form C.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Protocol
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import polars as pl

from dejavu.errors import InputError, system_fault
from dejavu.samples.crops import Box, Corners, Size, box_fault, size_fault, whole_box
from dejavu.samples.texts import normalised
from dejavu.sources import coco
from dejavu.sources.columns import check_text, readable

CORNERS = ("xmin", "ymin", "xmax", "ymax")
TABLES = (".csv", ".parquet")
# More digits or a larger exponent is no coordinate, and would take long to compute with.
NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d{0,99})?|\.\d{1,99})([eE][+-]?\d{1,2})?", re.ASCII)


class Fault(Exception):
    """Why one image must be rejected: of what kind the fault is and, after a colon, details."""


@dataclass(frozen=True)
class Annotation:
    """The objects of one image: corners as they were read, and the annotated size if given."""

    size: tuple[object, object] | None = None
    boxes: list[tuple[object, ...]] = field(default_factory=list)
    # Where each box stands, for the one who must mend it.
    places: list[str] = field(default_factory=list)

    def in_image(self, image: Size) -> tuple[Box, ...]:
        """The boxes in an image's own pixels.

        Raises:
            Fault: the image is no resized version of the annotated one, or a box does not fit it.
        """
        annotated = image if self.size is None else _whole_size(self.size) or image
        fault = size_fault(annotated, image)
        if fault is not None:
            raise Fault(fault)
        found = []
        for place, values in zip(self.places, self.boxes, strict=True):
            corners = _corners(values, place)
            fault = box_fault(corners, *annotated)
            if fault is not None:
                raise Fault(f"{fault}, {place}")
            found.append(whole_box(corners, annotated, image))
        return tuple(found)


@dataclass(frozen=True)
class Picture:
    """By what an image is known: its path from the folder of images, in normal form C.

    `repeated` tells that files of other folders have its name too, which then names none.
    """

    inside: str
    repeated: bool

    @property
    def name(self) -> str:
        """The file's name."""
        return self.inside.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The file's name without its suffix."""
        return self.name.rpartition(".")[0]

    @property
    def whole_stem(self) -> str:
        """The path from the folder of images without the suffix."""
        return self.inside.rpartition(".")[0]

    def names(self) -> Iterator[tuple[str, bool]]:
        """What annotations may call it, and whether that is a name without folders."""
        yield from ((self.inside, False), (self.whole_stem, False))
        yield from ((self.name, True), (self.stem, True))


class Annotations(Protocol):
    """Where the boxes of images are found."""

    def of(self, picture: Picture) -> Annotation | None:
        """The annotation of an image, None where it has none; raises `Fault`."""


def open_annotations(path: Path) -> Annotations:
    """Open annotations of boxes: a folder of .xml files, a .json of COCO, or a .csv or .parquet.

    Raises:
        InputError: the path is nothing of the kind, or what is there can't be read.
    """
    if path.is_dir():
        return VocFolder(path)
    if path.suffix == ".json":
        return from_coco(path)
    if path.suffix in TABLES:
        return from_table(path)
    raise InputError(
        f"The annotations {path} are no folder of .xml files, no .json and no .csv or .parquet:"
        " correct the source's `annotations`."
    )


@dataclass(frozen=True)
class VocFolder:
    """A folder of PASCAL VOC files, `<class>/<name>.xml` as the images lie, or all in one."""

    folder: Path

    def of(self, picture: Picture) -> Annotation | None:
        """Read the annotation of an image; raises `Fault`."""
        found = self._find(f"{picture.whole_stem}.xml")
        if found is not None:
            return read_voc(found)
        label = picture.inside.partition("/")[0]
        for place in (f"{label}/{picture.stem}.xml", f"{picture.stem}.xml"):
            found = self._find(place)
            if found is not None and picture.repeated:
                raise _ambiguous()
            if found is not None:
                return read_voc(found)
        return None

    def _find(self, inside: str) -> Path | None:
        path = self.folder / inside
        if path.is_file():
            return path
        if inside.isascii():
            return None
        # The disk may hold the name in another normal form.
        place: Path | None = self.folder
        for name in inside.split("/"):
            place = None if place is None else _entries(place).get(name)
        return place if place is not None and place.is_file() else None


@lru_cache(maxsize=4)
def _entries(folder: Path) -> dict[str, Path]:
    """What lies in a folder, by names in normal form C."""
    return (
        {normalised(path.name): path for path in sorted(folder.iterdir())}
        if folder.is_dir()
        else {}
    )


@dataclass(frozen=True)
class BoxList:
    """Annotations that name their images, from one file, by those names in normal form C."""

    path: Path
    by_name: Mapping[str, Annotation]

    def named(self, picture: Picture) -> set[str]:
        """By which names they know an image."""
        return {name for name, _ in picture.names() if name in self.by_name}

    def of(self, picture: Picture) -> Annotation | None:
        """Look up the annotation of an image; raises `Fault`."""
        found = {name: bare for name, bare in picture.names() if name in self.by_name}
        if any(found.values()) and picture.repeated:
            raise _ambiguous()
        if len(found) > 1:
            raise Fault(f"annotated under several names: {', '.join(found)}"[:200])
        return next((self.by_name[name] for name in found), None)


def _ambiguous() -> Fault:
    return Fault("annotated by a file name that several folders have: name its folder too")


def from_coco(path: Path) -> BoxList:
    """The boxes of a COCO `instances_*.json`, crowds included, whatever the categories.

    Raises:
        InputError: the file is not of the format, two images have one id or name, or an annotation
            is of an image that is not listed.
    """
    content = coco.load(path, "images", "annotations")
    names: dict[object, str] = {}
    by_name: dict[str, Annotation] = {}
    for image in content["images"]:
        identifier = coco.field(path, "images", image, "id")
        name = _name(coco.field(path, "images", image, "file_name"))
        for what, value, known in (("id", identifier, names), ("file_name", name, by_name)):
            if value in known:
                raise InputError(
                    f"{path}: two images have the {what} {value!r}, so that boxes can't be told"
                    " apart: remove one, or merge the files with new ids."
                )
        names[identifier] = name
        size = image.get("width"), image.get("height")
        by_name[name] = Annotation(None if None in size else size)
    for number, each in enumerate(content["annotations"], 1):
        image = coco.field(path, "annotations", each, "image_id")
        if image not in names:
            raise InputError(
                f"{path}: annotation {number} is of the image {image!r}, which `images` lacks:"
                " add the image, or remove the annotation."
            )
        annotation = by_name[names[image]]
        annotation.boxes.append(_from_sides(each.get("bbox")))
        annotation.places.append(f"annotation {number}")
    return BoxList(path, by_name)


def _from_sides(bbox: object) -> tuple[object, ...]:
    """Corners of COCO's [x, y, width, height]; what is no box is left for its image's `Fault`."""
    if not isinstance(bbox, list) or len(bbox) != len(CORNERS):
        return ()
    numbers = [number for number in map(_exact_or_none, bbox) if number is not None]
    if len(numbers) < len(bbox):
        return tuple(bbox)
    x, y, width, height = numbers
    return x, y, x + width, y + height


def from_table(path: Path) -> BoxList:
    """A table with a row for each box: `image`, `xmin`, `ymin`, `xmax`, `ymax`.

    `width` and `height`, where the table has them, are of the image that was annotated. A row
    without any corner stands for an image without objects.

    Raises:
        InputError: it can't be read, lacks a column, or has a row without an image.
    """
    with readable(path, "a table of boxes"):
        check_text(path)
        # No type is inferred: a name such as 007 stays as it is.
        table = (
            pl.read_parquet(path, glob=False)
            if path.suffix == ".parquet"
            else pl.read_csv(path, infer_schema=False, glob=False)
        )
        sizes = [name for name in ("width", "height") if name in table.columns]
        missing = [name for name in ("image", *CORNERS) if name not in table.columns]
        if not missing:
            floats = pl.selectors.float()
            table = table.select("image", *CORNERS, *sizes).with_columns(floats.fill_nan(None))
            rows = table.select(pl.all().cast(pl.String)).rows()
    if missing:
        raise InputError(
            f"{path} has no column {missing[0]!r}; it has {', '.join(table.columns)}: give a row"
            f" for each box with the columns image, {', '.join(CORNERS)}, in pixels."
        )
    by_name: dict[str, Annotation] = {}
    for number, (image, *values) in enumerate(rows, 1):
        if not image:
            raise InputError(f"{path}: row {number} names no image: name it, or remove the row.")
        size = (values[4], values[5]) if len(sizes) == 2 else None
        annotation = by_name.setdefault(_name(image), Annotation(size))
        if annotation.size != size:
            raise InputError(
                f"{path}: row {number} gives the image {image!r} another size than the rows before:"
                " correct it."
            )
        if any(values[:4]):
            annotation.boxes.append(tuple(values[:4]))
            annotation.places.append(f"row {number} of the table")
    return BoxList(path, by_name)


def _name(value: object) -> str:
    return normalised(str(PurePosixPath(str(value))))


def read_voc(path: Path) -> Annotation:
    """Read a PASCAL VOC file; raises `Fault`."""
    root, lines = _parse(path)
    size = root.find("size")
    texts = [] if size is None else [size.findtext(name) for name in ("width", "height")]
    annotation = Annotation((texts[0], texts[1]) if len(texts) == 2 else None)
    for element in root.findall("object"):
        place = f"line {lines[element]} of the annotation"
        # A part of an object (VOC's person layout) has a box of its own, deeper down.
        corners = element.find("bndbox")
        texts = [] if corners is None else [corners.findtext(name) for name in CORNERS]
        annotation.boxes.append(tuple(texts))
        annotation.places.append(place)
    return annotation


def _whole_size(size: tuple[object, object]) -> Size | None:
    """An annotated size; None where it was left empty or 0, as some tools do."""
    numbers = []
    for value in size:
        number = Fraction(0) if value in (None, "") else _exact_or_none(value)
        if number is None or number < 0 or number % 1:
            raise Fault(f"annotated with a size that is no whole number: {str(value)[:40]!r}")
        numbers.append(int(number))
    return (numbers[0], numbers[1]) if all(numbers) else None


def _corners(values: tuple[object, ...], place: str) -> Corners:
    if len(values) != len(CORNERS):
        raise Fault(f"object without a box: {place}")
    corners = []
    for name, value in zip(CORNERS, values, strict=True):
        number = _exact_or_none(value)
        if number is None:
            told = "" if value is None else str(value).strip()[:40]
            raise Fault(f"box with a corner that is no number: {name} is {told!r}, {place}")
        corners.append(number)
    return corners[0], corners[1], corners[2], corners[3]


def _exact_or_none(value: object) -> Fraction | None:
    """A number exactly as it was written in decimals."""
    if isinstance(value, Fraction):
        return value
    text = "" if isinstance(value, bool) else str(value).strip()
    return Fraction(text) if NUMBER.fullmatch(text) else None


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
        raise Fault(f"annotation with a DTD: line {parser.CurrentLineNumber}")

    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(annotation.read_bytes(), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise Fault(f"annotation of malformed XML: {reason}, line {error.lineno}") from error
    except OSError as error:
        raise system_fault(error, annotation, "be read") or Fault(
            f"annotation that cannot be read: {error.strerror}"
        ) from error
    except (LookupError, ValueError) as error:
        raise Fault(f"annotation that cannot be read: {str(error)[:100]}") from error
    return builder.close(), lines
