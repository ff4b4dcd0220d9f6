"""Tags out of a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from dejavu.errors import InputError, first_line
from dejavu.labels.tags import Tags
from dejavu.samples.texts import normalised_column
from dejavu.sources.columns import scan_table


def from_table(crops: pl.DataFrame, settings: Mapping[str, Any]) -> Tags:
    """Tags out of a table with a row for each image and tag, as taggers export them.

    Raises:
        InputError: the table cannot be read, lacks a column, or knows none of the crops' images.
    """
    path, columns = Path(settings["path"]), settings["columns"]
    table = scan_table(path, columns, "vision.tags.columns")
    try:
        rows = table.select(
            id=normalised_column(pl.col(columns["id"]).cast(pl.String)),
            tag=normalised_column(pl.col(columns["tag"]).cast(pl.String)),
            score=pl.col(columns["score"]),
        ).collect()
        if rows.schema["score"] == pl.String:
            # In a text file an empty cell is none.
            rows = rows.with_columns(pl.col(pl.String).str.strip_chars().replace("", None))
        rows = rows.with_columns(pl.col("score").cast(pl.Float64)).drop_nulls()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            f"{path}: the column {columns['score']!r} holds something else than numbers"
            f" ({first_line(error)})."
        ) from error
    found = (
        crops.select("sample", normalised_column(pl.col("id")))
        .join(rows, on="id", how="inner")
        .group_by("sample", "tag")
        .agg(pl.col("score").max())
        .sort("sample", "score", "tag", descending=[False, True, False])
        .group_by("sample", maintain_order=True)
        .agg("tag", "score")
    )
    if len(crops) and not len(found):
        raise InputError(
            f"{path} has no tags of any of the images, such as {crops['id'][0]!r}: its column"
            f" {columns['id']!r} must hold the images' ids (file names without suffix)."
        )
    known = {
        sample: list(zip(tags, scores, strict=True)) for sample, tags, scores in found.iter_rows()
    }
    return [known.get(sample, []) for sample in crops["sample"]]
