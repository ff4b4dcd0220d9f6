r"""The result tables as CSV: text that no terminal, spreadsheet or editor takes for a command.

Of text, and of nothing else:

1. a control character stands as `\u` and four hexadecimal digits of its code, and so does a
   backslash that would be taken for the beginning of one;
2. before a cell that then begins with `=`, `+`, `-`, `@` (or a full-width one, as some spreadsheets
   take them) or an apostrophe stands an apostrophe.

To undo: leave out an apostrophe that begins a cell, then replace each `\u` with four lower-case
hexadecimal digits by its character. That gives every text back as it was; `read_csv` does it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from dejavu.files import csvw

FORMULA = r"^['=+\-@＝＋－＠]"
CONTROLS = r"[\x00-\x1f\x7f-\x9f]"
CODE = r"\\u[0-9a-f]{4}"
TO_CODE = re.compile(rf"{CONTROLS}|\\(?=u[0-9a-f]{{4}})")


def write_csv(
    path: str | Path,
    rows: Iterable[Mapping[str, Any]],
    columns: Mapping[str, Any],
    digest: str | None,
) -> None:
    """Write rows as CSV with a header, and its description; a missing value is an empty cell.

    Args:
        path: the file to appear.
        rows: one mapping a row; what a row lacks stays empty.
        columns: the columns in their order, with their Polars types.
        digest: of the config that made the rows; None where they are of no one config.

    Raises:
        ValueError: a row has a key that is no column, which Polars would leave out.
    """
    rows = list(rows)
    unknown = sorted(set().union(*rows) - columns.keys())
    if unknown:
        raise ValueError(f"{path}: rows have {', '.join(unknown)}, and the columns do not.")
    frame = pl.DataFrame(rows, schema=dict(columns)).fill_nan(None)
    write_csv_parts(path, [frame], digest)


def write_csv_parts(path: str | Path, parts: Iterable[pl.DataFrame], digest: str | None) -> None:
    """Write frames of the same columns, at least one, as one CSV, and its description."""
    csvw.write_frames(path, (part.with_columns(_texts(marked)) for part in parts), digest)


def read_csv(path: str | Path, digest: str | None) -> pl.DataFrame:
    """Read a table as it was before it was written; raises as `scan_csv` does."""
    return scan_csv(path, digest).collect()


def scan_csv(path: str | Path, digest: str | None) -> pl.LazyFrame:
    """A table as it was before it was written, to be read as far as it is needed.

    Args:
        path: of the table.
        digest: of the config that must have made it; None for a table that is of no one config.

    Raises:
        DamagedFile: it is not the table that was written there.
        InputError: another config made it.
    """
    columns = csvw.description(path, digest).columns
    return pl.scan_csv(path, schema=columns, glob=False).with_columns(_texts(unmarked))


def marked(texts: pl.Series) -> pl.Series:
    """Texts as they stand in cells."""
    coded = _changed(texts, f"{CONTROLS}|{CODE}", lambda text: TO_CODE.sub(_code, text))
    return coded.str.replace(FORMULA, "'$0")


def unmarked(cells: pl.Series) -> pl.Series:
    """Texts as they were before they were `marked`."""
    return _changed(cells.str.strip_prefix("'"), CODE, lambda cell: re.sub(CODE, _character, cell))


def _texts(change: Callable[[pl.Series], pl.Series]) -> pl.Expr:
    """All columns of text, changed."""
    return pl.col(pl.String).map_batches(change, return_dtype=pl.String, is_elementwise=True)


def _changed(texts: pl.Series, where: str, change: Callable[[str], str]) -> pl.Series:
    """Texts, of which those that match are changed; there are few, if any."""
    if not texts.str.contains(where).any():
        return texts
    changed = [
        change(text) if text is not None and re.search(where, text) else text for text in texts
    ]
    return pl.Series(texts.name, changed, dtype=pl.String)


def _code(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _character(found: re.Match[str]) -> str:
    return chr(int(found[0][2:], 16))
