"""The five sets of a labelled folder of images, balanced by class.

Source: method.md, image models, splits.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.errors import InputError, system_fault
from dejavu.samples.hashes import keyed_hash

SETS = ("A", "B", "shared", "public", "control")
PURPOSE = "class_splits"


def assign(
    images: pl.DataFrame, *, n_per_class: int, control_per_class: int, seed: int
) -> pl.Series:
    """Put every image into one set; which one depends on the seed and the ids alone.

    Per class, in the order of a keyed hash of the ids: the boxed images go to control, then
    alternately to A and B, then to public; the images without boxes fill `shared` until A with
    shared and B with shared hold `n_per_class`, then public. Where A has one boxed image more than
    B, A with shared holds `n_per_class` + 1.

    Args:
        images: one row an image: `id` string, unique; `label` string; `boxed` bool.
        n_per_class: images a class of each training set.
        control_per_class: images a class of control.
        seed: of the keyed hash.

    Returns:
        Strings out of `SETS` [n], named `set`, in the order of the rows.

    Raises:
        InputError: a class has too few boxed images for control and one each for A and B (an A
            without a class that control has would not be of its distribution), or too few images
            to fill a training set.
    """
    position = pl.int_range(pl.len()).over("label", "boxed", order_by=["hash", "id"])
    boxed_in_class = pl.col("boxed").sum().cast(pl.Int64).over("label")
    after_control = pl.col("position") - control_per_class
    missing_in_b = n_per_class - ((boxed_in_class - control_per_class) // 2).clip(0, n_per_class)
    hashes = keyed_hash(images["id"].to_list(), seed, PURPOSE)
    rows = images.select(
        "label", "boxed", "id", hash=pl.lit(pl.Series(hashes, dtype=pl.UInt64))
    ).with_columns(position=position.cast(pl.Int64))
    assigned = rows.with_columns(
        set=pl.when(pl.col("boxed") & (after_control < 0))
        .then(pl.lit("control"))
        .when(pl.col("boxed") & (after_control < 2 * n_per_class) & (after_control % 2 == 0))
        .then(pl.lit("A"))
        .when(pl.col("boxed") & (after_control < 2 * n_per_class))
        .then(pl.lit("B"))
        .when(~pl.col("boxed") & (pl.col("position") < missing_in_b))
        .then(pl.lit("shared"))
        .otherwise(pl.lit("public"))
    )
    _check_classes(assigned, n_per_class, control_per_class)
    return assigned["set"]


def by_lists(images: pl.DataFrame, lists: Mapping[str, Path], rejected: int) -> pl.Series:
    """Put images into sets by lists of their positions, as Meehan et al. publish theirs.

    A list is a `.npy` of places in the sorted list of torchvision's ImageFolder, `bbox_A.npy`,
    `bbox_B.npy`, `shared.npy` and `public.npy` (facebookresearch/DejaVu, `imagenet_partition.py`).

    Args:
        images: `position` int64, the place of each image.
        lists: the file of each set.
        rejected: how many images of the folder can't be used, which lists may name all the same.

    Returns:
        Strings [n], named `set`, null for images in no list.

    Raises:
        InputError: a file is no list of places, names an image that the folder doesn't have, or
            names one that another list names too.
    """
    places = {name: _places(path) for name, path in lists.items()}
    last = int(images["position"].max() or 0) + rejected  # type: ignore[arg-type]
    for name, found in places.items():
        beyond = found[(found < 0) | (found > last)]
        if len(beyond):
            raise InputError(
                f"{lists[name]} names the image {beyond[0]}, and the folder has at most {last + 1}:"
                " take the folder that the lists were made for, with all its files."
            )
    listed = pl.DataFrame(
        {
            "position": np.concatenate([*places.values()]),
            "set": np.repeat([*places], [len(found) for found in places.values()]),
        }
    ).unique(["position", "set"])
    twice = listed.filter(listed["position"].is_duplicated()).sort("position", "set")
    if len(twice):
        raise InputError(
            f"The lists of {twice['set'][0]} and {twice['set'][1]} share"
            f" {twice['position'].n_unique()} images, as {twice['position'][0]}: take lists of one"
            " partition."
        )
    return images.select("position").join(listed, on="position", how="left", maintain_order="left")[
        "set"
    ]


def _places(path: Path) -> NDArray[np.int64]:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise system_fault(error, path, "be read") or InputError(
            f"{path} cannot be read as .npy: {error}"
        ) from error
    # An empty list is published as floats, and some tools write places so.
    if (
        not isinstance(found, np.ndarray)
        or found.ndim != 1
        or found.dtype.kind not in "iuf"
        or not np.array_equal(found, np.trunc(found))
        or not np.isfinite(found).all()
    ):
        raise InputError(f"{path} is not a list of whole numbers.")
    return found.astype(np.int64)


def _check_classes(assigned: pl.DataFrame, n_per_class: int, control_per_class: int) -> None:
    classes = assigned.group_by("label").agg(
        images=pl.len(),
        boxed=pl.col("boxed").sum(),
        trained=pl.col("set").is_in(["B", "shared"]).sum(),
    )
    unboxed = classes.filter(pl.col("boxed") < control_per_class + 2).sort("boxed", "label")
    if len(unboxed):
        worst = unboxed.row(0, named=True)
        raise InputError(
            f"Class {worst['label']} has {worst['boxed']} images with valid boxes, of which"
            f" control takes {control_per_class} and A and B need one each{_others(unboxed)}:"
            " lower control_per_class, or take the class out of the folder."
        )
    small = classes.filter(pl.col("trained") < n_per_class).sort("trained", "label")
    if len(small):
        worst = small.row(0, named=True)
        raise InputError(
            f"Class {worst['label']} has {worst['images']} images, {worst['boxed']} of them with"
            f" valid boxes, so that its training set B holds {worst['trained']} instead of"
            f" {n_per_class}{_others(small)}: lower n_per_class or control_per_class, or take the"
            " class out of the folder."
        )


def _others(classes: pl.DataFrame) -> str:
    return f" ({len(classes)} classes are short)" if len(classes) > 1 else ""
