"""What somebody's own pipeline says of samples, by their ids: Parquet files, or arrays with ids.

A file may hold more samples than are asked for, in any order. Those that are asked for stand in it
once each.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.errors import InputError, first_line, system_fault
from dejavu.samples.texts import decoded, normalised_column
from dejavu.sources import matrices
from dejavu.sources.columns import inner, is_text, readable
from dejavu.sources.regular import check_regular, read_regular

SAMPLE, EMBEDDING = "sample", "embedding"
NOBODY = pl.Series([], dtype=pl.String)


def of_samples(path: Path, ids: pl.Series, columns: Sequence[str]) -> pl.DataFrame:
    """The rows of a Parquet file that are of some samples, in their order.

    Args:
        path: the file, whose column `sample` has ids.
        ids: of n samples, unique.
        columns: further columns, those with a question mark only where the file has them.

    Returns:
        The columns that there are, and `row`, each row's place in the file, from 0.

    Raises:
        InputError: the file can't be read, lacks a column or a sample, or has one twice.
    """
    with readable(path):
        table = _scanned(path)
        present = table.collect_schema().names()
    wanted = [SAMPLE, *(name for name in columns if not name.endswith("?"))]
    for name in wanted:
        if name not in present:
            raise InputError(
                f"{path} has no column {name!r}, but {', '.join(present)[:300]}: give it one."
            )
    kind = table.collect_schema()[SAMPLE]
    if not (is_text(kind) or kind == pl.Binary):
        raise InputError(
            f"{path}: the column {SAMPLE!r} holds {str(kind)[:80]}, no texts: write samples' ids."
        )
    optional = [name.removesuffix("?") for name in columns if name.endswith("?")]
    kept = [*wanted[1:], *(name for name in optional if name in present)]
    with readable(path):
        rows = table.select(
            normalised_column(pl.col(SAMPLE).cast(pl.String)).alias(SAMPLE),
            pl.int_range(pl.len(), dtype=pl.Int64).alias("row"),
            *kept,
        )
        asked = pl.DataFrame({SAMPLE: ids, "place": np.arange(len(ids))})
        found = rows.join(asked.lazy(), on=SAMPLE).sort("place", "row").collect()
        held = rows.select(SAMPLE).head(1).collect()[SAMPLE]
    _check_once(path, ids, found["place"].to_numpy(), found["row"].to_numpy(), held)
    return found.drop(SAMPLE, "place")


def of_all(path: Path, column: str) -> pl.DataFrame:
    """A column of such a file, of all its rows."""
    with readable(path):
        return _scanned(path).select(column).collect()


def lists(path: Path, found: pl.DataFrame, name: str, texts: bool) -> pl.Series:
    """A column of `of_samples` with lists of whatever length, of strings or of numbers.

    Raises:
        InputError: it holds no lists, or lists of something else.
    """
    column = found[name]
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    kind = inner(column.dtype)
    if kind is None:
        raise InputError(
            f"{path}: the column {name!r} holds {str(column.dtype)[:80]}, no lists: write a list"
            " for each sample, the nearest or best first."
        )
    if not (is_text(kind) or kind == pl.Binary if texts else kind.is_numeric() or kind == pl.Null):
        what = "texts" if texts else "numbers"
        raise InputError(
            f"{path}: the column {name!r} holds lists of {str(kind)[:80]}: write lists of {what}."
        )
    with readable(path):
        return column.cast(pl.List(pl.String if texts else pl.Float64))


def numbers(path: Path, found: pl.DataFrame, name: str) -> NDArray[np.float64]:
    """A column of `of_samples` with numbers that are finite in float32, too: float64 [n].

    Raises:
        InputError: it holds something else; the sentence tells the row.
    """
    column = found[name]
    if not column.dtype.is_numeric() and column.dtype != pl.Null:
        raise InputError(
            f"{path}: the column {name!r} holds {str(column.dtype)[:80]}, no numbers: write one for"
            " each sample."
        )
    missing = ~column.cast(pl.Float32).is_finite().fill_null(value=False)
    check_rows(path, found, missing, f"has no number as {name!r}: give each sample one")
    return column.cast(pl.Float64).to_numpy()


def check_rows(path: Path, found: pl.DataFrame, wrong: pl.Series, what: str) -> None:
    """Stop at the first row of `of_samples` of which something is wrong."""
    if wrong.any():
        row = found["row"][int(wrong.arg_true()[0])]
        raise InputError(f"{path}: row {row} {what}.")


def vectors(path: Path, ids: pl.Series) -> NDArray[Any]:
    """Embeddings of samples in their order, [n, d].

    Args:
        path: a Parquet file with the columns `sample` and `embedding`, lists of floats of one
            length; or an array `.npy`, floats [rows, d], beside a `.txt` of the same name that has
            an id a line.
        ids: of n samples, unique.

    Returns:
        Float16 or float32 as they are stored, others rounded to float32.

    Raises:
        InputError: a file can't be read or is of another form, lacks a sample, has one twice, or
            has a value that is not finite in that precision.
    """
    found, rows = _of_array(path, ids) if path.suffix == ".npy" else _of_lists(path, ids)
    return matrices.finite(path, found, rows)


def check_width(path: Path, width: int, searched: Path) -> None:
    """Check that a file's embeddings, of so many values each, can search those of another file.

    Raises:
        InputError: those have another number of values, or can't be read.
    """
    found, _ = (_of_array if searched.suffix == ".npy" else _of_lists)(searched, NOBODY)
    if found.shape[1] != width:
        raise InputError(
            f"{path} has embeddings of {width} values, and {searched} of {found.shape[1]}: give"
            " crops and images of one network."
        )


def ids_file(path: Path) -> Path:
    """Where the ids of an array's rows stand, a line each."""
    return path.with_suffix(".txt")


