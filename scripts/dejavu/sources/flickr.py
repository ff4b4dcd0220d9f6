"""Caption files as Flickr8k and Flickr30k have them, with a folder of images.

Each line is the image's file name, `#`, the caption's number, a tab and the caption
(`Flickr8k.token.txt`, and its readme; `results_20130124.token`). The file is held in memory.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from dejavu.errors import InputError, system_fault
from dejavu.samples.texts import decoded, normalised
from dejavu.sources import Record, Rejected
from dejavu.sources.captions import Captions
from dejavu.sources.images import open_image, path_within, why_unreadable
from dejavu.sources.regular import read_regular


def read_images(
    path: Path, images: Path, captions: Captions, part: int = 0, parts: int = 1
) -> Iterator[Record | Rejected]:
    """Read one of several parts of the images of a caption file, in the order of the file.

    A sample's id is the image's file name; its objects are annotated elsewhere. A line that is not
    of the format is rejected, in the first part.

    Args:
        path: the caption file, UTF-8.
        images: the folder of the image files.
        captions: what becomes of several captions, which count in the order of their numbers.
        part: which part, from 0.
        parts: how many there are.

    Raises:
        InputError: the file can't be read, or has no line of the format.
    """
    try:
        lines = re.split("\r\n?|\n", decoded(path, read_regular(path)))
    except OSError as error:
        raise system_fault(error, path, "be read") or InputError(
            f"{path} cannot be read: {error}"
        ) from error
    texts: dict[str, dict[int, str]] = {}
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        label, tab, caption = line.partition("\t")
        name, mark, number = normalised(label).rpartition("#")
        fault = None
        if not (tab and mark and name and re.fullmatch("[0-9]{1,18}", number)):
            fault = "not of the form image#number, tab, caption"
        elif int(number) in texts.setdefault(name, {}):
            fault = f"a caption's number occurs twice: {label}"
        elif caption.strip():
            texts[name][int(number)] = caption.strip()
        if fault is not None and part == 0:
            yield Rejected(f"{path.name}#line {place}", None, fault)
    if not texts:
        raise InputError(
            f"{path} has no line of the form image#number, tab, caption: correct `path`."
        )
    names = list(texts)
    for name in names[len(names) * part // parts : len(names) * (part + 1) // parts]:
        item = f"{path.name}#{name}"
        place_of_image = path_within(images, name)
        if place_of_image is None:
            yield Rejected(item, name, f"the file name leaves the folder of images: {name}")
        elif not texts[name]:
            yield Rejected(item, name, "no caption")
        else:
            try:
                open_image(str(place_of_image))
            except OSError as error:
                yield Rejected(item, name, why_unreadable(error))
                continue
            numbered = [caption for _, caption in sorted(texts[name].items())]
            yield from captions.records(name, str(place_of_image), numbered, [])
