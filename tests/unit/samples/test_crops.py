"""Background crops against hand-made pictures and a search over painted pixels."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.samples.crops import (
    NO_BOXES,
    NO_CORNER,
    NO_STRIP,
    OK,
    Box,
    background_crop,
    box_fault,
    size_fault,
    whole_box,
)


@st.composite
def annotated_images(draw):
    width, height = draw(st.integers(2, 12)), draw(st.integers(2, 12))
    boxes = []
    for _ in range(draw(st.integers(1, 4))):
        xmin, ymin = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        xmax, ymax = draw(st.integers(xmin + 1, width)), draw(st.integers(ymin + 1, height))
        boxes.append(Box(xmin, ymin, xmax, ymax))
    return width, height, boxes


def painted(width, height, boxes):
    """Pixels [height, width] that some box covers."""
    covered = np.zeros((height, width), dtype=bool)
    for box in boxes:
        covered[box.ymin : box.ymax, box.xmin : box.xmax] = True
    return covered


def strips_by_pixels(width, height, boxes):
    """The published candidates, found from the painted pixels instead of from intervals."""
    covered = painted(width, height, boxes)
    cuts = sorted({0, width} | {box.xmin for box in boxes} | {box.xmax for box in boxes})
    for left, right in itertools.pairwise(cuts):
        blocked = covered[:, left:right].any(axis=1)
        for is_blocked, run in itertools.groupby(range(height), key=blocked.__getitem__):
            rows = list(run)
            if not is_blocked:
                yield left, rows[0], right, rows[-1] + 1


@given(annotated_images(), st.integers(0, 6))
def test_a_corner_crop_is_the_largest_rectangle_at_a_corner_off_every_box(image, min_side):
    width, height, boxes = image
    covered = painted(width, height, boxes)
    free = [
        (left, top, right, bottom)
        for left, right in itertools.combinations(range(width + 1), 2)
        for top, bottom in itertools.combinations(range(height + 1), 2)
        if (left == 0 or right == width) and (top == 0 or bottom == height)
        if not covered[top:bottom, left:right].any()
    ]
    ranked = sorted(
        free,
        key=lambda s: (-min(s[2] - s[0], s[3] - s[1]), -(s[2] - s[0]) * (s[3] - s[1]), s[0], s[1]),
    )
    crop, status = background_crop(width, height, boxes, min_side, "corner")
    best = ranked[0] if ranked else None
    if best is None or min(best[2] - best[0], best[3] - best[1]) <= min_side:
        assert (crop, status) == (None, NO_CORNER)
    else:
        assert (crop, status) == (Box(*best), OK)


@given(annotated_images(), st.integers(0, 6))
def test_crop_is_the_best_candidate_inside_the_image_and_off_every_box(image, min_side):
    width, height, boxes = image
    crop, status = background_crop(width, height, boxes, min_side)
    ranked = sorted(
        strips_by_pixels(width, height, boxes),
        key=lambda s: (-min(s[2] - s[0], s[3] - s[1]), -(s[2] - s[0]) * (s[3] - s[1]), s[0], s[1]),
    )
    wide = [strip for strip in ranked if min(strip[2] - strip[0], strip[3] - strip[1]) > min_side]
    if not wide:
        assert (crop, status) == (None, NO_STRIP)
        return
    assert status == OK
    assert crop == wide[0]
    assert 0 <= crop.xmin < crop.xmax <= width
    assert 0 <= crop.ymin < crop.ymax <= height
    assert not painted(width, height, boxes)[crop.ymin : crop.ymax, crop.xmin : crop.xmax].any()


@given(annotated_images())
def test_crop_does_not_depend_on_the_order_or_repetition_of_boxes(image):
    width, height, boxes = image
    again = [*reversed(boxes), boxes[0]]
    assert background_crop(width, height, boxes, 0) == background_crop(width, height, again, 0)


def test_neighbouring_strips_are_not_merged():
    # Left of x = 4 the picture is free, but the lower box's edge at x = 2 cuts it, as published.
    boxes = [Box(4, 0, 10, 10), Box(0, 9, 2, 10)]
    assert background_crop(10, 10, boxes, 0) == (Box(2, 0, 4, 10), OK)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        pytest.param([Box(4, 0, 6, 10)], Box(0, 0, 4, 10), id="leftmost of equals"),
        pytest.param([Box(0, 4, 10, 6)], Box(0, 0, 10, 4), id="topmost of equals"),
        pytest.param(
            [Box(0, 0, 4, 6), Box(4, 0, 6, 10), Box(6, 4, 10, 10)],
            Box(0, 6, 4, 10),
            id="leftmost before topmost",
        ),
        pytest.param(
            [Box(0, 4, 6, 10), Box(6, 0, 10, 1)], Box(6, 1, 10, 10), id="larger area of equals"
        ),
    ],
)
def test_ties(boxes, expected):
    assert background_crop(10, 10, boxes, 0) == (expected, OK)


def test_shorter_side_must_strictly_exceed_min_side():
    boxes = [Box(4, 0, 10, 10)]
    assert background_crop(10, 10, boxes, 3)[1] == OK
    assert background_crop(10, 10, boxes, 4) == (None, NO_STRIP)


def test_image_without_boxes_or_wholly_covered_has_no_crop():
    assert background_crop(10, 10, [], 0) == (None, NO_BOXES)
    assert background_crop(10, 10, [Box(0, 0, 10, 10)], 0) == (None, NO_STRIP)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (Box(0, 0, 64, 48), None),
        (Box(5, 0, 5, 9), "xmin >= xmax"),
        (Box(6, 0, 5, 9), "xmin >= xmax"),
        (Box(0, 9, 5, 9), "ymin >= ymax"),
        (Box(-1, 0, 5, 9), "outside"),
        (Box(0, -1, 5, 9), "outside"),
        (Box(0, 0, 65, 9), "outside"),
        (Box(0, 0, 5, 49), "outside"),
        ((Fraction("63.5"), 0, Fraction("64.5"), 9), None),
        ((Fraction("5.2"), 0, Fraction("5.2"), 9), "xmin >= xmax"),
        ((0, 0, Fraction("65.5"), 9), "outside"),
        ((Fraction("0.1"), 0, 1, 1), "parts of the image's sides"),
        (Box(0, 0, 1, 1), None),
    ],
)
def test_box_fault(box, words):
    fault = box_fault(box, 64, 48)
    assert fault is None if words is None else words in fault


@st.composite
def resized(draw):
    """An annotated size and box in tenths of pixels, and a size that resizing may have given."""
    width, height = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    factor = draw(st.fractions(Fraction(1, 4), 4, max_denominator=9))
    image = tuple(
        max(1, draw(st.sampled_from([int(side * factor), -int(-side * factor // 1)])))
        for side in (width, height)
    )
    tenths = [draw(st.integers(0, 10 * side - 1)) for side in (width, height)]
    ends = [
        draw(st.integers(low + 1, 10 * side))
        for low, side in zip(tenths, (width, height), strict=True)
    ]
    return (width, height), image, tuple(Fraction(each, 10) for each in (*tenths, *ends))


@given(resized())
def test_a_whole_box_is_the_smallest_that_holds_every_touched_pixel(example):
    annotated, image, corners = example
    assert size_fault(annotated, image) is None
    found = whole_box(corners, annotated, image)
    for axis in (0, 1):
        # Pixel p of the image covers these coordinates of the annotated one.
        step = Fraction(annotated[axis], image[axis])
        touched = [
            pixel
            for pixel in range(image[axis])
            if pixel * step < corners[axis + 2] and corners[axis] < (pixel + 1) * step
        ]
        assert (found[axis], found[axis + 2]) == (touched[0], touched[-1] + 1)


@given(annotated_images())
def test_whole_boxes_of_an_image_that_was_not_resized_stay_as_they_are(image):
    width, height, boxes = image
    for box in boxes:
        corners = tuple(map(Fraction, box))
        assert whole_box(corners, (width, height), (width, height)) == box


@pytest.mark.parametrize(
    ("annotated", "image", "fits"),
    [
        ((500, 375), (500, 375), True),
        ((500, 375), (256, 192), True),
        ((500, 333), (224, 149), True),
        ((500, 333), (224, 150), True),
        ((500, 375), (256, 256), False),
        ((500, 375), (375, 500), False),
        ((500, 499), (499, 500), False),
        ((500, 375), (500, 333), False),
    ],
)
def test_only_an_image_of_the_same_shape_is_a_resized_one(annotated, image, fits):
    assert (size_fault(annotated, image) is None) == fits
