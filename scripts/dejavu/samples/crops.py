"""Background crops: the largest strip or corner of an image that no bounding box touches.

Source: method.md, image models.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

OK = "ok"
NO_BOXES = "no boxes"
NO_STRIP = "no strip wider than min_side"
NO_CORNER = "no corner wider than min_side"


class Box(NamedTuple):
    """A rectangle of whole pixels, half-open: xmin <= x < xmax and ymin <= y < ymax."""

    xmin: int
    ymin: int
    xmax: int
    ymax: int

    @property
    def width(self) -> int:
        """Number of pixel columns."""
        return self.xmax - self.xmin

    @property
    def height(self) -> int:
        """Number of pixel rows."""
        return self.ymax - self.ymin

    @property
    def shorter_side(self) -> int:
        """The smaller of width and height."""
        return min(self.width, self.height)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height


Corners = tuple[Fraction, Fraction, Fraction, Fraction]
Size = tuple[int, int]


def box_fault(corners: Box | Corners, width: int, height: int) -> str | None:
    """Say what is wrong with an annotated box, None if nothing is.

    A box may touch the image's border, not pass it by a pixel: as in the published code, an
    annotation that does not fit its image is no guide to the image's background.

    Args:
        corners: xmin, ymin, xmax and ymax in pixels, which may be fractions.
        width: of the image that was annotated, in pixels.
        height: of the image that was annotated, in pixels.
    """
    xmin, ymin, xmax, ymax = corners
    numbers = "[" + ", ".join(f"{float(corner):.10g}" for corner in corners) + "]"
    if xmin >= xmax:
        return f"box with xmin >= xmax: {numbers}"
    if ymin >= ymax:
        return f"box with ymin >= ymax: {numbers}"
    if xmin <= -1 or ymin <= -1 or xmax >= width + 1 or ymax >= height + 1:
        return f"box outside the image: {numbers} in {width} x {height}"
    if max(xmax, ymax) <= 1 and any(corner % 1 for corner in corners):
        return f"box in parts of the image's sides, not in pixels: {numbers}"
    return None


def size_fault(annotated: Size, image: Size) -> str | None:
    """Say so if an image can't be a resized version of the one that was annotated.

    It can if one factor takes both sides to within a pixel of the image's.
    """
    (width, height), (image_width, image_height) = annotated, image
    if (image_width - 1) * height < (image_height + 1) * width and (image_height - 1) * width < (
        image_width + 1
    ) * height:
        return None
    return (
        "annotated for an image of another shape:"
        f" {width} x {height}, and this one is {image_width} x {image_height}"
    )


def whole_box(corners: Corners, annotated: Size, image: Size) -> Box:
    """The smallest box of whole pixels of an image that holds an annotated box.

    Args:
        corners: xmin, ymin, xmax and ymax in pixels, without a `box_fault`.
        annotated: width and height of the image in which they count.
        image: width and height of the image as it is, without a `size_fault`.
    """
    low = [
        max(0, math.floor(corner * side / of))
        for corner, side, of in zip(corners[:2], image, annotated, strict=True)
    ]
    high = [
        min(side, math.ceil(corner * side / of))
        for corner, side, of in zip(corners[2:], image, annotated, strict=True)
    ]
    return Box(*low, *high)


def background_crop(
    width: int, height: int, boxes: Sequence[Box], min_side: int, kind: str = "largest_strip"
) -> tuple[Box | None, str]:
    """Find the background strip, or corner, with the largest shorter side (Meehan et al. 2023).

    Ties go to the larger area, then the leftmost, then the topmost one.

    Args:
        width: of the image, in pixels.
        height: of the image, in pixels.
        boxes: the annotated objects; each without a `box_fault`.
        min_side: pixels that the crop's shorter side must exceed.
        kind: `largest_strip`, or `corner`: of the rectangles with a corner of the image as theirs.

    Returns:
        The crop and `OK`; or None and the reason, `NO_BOXES`, `NO_STRIP` or `NO_CORNER`.
    """
    if not boxes:
        return None, NO_BOXES
    found = {"largest_strip": _strips, "corner": _corners}[kind](width, height, boxes)
    best = max(found, key=_preference, default=None)
    if best is None or best.shorter_side <= min_side:
        return None, NO_CORNER if kind == "corner" else NO_STRIP
    return best, OK


def _preference(strip: Box) -> tuple[int, int, int, int]:
    return strip.shorter_side, strip.area, -strip.xmin, -strip.ymin


def _strips(width: int, height: int, boxes: Sequence[Box]) -> Iterator[Box]:
    edges = sorted({0, width, *(box.xmin for box in boxes), *(box.xmax for box in boxes)})
    for left, right in itertools.pairwise(edges):
        # No edge lies between the two, so a box either spans the interval or misses it.
        spanning = sorted(
            (box.ymin, box.ymax) for box in boxes if box.xmin < right and left < box.xmax
        )
        top = 0
        for box_top, box_bottom in [*spanning, (height, height)]:
            if box_top > top:
                yield Box(left, top, right, box_top)
            top = max(top, box_bottom)


def _corners(width: int, height: int, boxes: Sequence[Box]) -> Iterator[Box]:
    """Every rectangle at a corner that could not be larger without touching a box."""
    for right, bottom in itertools.product((False, True), repeat=2):
        # Boxes by their distance from the two sides that meet in the corner.
        near = [
            (width - box.xmax if right else box.xmin, height - box.ymax if bottom else box.ymin)
            for box in boxes
        ]
        for reach in {width, *(x for x, _ in near)} - {0}:
            depth = min([height, *(y for x, y in near if x < reach)])
            if depth > 0:
                left, top = width - reach if right else 0, height - depth if bottom else 0
                yield Box(left, top, left + reach, top + depth)
