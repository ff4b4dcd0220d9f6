"""A Parquet or CSV table with a row an image: id, image path, caption and objects."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from dejavu.errors import InputError
from dejavu.sources import Record, Rejected, clean_labels
from dejavu.sources.captions import Captions
from dejavu.sources.images import open_image, why_unreadable


def read_rows(
    path: Path,
    columns: Mapping[str, str],
    separator: str,
    captions: Captions,
    part: int,
    parts: int,
) -> Iterator[Record | Rejected]:
    """Read one of several equal parts of a table.

    One part is held in memory at a time.

    Args:
        path: `.parquet` or `.csv`.
        columns: the table's names for `id`, `image`, `caption` and, where they are not annotated
            elsewhere, `objects`. Image paths are relative to the table's folder; a caption is a
            string or a list of them; objects are a list of strings, a JSON list, or labels joined
            by the separator.
        separator: what joins the labels of a row where they are one string.
        captions: what becomes of a list of captions.
        part: which part, from 0.
        parts: how many there are.

    Raises:
        InputError: the table can't be read or lacks a column; the sentence tells which it has.
    """
    if path.suffix not in (".parquet", ".csv"):
        raise InputError(f"{path} is neither a .parquet nor a .csv file")
    with _readable(path):
        # An empty cell of a CSV file is an empty string, which stands for no labels.
        table = (
            pl.scan_parquet(path)
            if path.suffix == ".parquet"
            else pl.scan_csv(path, infer_schema=False, empty_string_is_null=False)
        )
        present = table.collect_schema().names()
        rows = table.select(pl.len()).collect().item()
    for role, name in columns.items():
        if name not in present:
            raise InputError(
                f"{path} has no column {name!r} for the {role}: set `columns.{role}` to one of"
                f" {', '.join(present)}"
            )
    table = table.select(pl.col(name).alias(role) for role, name in columns.items())
    first, last = rows * part // parts, rows * (part + 1) // parts
    with _readable(path):
        chosen = table.slice(first, last - first).collect()
    for row, values in enumerate(chosen.iter_rows(named=True), first):
        yield from _read_row(f"{path}#row {row}", path.parent, values, separator, captions)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        message = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read as {path.suffix[1:]}: {message}") from error


def _read_row(
    item: str, folder: Path, values: Mapping[str, Any], separator: str, captions: Captions
) -> Sequence[Record | Rejected]:
    identifier = None if values["id"] in (None, "") else str(values["id"])
    given = values["caption"] if isinstance(values["caption"], list) else [values["caption"]]
    texts = [text for text in (str(each or "").strip() for each in given) if text]
    objects = clean_labels(_labels(values["objects"], separator)) if "objects" in values else []
    if identifier is None:
        return [Rejected(item, None, "no id")]
    if not values["image"]:
        return [Rejected(item, identifier, "no image")]
    if not texts:
        return [Rejected(item, identifier, "no caption")]
    if objects is None:
        return [Rejected(item, identifier, "objects are not a list of labels")]
    image = str(folder / str(values["image"]))
    try:
        open_image(image)
    except OSError as error:
        return [Rejected(item, identifier, why_unreadable(error))]
    return captions.records(identifier, image, texts, objects)


def _labels(value: object, separator: str) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            return None
    return value.split(separator)
