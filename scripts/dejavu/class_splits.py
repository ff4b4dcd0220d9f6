"""The five sets of a labelled folder of images, balanced by class (method: §1, splits)."""

import polars as pl

from dejavu import splits
from dejavu.errors import InputError

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
    hashes = splits.keyed_hash(images["id"].to_list(), seed, PURPOSE)
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
