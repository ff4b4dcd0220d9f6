"""Tags out of a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from dejavu.errors import InputError, first_line
from dejavu.labels.tags import Tags
from dejavu.samples.checks import Matched
from dejavu.samples.hashes import keyed_hash
from dejavu.samples.texts import normalised_column
from dejavu.sources.columns import readable, scan_table


def from_table(crops: pl.DataFrame, settings: Mapping[str, Any]) -> Tags:
    """Tags out of a table with a row for each image and tag, as taggers export them.

    Raises:
        InputError: the table cannot be read, lacks a column, or knows none of the crops' images.
    """
    found = (
        crops.select("sample", "id")
        .join(read(settings), on="id", how="inner")
        .group_by("sample", "tag")
        .agg(pl.col("score").max())
        .sort("sample", "score", "tag", descending=[False, True, False])
        .group_by("sample", maintain_order=True)
        .agg("tag", "score")
    )
    if len(crops) and not len(found):
        raise InputError(
            f"{settings['path']} has no tags of any of the images, such as {crops['id'][0]!r}: its"
            f" column {settings['columns']['id']!r} must hold the images' ids (file names without"
            " suffix, or paths where file names repeat)."
        )
    known = {
        sample: list(zip(tags, scores, strict=True)) for sample, tags, scores in found.iter_rows()
    }
    return [known.get(sample, []) for sample in crops["sample"]]


def read(settings: Mapping[str, Any]) -> pl.DataFrame:
    """Read `id` and `tag`, strings in Unicode's normal form C, and `score`, float64.

    No type is inferred from text: an id such as 007 stays as it is. Rows that lack a value are left
    out.

    Raises:
        InputError: the table cannot be read, lacks a column, or a score is not a number.
    """
    path, columns = Path(settings["path"]), settings["columns"]
    table = scan_table(path, columns, "vision.tags.columns")
    with readable(path):
        found = table.select(pl.col(name) for name in dict.fromkeys(columns.values())).collect()
    rows = found.select(
        id=_text(path, found[columns["id"]]),
        tag=_text(path, found[columns["tag"]]),
        score=_numbers(path, found[columns["score"]]),
    )
    return rows.drop_nulls()


def _text(path: Path, column: pl.Series) -> pl.Series:
    try:
        text = column.cast(pl.String)
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{path}: the column {column.name!r} holds {column.dtype}, not text: export it as text."
        ) from error
    # In a text file an empty cell is none.
    return text.to_frame().select(normalised_column(pl.col(text.name)).replace("", None))[text.name]


def _numbers(path: Path, column: pl.Series) -> pl.Series:
    try:
        is_text = column.dtype == pl.String
        text = column.str.strip_chars().replace("", None) if is_text else column
        numbers = text.cast(pl.Float64)
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{path}: the column {column.name!r} holds something else than numbers"
            f" ({first_line(error)})."
        ) from error
    # Polars takes what is not a number for the largest of all.
    if numbers.is_nan().any():
        row = int(numbers.is_nan().arg_max() or 0)
        raise InputError(
            f"{path}: the column {column.name!r} holds no number in row {row + 1}: leave the row"
            " out, or correct it."
        )
    return numbers


def matched(crops: pl.Series, settings: Mapping[str, Any]) -> Matched:
    """Count the table's ids that are no crop's, and the crops without any tag.

    Args:
        crops: ids of the images that have a crop, strings.
        settings: as `from_table` takes them.

    Raises:
        InputError: as `read` does.
    """
    hashes = (
        keyed_hash(ids.to_list(), 0, "overlap") for ids in (read(settings)["id"].unique(), crops)
    )
    return Matched.of(*hashes)
