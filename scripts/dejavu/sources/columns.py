"""Tables that others wrote, Parquet, CSV or TSV: opened as they are, with no type guessed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from dejavu.errors import InputError, first_line, system_fault
from dejavu.samples.texts import check_encoding, escaped, shortened
from dejavu.sources.regular import open_regular

# What may part the cells of a line of text, the usual one first.
SEPARATORS = {".csv": ",\t;", ".tsv": "\t,;"}
LONGEST_HEADER = 500
# How Polars tells of a row that is too long, and of text of another encoding.
WIDE, NO_UTF_8 = "found more fields than defined", "invalid utf-8"
SUFFIXES = (".parquet", *SEPARATORS)


def scan_table(path: Path, columns: Mapping[str, str], key: str) -> pl.LazyFrame:
    """Open a table that has some columns; all cells of a text file are strings.

    A text file's cells are parted by the comma, tab or semicolon under which its header has the
    columns: open_clip writes tabs whatever the suffix. An empty cell is an empty string.

    Args:
        path: `.parquet`, `.csv` or `.tsv`.
        columns: the table's name of each role.
        key: the config key that names them.

    Raises:
        InputError: the table can't be read or lacks a column; the sentence tells which it has.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} is neither a .parquet nor a .csv nor a .tsv file: save it as one")
    with readable(path):
        check_text(path)
        tables = [_parquet(path)] if path.suffix == ".parquet" else list(_texts(path))
        headers = [table.collect_schema().names() for table in tables]
    for table, header in zip(tables, headers, strict=True):
        if set(columns.values()) <= set(header):
            return table
    for role, name in columns.items():
        if name not in headers[0]:
            raise InputError(
                f"{path} has no column {name!r} for the {role}: set `{key}.{role}` to one of"
                f" {shortened(escaped(', '.join(headers[0])), LONGEST_HEADER)}"
            )
    raise AssertionError


def _parquet(path: Path) -> pl.LazyFrame:
    # A path is a path: neither a pattern nor a folder of partitions.
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def _texts(path: Path) -> Iterator[pl.LazyFrame]:
    for separator in SEPARATORS[path.suffix]:
        yield pl.scan_csv(
            path, separator=separator, infer_schema=False, empty_string_is_null=False, glob=False
        )


def check_text(path: Path) -> None:
    """Check that a table is a regular file and, if it is a text file, in UTF-8 as far as shows.

    Raises:
        InputError: it is in UTF-16 or UTF-32.
        OSError: it is no regular file, or can't be read.
    """
    with open_regular(path) as file:
        if path.suffix in SEPARATORS:
            check_encoding(path, file.read(4))


@contextmanager
def readable(path: Path, what: str | None = None) -> Iterator[None]:
    """Tell in one sentence that a table, of whatever, can't be read."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        fault = system_fault(error, path, "be read")
        why = f"{first_line(error).removesuffix('.')}; write it anew, or name another file"
        if WIDE in why:
            why = (
                "a row has more cells than the first line names columns; put cells that hold a"
                " comma, a tab or a line break into quotes"
            )
        elif NO_UTF_8 in why:
            why = "it is not UTF-8 text; save it as UTF-8"
        raise fault or InputError(
            f"{path} cannot be read as {what or path.suffix[1:]}: {why}."
        ) from error


def is_text(kind: pl.DataType) -> bool:
    """Whether a column's values are strings, coded or not, or whole numbers that stand for some."""
    return kind.is_integer() or kind in (pl.String, pl.Categorical, pl.Enum, pl.Null)


def inner(kind: pl.DataType) -> pl.DataType | None:
    """The type of a list's elements, None of other types."""
    if isinstance(kind, pl.List | pl.Array):
        return kind.inner if isinstance(kind.inner, pl.DataType) else kind.inner()
    return None


def as_strings(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """A column of texts, or of lists of them, as `String` or `List(String)`."""
    return column.cast(pl.String if inner(kind) is None else pl.List(pl.String))
