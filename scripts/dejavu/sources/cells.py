"""Labels in one cell of a table: a JSON list, or names joined by a separator."""

import json
import re
from pathlib import Path

import polars as pl

from dejavu.errors import InputError

# How Python and NumPy print a set or a tuple: no JSON, and no label.
LITERAL = r"^\s*(?:(?:frozen)?set)?[({]\s*(?:['\"{\[].*)?[)}]\s*$"
NO_LABELS = "objects are not a list of labels: give a JSON list, or labels joined by the separator"
OTHERS = (",", ";", "|", "\t")
ELSEWHERE = 0.5


def labels_of(cell: str, separator: str) -> list[str] | None:
    """The labels of a cell, None where it is a list of another form than JSON's."""
    if cell.lstrip().startswith("["):
        try:
            found = json.loads(cell)
        except (ValueError, RecursionError):
            return None
        is_list = isinstance(found, list) and all(isinstance(each, str) for each in found)
        return found if is_list else None
    return None if re.match(LITERAL, cell, re.DOTALL) else cell.split(separator)


def check_separator(path: Path, cells: pl.Series, separator: str) -> None:
    """Stop where labels seem to be joined by something else than the separator.

    That is where no cell holds the separator and most hold one and the same of the other usual
    ones. JSON lists don't count: a label that holds a comma can be written so.

    Args:
        path: of the table.
        cells: strings.
        separator: the configured one.

    Raises:
        InputError: with the separator to set, and an example.
    """
    cells = cells.drop_nulls()
    joined = cells.filter(~cells.str.contains(rf"^\s*(?:\[|$)|{LITERAL}"))
    if len(joined) < 2 or joined.str.contains(separator, literal=True).any():
        return
    for other in OTHERS:
        held = joined.filter(joined.str.contains(other, literal=True))
        if len(held) > ELSEWHERE * len(joined):
            raise InputError(
                f"{path}: no cell of labels holds the separator {separator!r}, and {len(held)} of"
                f" {len(joined)} hold {other!r}, as {held[0][:80]!r}: set `separator` of the"
                " source, or write labels that hold it as JSON lists."
            )