def _of_array(path: Path, ids: pl.Series) -> tuple[NDArray[Any], NDArray[np.integer]]:
    """The vectors of samples, and the array's rows where they stand."""
    mapped = matrices.mapped(path, "write a row of floats for each sample, by numpy.save.")
    try:
        text = decoded(ids_file(path), read_regular(ids_file(path)))
    except OSError as error:
        raise system_fault(error, ids_file(path), "be read") or InputError(
            f"{path} has no ids, as {ids_file(path).name} beside it can't be read"
            f" ({first_line(error)}): write an id a line, as UTF-8."
        ) from error
    lines = re.split("\r\n?|\n", text)
    if not lines[-1]:
        lines.pop()
    if len(lines) != len(mapped):
        raise InputError(
            f"{path} has {len(mapped)} rows, and {ids_file(path).name} {len(lines)} ids: give each"
            " row its id."
        )
    held = pl.DataFrame({SAMPLE: pl.Series(lines, dtype=pl.String)}).select(
        normalised_column(pl.col(SAMPLE)), row=pl.int_range(pl.len(), dtype=pl.Int64)
    )
    asked = pl.DataFrame({SAMPLE: ids, "place": np.arange(len(ids))})
    found = held.join(asked, on=SAMPLE).sort("place", "row")
    rows = found["row"].to_numpy()
    _check_once(path, ids, found["place"].to_numpy(), rows, held[SAMPLE])
    return mapped[rows], rows


def _of_lists(path: Path, ids: pl.Series) -> tuple[NDArray[Any], NDArray[np.integer]]:
    """The vectors of samples, and the file's rows where they stand."""
    found = of_samples(path, ids, [EMBEDDING])
    column = found[EMBEDDING]
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    if not isinstance(column.dtype, pl.List) or not column.dtype.inner.is_float():
        raise InputError(
            f"{path}: the column {EMBEDDING!r} holds {str(column.dtype)[:80]}, no lists of floats:"
            " write a list for each sample."
        )
    with readable(path):
        # Whatever is asked for, the first row tells the width.
        first = _scanned(path).select(EMBEDDING).head(1).collect()[EMBEDDING]
    width = len(first[0]) if len(first) and first[0] is not None else 0
    if len(column) and not width:
        raise InputError(f"{path}: the embedding of row 0 has no values: give each sample some.")
    lengths = column.list.len()
    wrong = (lengths.fill_null(0) != width).arg_true()
    if len(wrong):
        row = found["row"][int(wrong[0])]
        raise InputError(
            f"{path}: the embedding of row {row} has not {width} values, as the first has: all must"
            " have the same number."
        )
    values = column.explode().to_numpy() if len(column) else np.empty(0, np.float32)
    return values.reshape(len(column), width), found["row"].to_numpy()


def _scanned(path: Path) -> pl.LazyFrame:
    check_regular(path)
    # A path is a path: neither a pattern nor a folder of partitions.
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def _check_once(
    path: Path,
    ids: pl.Series,
    places: NDArray[np.integer],
    rows: NDArray[np.integer],
    held: pl.Series,
) -> None:
    """Check that each sample has one row.

    Args:
        path: the file.
        ids: of n samples.
        places: of samples that have a row, rising.
        rows: of the file, where these stand.
        held: the file's own ids, or the first of them.
    """
    twice = np.flatnonzero(np.diff(places) == 0)
    if len(twice):
        first = int(twice[0])
        raise InputError(
            f"{path}: the rows {rows[first]} and {rows[first + 1]} are both of"
            f" {ids[int(places[first])]!r}: keep one."
        )
    if len(places) < len(ids):
        lost = np.setdiff1d(np.arange(len(ids)), places)
        # Ids of another kind: full paths, say.
        other = f", while its first is {held[0]!r}" if len(held) and not len(places) else ""
        raise InputError(
            f"{path} lacks {len(lost)} of the {len(ids)} samples that are asked for,"
            f" {ids[int(lost[0])]!r} for one{other}: add their rows, or take them out of the data."
        )
