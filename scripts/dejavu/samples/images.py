"""What is shown to a model: images, or the background crops of those that have one."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.files.parquet import column_strings, read_parquet


def read_crops(
    paths: Sequence[str], columns: Sequence[str] = (), needed_by: str = ""
) -> pl.DataFrame:
    """The background crops of shards of images, in the order of their numbers.

    Args:
        paths: the shards.
        columns: further columns.
        needed_by: what can't be done without any crop, if anything.

    Returns:
        `sample`, `id`, `image`, `label`, `crop` and the further columns of images that have one.

    Raises:
        InputError: there is none, and it is needed.
    """
    names = ["sample", "id", "image", "label", "crop", *columns]
    shards = [pl.DataFrame(pl.from_arrow(read_parquet(path, names))) for path in paths]
    images = pl.concat(shards)
    crops = images.filter(pl.col("crop").is_not_null())
    if needed_by and crops.is_empty():
        raise InputError(
            f"None of the {len(images)} images that {needed_by} is fitted on has a background crop:"
            " lower vision.min_side, or add annotations."
        )
    return crops


def read_places(
    path: str, part: str
) -> tuple[NDArray[np.int64], list[tuple[str, Mapping[str, int] | None]]]:
    """What is embedded of one shard of images, in the order of their numbers.

    Args:
        path: the shard's records.
        part: `image`, or `crop` for the background crops of those images that have one.

    Returns:
        Sample numbers, int64 [n], and for each its image and, for crops, the rectangle.
    """
    if part == "crop":
        crops = read_crops([path])
        return crops["sample"].to_numpy(), crops.select("image", "crop").rows()
    records = read_parquet(path, ["sample", "image"])
    return records["sample"].to_numpy(), [
        (image, None) for image in column_strings(records, "image")
    ]
