"""What the embedded world knows of its pictures: tags and layouts of crops."""

import polars as pl

from dejavu.labels.tags import Tags
from dejavu.samples.crops import Box
from dejavu.sources import foregrounds


def from_world(crops: pl.DataFrame) -> Tags:
    """The things that the embedded world knows to be in a crop."""
    return [
        foregrounds.crop_tags(layout, crop)
        for layout, crop in zip(layouts(crops), boxes(crops), strict=True)
    ]


def layouts(crops: pl.DataFrame) -> list[foregrounds.Layout]:
    """What is where in the embedded world's pictures; needs `boxes` and `context`."""
    return [
        foregrounds.layout_of(
            label,
            [Box(**box) for box in found],
            [(thing["tag"], Box(**thing["box"])) for thing in context],
        )
        for label, found, context in crops.select("label", "boxes", "context").iter_rows()
    ]


def boxes(crops: pl.DataFrame) -> list[Box]:
    """The crops' rectangles."""
    return [Box(**crop) for crop in crops["crop"]]
