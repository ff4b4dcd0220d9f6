"""The result tables as CSV."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from dejavu.job import whole_file


def write_csv(
    path: str | Path, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Any]
) -> None:
    """Write rows as CSV with a header; a missing value is an empty cell.

    Args:
        path: the file to appear.
        rows: one mapping a row; what a row lacks stays empty.
        columns: the columns in their order, with their Polars types.

    Raises:
        ValueError: a row has a key that is no column, which Polars would leave out.
    """
    rows = list(rows)
    unknown = sorted(set().union(*rows) - columns.keys())
    if unknown:
        raise ValueError(f"{path}: rows have {', '.join(unknown)}, and the columns do not.")
    frame = pl.DataFrame(rows, schema=dict(columns)).fill_nan(None)
    write_csv_parts(path, [frame])


def write_csv_parts(path: str | Path, parts: Iterable[pl.DataFrame]) -> None:
    """Write frames of the same columns, at least one, as one CSV with a header."""
    with whole_file(path) as partial, partial.open("wb") as file:
        for place, frame in enumerate(parts):
            frame.write_csv(file, include_header=place == 0)
