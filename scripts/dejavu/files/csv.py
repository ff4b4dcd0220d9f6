"""The result tables as CSV."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from dejavu.job import whole_file

# What is written as text is read as text: a label 007 or 1.0 keeps its spelling.
TEXT = (
    *("crop_status", "direction", "domain", "encoder", "first", "first_set", "id", "index"),
    *("input", "item", "label", "metric", "model", "objects", "on", "order", "predict", "query"),
    *("reason", "reference", "reference_model", "replicate", "second", "second_set", "set"),
    *("source", "tag", "target_model", "task", "test"),
)


def read_csv(path: str | Path, rows: int | None = None) -> pl.DataFrame:
    """Read a result table, or its first rows: `TEXT` as strings, all else as numbers."""
    text = dict.fromkeys(TEXT, pl.String)
    return pl.read_csv(
        path, schema_overrides=text, infer_schema_length=None, n_rows=rows, glob=False
    )


def write_csv(
    path: str | Path, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Any]
) -> None:
    """Write rows as CSV with a header; a missing value is an empty cell.

    Args:
        path: the file to appear.
        rows: one mapping a row; what a row lacks stays empty.
        columns: the columns in their order, with their Polars types.
    """
    frame = pl.DataFrame(list(rows), schema=dict(columns)).fill_nan(None)
    write_csv_parts(path, [frame])


def write_csv_parts(path: str | Path, parts: Iterable[pl.DataFrame]) -> None:
    """Write frames of the same columns, at least one, as one CSV with a header."""
    with whole_file(path) as partial, partial.open("wb") as file:
        for place, frame in enumerate(parts):
            frame.write_csv(file, include_header=place == 0)
