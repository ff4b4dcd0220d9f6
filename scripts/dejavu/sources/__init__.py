"""Readers and generators of pictures, one module a format.

A reader yields a `Record`, or for labelled images a `Photograph`, for each item it accepts and a
`Rejected` for each one it does not, so that nothing is lost without a reason.
"""

from dataclasses import dataclass

from dejavu.samples.crops import Box
from dejavu.samples.texts import normalised


@dataclass(frozen=True)
class Record:
    """A picture with its caption and the labels of the objects in it.

    `image_id` stands where the picture has several records: they share a set by it. `further` has
    the values of those further columns of the source that samples are grouped by.
    """

    id: str
    image: str
    caption: str
    objects: list[str]
    image_id: str | None = None
    further: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class Photograph:
    """A labelled picture of a known size with the boxes of its objects, or none.

    `context` holds the tags of what is behind the objects, with their boxes, where that is known.
    `position` is the image's place among all images of its folder, where others count by it.
    """

    id: str
    image: str
    width: int
    height: int
    label: str
    boxes: tuple[Box, ...]
    context: tuple[tuple[str, Box], ...] = ()
    position: int | None = None


@dataclass(frozen=True)
class Rejected:
    """An item that can't be used: its file, member or row, its id where known, and the reason.

    A reason starts with its kind, the same for all items that it befalls; after `: ` may come what
    is of this item alone.
    """

    item: str
    id: str | None
    reason: str


def clean_labels(value: object) -> list[str] | None:
    """Labels sorted, unique and without blanks; None where the value is not a list of strings."""
    if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        return None
    return sorted({normalised(label.strip()) for label in value} - {""})
