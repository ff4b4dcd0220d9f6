"""What part of a set a model is trained on: nested fractions in the order of the samples' numbers.

Numbers follow the keyed hash that puts samples into sets, so that a part is drawn by it, the part
of a half lies within the half, and a sample's place tells whether a model has seen it.
"""

from collections.abc import Sequence
from itertools import compress

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.files.parquet import column_strings, read_parquet
from dejavu.job import warn

# So that 0.1 of 30 samples are 3, whatever its binary form.
ROUNDING = 1e-9
# Samples without which there is nothing to learn from: losses compare those of a batch.
LEAST = 16


def part_of(samples: int, fraction: float) -> int:
    """How many samples a part of a set holds: at least one where the set does."""
    return min(samples, max(1, int(fraction * samples + ROUNDING)))


def first_samples(samples: int, fraction: float) -> NDArray[np.bool_]:
    """Which of a set's samples, in the order of their numbers, are of a part of it: bool [n]."""
    return np.arange(samples) < part_of(samples, fraction)


def first_of_classes(labels: Sequence[str], fraction: float) -> NDArray[np.bool_]:
    """The same class by class: bool [n]."""
    given = pl.DataFrame({"label": list(labels)}, schema={"label": pl.String})
    place = pl.int_range(pl.len()).over("label")
    size = (fraction * pl.len() + ROUNDING).floor().clip(lower_bound=1).over("label")
    return given.select(chosen=place < size)["chosen"].to_numpy()


def check_batch(model: str, fraction: float, samples: int, batch: int) -> None:
    """Warn of a part of a set with which a model's batches shrink; stop where too few are left.

    Args:
        model: what it is called.
        fraction: the part of its set that it is trained on.
        samples: how many it is trained on for that.
        batch: the config's size of a batch.

    Raises:
        InputError: they are fewer than a model learns from.
    """
    if fraction == 1 or samples >= batch:
        return
    told = f"{model}'s `train_fraction` is {fraction:g}, for which it is trained on {samples}"
    if samples < LEAST:
        raise InputError(f"{told} samples: raise it, for at least {LEAST} are needed.")
    warn(
        f"{told} samples, less than a `batch` of {batch}: its batches are smaller than those of"
        " the models that it is compared with, unless these have a lower `batch`, too."
    )


def check_classes(model: str, fraction: float, labels: Sequence[str]) -> None:
    """Stop on a part of a set, whose images have these labels, in which a class has no share.

    Raises:
        InputError: the part of some class is less than one image.
    """
    sizes = pl.Series("label", list(labels), dtype=pl.String).value_counts().sort("count", "label")
    for label, size in sizes.head(1).iter_rows():
        if int(fraction * size + ROUNDING) < 1:
            raise InputError(
                f"{model}'s `train_fraction` is {fraction:g}, and the class {label!r} has {size} of"
                f" the {len(labels)} images of its set, of which that is less than one: raise it,"
                " or have more images a class."
            )


def read_pairs(
    paths: Sequence[str], fraction: float, extra_paths: Sequence[str], extra: float
) -> tuple[list[str], list[str]]:
    """Images and captions that a model is trained on, from records.

    Args:
        paths: the shards of its set.
        fraction: the part of it that is taken.
        extra_paths: the shards of the set `extra`.
        extra: how many times as many samples as the whole set has are taken of it.

    Raises:
        InputError: there are not so many.
    """
    images, captions = _columns(paths, ("image", "caption"))
    count = part_of(len(images), fraction)
    further = _columns(extra_paths, ("image", "caption")) if extra else ([], [])
    more = extra_count(len(images), extra, len(further[0]), "extra")
    return images[:count] + further[0][:more], captions[:count] + further[1][:more]


def read_images(
    paths: Sequence[str], fraction: float, extra_paths: Sequence[str], extra: float | None
) -> tuple[list[str], list[str]]:
    """Images that a self-supervised model is trained on, and their labels, from records.

    Args:
        paths: the shards of its set.
        fraction: the part of each class of it that is taken.
        extra_paths: the shards of the set `shared`.
        extra: how many times as many images as the whole set has are taken of it; None for the same
            part of each of its classes.

    Raises:
        InputError: there are not so many, or a class has no share of the part.
    """
    own, shared = (_columns(each, ("image", "label")) for each in (paths, extra_paths))
    check_classes("The model", fraction, own[1])
    chosen = first_of_classes(own[1], fraction)
    if extra is None:
        further = first_of_classes(shared[1], fraction)
    else:
        further = np.arange(len(shared[0])) < extra_count(
            len(own[0]), extra, len(shared[0]), "shared"
        )
    images, labels = (
        [*compress(first, chosen), *compress(second, further)]
        for first, second in zip(own, shared, strict=True)
    )
    return images, labels


def extra_count(samples: int, extra: float, there: int, name: str) -> int:
    """How many samples are taken of a further set.

    Raises:
        InputError: it holds fewer.
    """
    asked = int(extra * samples + ROUNDING)
    if asked > there:
        raise InputError(
            f"The model's `extra` is {extra:g}, for which {asked} samples are needed beside the"
            f" {samples} of its set, and the set `{name}` holds {there}: enlarge it, or lower"
            " `extra`."
        )
    return asked


def _columns(paths: Sequence[str], names: Sequence[str]) -> list[list[str]]:
    """Columns of text of shards, one after the other."""
    tables = [read_parquet(path, list(names)) for path in paths]
    return [[text for table in tables for text in column_strings(table, name)] for name in names]


def beyond(paths: Sequence[str], fraction: float) -> NDArray[np.int64]:
    """Numbers of the samples of a set that are not of a part of it, from its shards in order."""
    if fraction == 1:
        return np.empty(0, dtype=np.int64)
    samples = np.concatenate(
        [read_parquet(path, ["sample"])["sample"].to_numpy() for path in paths]
    )
    return samples[~first_samples(len(samples), fraction)]


def beyond_of_classes(paths: Sequence[str], fraction: float) -> NDArray[np.int64]:
    """The same class by class, from the records of a set of images."""
    if fraction == 1 or not paths:
        return np.empty(0, dtype=np.int64)
    shards = [read_parquet(path, ["sample", "label"]) for path in paths]
    samples = np.concatenate([shard["sample"].to_numpy() for shard in shards])
    labels = [label for shard in shards for label in column_strings(shard, "label")]
    return samples[~first_of_classes(labels, fraction)]
