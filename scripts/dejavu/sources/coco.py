"""COCO's annotation files: images with their captions, and the objects in them.

One JSON object a file, with `images` (`id`, `file_name`), `annotations` (`image_id` and `caption`,
or `category_id`) and, for objects, `categories` (`id`, `name`), as
https://cocodataset.org/#format-data describes them. A whole file is held in memory.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dejavu.errors import InputError, system_fault
from dejavu.samples.texts import escaped, normalised, shortened
from dejavu.sources import Record, Rejected
from dejavu.sources.captions import Captions
from dejavu.sources.images import open_image, path_within, why_unreadable
from dejavu.sources.regular import read_regular


def read_images(
    path: Path, images: Path, captions: Captions, part: int = 0, parts: int = 1
) -> Iterator[Record | Rejected]:
    """Read one of several parts of the images of a captions file, in the file's order.

    A sample's id is the image's, as text; its objects are annotated elsewhere.

    Args:
        path: `captions_train2017.json` or the like.
        images: the folder of the image files.
        captions: what becomes of several captions, which count in the file's order.
        part: which part, from 0.
        parts: how many there are.

    Raises:
        InputError: the file is no annotation file, or two of its images have one id.
    """
    content = load(path, "images", "annotations")
    check_unique(path, content, "images", "id")
    texts: dict[Any, list[str]] = {}
    for annotation in content["annotations"]:
        caption = field(path, "annotations", annotation, "caption")
        image = field(path, "annotations", annotation, "image_id")
        if isinstance(caption, str) and caption.strip():
            texts.setdefault(image, []).append(caption.strip())
    listed = content["images"]
    for image in listed[len(listed) * part // parts : len(listed) * (part + 1) // parts]:
        identifier = field(path, "images", image, "id")
        name = field(path, "images", image, "file_name")
        item = f"{path.name}#image {identifier}"
        place = path_within(images, name)
        if place is None:
            yield Rejected(item, str(identifier), f"file_name leaves the folder of images: {name}")
            continue
        if identifier not in texts:
            yield Rejected(item, str(identifier), "no caption")
            continue
        try:
            open_image(str(place))
        except OSError as error:
            yield Rejected(item, str(identifier), why_unreadable(error))
            continue
        yield from captions.records(str(identifier), str(place), texts[identifier], [])


def load(path: Path, *lists: str) -> dict[str, list[Any]]:
    """Read an annotation file that has some lists.

    Raises:
        InputError: it can't be read, or lacks one of the lists.
    """
    try:
        content = json.loads(read_regular(path))
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise system_fault(error, path, "be read") or InputError(
            f"{path} cannot be read as JSON: {error}"
        ) from error
    for name in lists:
        if not isinstance(content, dict) or not isinstance(content.get(name), list):
            raise InputError(
                f"{path} has no list {name!r}: give a file as COCO publishes them, with"
                f" {', '.join(lists)}."
            )
    return content


def field(path: Path, where: str, entry: object, name: str) -> Any:
    """A field of an entry of an annotation file.

    Raises:
        InputError: the entry lacks it.
    """
    value = entry.get(name) if isinstance(entry, Mapping) else None
    if not isinstance(value, str | int | float):
        raise InputError(f"{path}: an entry of {where!r} has no {name!r}: {str(entry)[:200]}")
    return value


def check_unique(path: Path, content: Mapping[str, list[Any]], where: str, name: str) -> None:
    """Stop where two entries of a list have one value of a field by which others refer to them.

    Raises:
        InputError: with the value, and how many have it.
    """
    values = Counter(normalised(str(field(path, where, each, name))) for each in content[where])
    repeated = [value for value, count in values.items() if count > 1]
    if repeated:
        raise InputError(
            f"{path}: {len(repeated)} values of {name!r} stand for several {where},"
            f" {shortened(escaped(repeated[0]), 80)!r} for one, so that it is not known which is"
            " meant: give each its own, as before the files were merged."
        )
