"""Background crops: the largest strip of an image that no bounding box touches (method: §1)."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

OK = "ok"
NO_BOXES = "no boxes"
NO_STRIP = "no strip wider than min_side"


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


def box_fault(box: Box, width: int, height: int) -> str | None:
    """Say what is wrong with an annotated box, None if nothing is.

    A box may touch the image's border, not pass it: as in the published code, an annotation that
    does not fit its image is no guide to the image's background.
    """
    numbers = f"[{box.xmin}, {box.ymin}, {box.xmax}, {box.ymax}]"
    if box.xmin >= box.xmax:
        return f"box {numbers} has xmin >= xmax"
    if box.ymin >= box.ymax:
        return f"box {numbers} has ymin >= ymax"
    if box.xmin < 0 or box.ymin < 0 or box.xmax > width or box.ymax > height:
        return f"box {numbers} lies outside the image of {width} x {height}"
    return None


def background_crop(
    width: int, height: int, boxes: Sequence[Box], min_side: int
) -> tuple[Box | None, str]:
    """Find the background strip with the largest shorter side (Meehan et al. 2023).

    Ties go to the larger area, then the leftmost, then the topmost strip.

    Args:
        width: of the image, in pixels.
        height: of the image, in pixels.
        boxes: the annotated objects; each without a `box_fault`.
        min_side: pixels that the strip's shorter side must exceed.

    Returns:
        The strip and `OK`; or None and the reason, `NO_BOXES` or `NO_STRIP`.
    """
    if not boxes:
        return None, NO_BOXES
    best = max(_strips(width, height, boxes), key=_preference, default=None)
    if best is None or best.shorter_side <= min_side:
        return None, NO_STRIP
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
