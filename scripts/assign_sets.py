"""The set of every image of a source, and every reason why it could not give its sets."""

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from dejavu.errors import InputError
from dejavu.files.parquet import column_strings, read_parquet, write_parquet
from dejavu.job import run
from dejavu.samples import checks, class_splits, fractions


def main(job: Any) -> None:
    """Split the source by class, or give all of it to its only set."""
    limits = job.params.limits
    source = job.wildcards.source
    images = pl.concat([of_part(path) for path in job.input.images])
    rejected = pa.concat_tables(read_parquet(path) for path in job.input.rejected)
    reasons, items = (column_strings(rejected, name) for name in ("reason", "item"))
    first = images["id"].is_first_distinct()
    repeated = images.filter(~first)["id"].to_list()
    images = images.filter(first)
    reasons += ["repeated id"] * len(repeated)
    checks.check_rejected(source, len(images), reasons, items + repeated, limits["max_rejected"])
    images = images.with_columns(sets_of(images, source, job.params, len(reasons)))
    check_sizes(images, source, job.params.sets, limits)
    write_parquet(job.output[0], images.select("id", "set").to_arrow())


def most_votes(vision: Any) -> tuple[str, int]:
    """The largest number of neighbours that votes, of a sweep's points as well, and its key."""
    asked = {"vision.k": vision["k"]}
    for name, sweep in vision["sweeps"].items():
        asked[f"vision.sweeps.{name}.k"] = max(sweep.get("k", [0]))
    key = max(asked, key=lambda each: asked[each])
    return key, asked[key]


def of_part(path: str) -> pl.DataFrame:
    """Id, label and position of each image of a part, and whether it is boxed."""
    columns = ["id", "label", "boxes", "position"]
    images = pl.DataFrame(pl.from_arrow(read_parquet(path, columns)))
    return images.select("id", "label", "position", boxed=pl.col("boxes").list.len() > 0)


def sets_of(images: pl.DataFrame, source: str, params: Any, rejected: int) -> pl.Series:
    """The set of each image, named `set`; null for images in none."""
    if params.split:
        lists = {name: Path(path) for name, path in params.split.items()}
        try:
            return class_splits.by_lists(images, lists, rejected)
        except InputError as error:
            raise InputError(f"Source {source}: {error}") from error
    if params.per_class is None:
        return pl.Series("set", params.sets * len(images), dtype=pl.String)
    try:
        sets = class_splits.assign(
            images,
            n_per_class=params.per_class.get("A", 0),
            control_per_class=params.per_class.get("control", 0),
            seed=params.seed,
        )
    except InputError as error:
        raise InputError(f"Source {source}: {error}") from error
    if "shared" not in params.sets and (sets == "shared").any():
        raise InputError(
            f"Source {source}: {(sets == 'shared').sum()} images without boxes are needed to fill"
            " the training sets: add `shared` to vision.sets, or lower n_per_class."
        )
    return sets


def check_sizes(images: pl.DataFrame, source: str, sets: list[str], vision: Any) -> None:
    """Stop on sets that are too small: empty, or for the votes, models or labels of the config."""
    key, k = most_votes(vision)
    for name in sets:
        chosen = images.filter(pl.col("set") == name)
        where = f"Config key vision.sets.{name}"
        if chosen.is_empty() and name != "shared":
            raise InputError(
                f"{where}: no image of the source {source!r} falls into the set: lower"
                " n_per_class or control_per_class, or enlarge the source."
            )
        if name == "public" and k > len(chosen):
            raise InputError(
                f"Config key {key}: k is {k}, but public has only {len(chosen)} images: lower"
                " `k` or enlarge the public set."
            )
        for model, settings in vision["models"].items():
            if settings.get("train_on") == name:
                fractions.check_classes(
                    f"Model {model}", settings["train_fraction"], chosen["label"].to_list()
                )
        single = chosen["label"].value_counts().filter(pl.col("count") == 1)["label"].sort()
        if name in ("A", "B") and len(single):
            raise InputError(
                f"{where}: the label {single[0]!r} has one image only ({len(single)} labels have):"
                " take the class out of the source, or add images to it."
            )


run(main)
