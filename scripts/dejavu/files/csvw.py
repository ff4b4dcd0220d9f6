"""Tables as CSV, each described beside it as W3C's "CSV on the Web" asks, and sealed there.

The description has the columns' types and, in its `notes`, the SHA-256 of the table, the digest of
the config that made it, and a seal of all that. So a table that was cut or edited is not read, nor
one that another config made.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from dejavu.errors import DamagedFile, InputError
from dejavu.files import facts
from dejavu.job import whole_file

CONTEXT = "http://www.w3.org/ns/csvw"
DATATYPES: dict[Any, str] = {
    pl.String: "string",
    pl.Int64: "integer",
    pl.Float64: "double",
    pl.Boolean: "boolean",
}


@dataclass(frozen=True)
class Description:
    """Columns of a table with their Polars types, and the digest of the config that made it."""

    columns: dict[str, Any]
    digest: str | None


def description_path(path: str | Path) -> str:
    """Where a table's description lies, as CSV on the Web has it."""
    return f"{path}-metadata.json"


def write_frames(path: str | Path, frames: Iterable[pl.DataFrame], digest: str | None) -> None:
    """Write frames of the same columns, at least one, as one CSV with a header, and describe it.

    Args:
        path: the table to appear; its description appears beside it.
        frames: as they are to stand in the file.
        digest: of the config that made the table; None where it is not of one config alone.
    """
    with whole_file(path) as partial:
        with partial.open("wb") as file:
            for place, frame in enumerate(frames):
                frame.write_csv(file, include_header=place == 0)
        written = sha256(partial)
    note = {"config": digest, "sha256": written}
    described = {
        "@context": CONTEXT,
        "url": Path(path).name,
        "tableSchema": {
            "columns": [
                {"name": name, "titles": name, "datatype": DATATYPES[kind.base_type()]}
                for name, kind in frame.schema.items()
            ]
        },
        "notes": [note],
    }
    facts.write_noted(description_path(path), described, note)


def description(path: str | Path, digest: str | None) -> Description:
    """What is known of a table, if it is the one that was written there, by this config.

    Raises:
        DamagedFile: table or description is missing, damaged, edited or of another place.
        InputError: another config made the table.
    """
    described = facts.read_noted(description_path(path), lambda read: read["notes"][0])
    note = described["notes"][0]
    try:
        is_whole = sha256(path) == note["sha256"]
    except FileNotFoundError:
        is_whole = False
    if not is_whole:
        raise DamagedFile(
            path,
            f"{path} is not the table that was written there: it is damaged, or was edited; move"
            " your copy away, or delete it, and run again, it will be made anew.",
        )
    check_config(path, note["config"], digest)
    kinds = {datatype: kind for kind, datatype in DATATYPES.items()}
    columns = described["tableSchema"]["columns"]
    return Description({each["name"]: kinds[each["datatype"]] for each in columns}, note["config"])


def check_config(path: object, made_by: str | None, digest: str | None) -> None:
    """Raise `InputError` unless a file was made by the config whose digest is given."""
    if made_by != digest:
        raise InputError(
            f"{path} was made by another config, and must not stand beside this one: run again"
            " without --rerun-triggers; if that makes nothing anew, delete the folder results."
        )


def sha256(path: str | Path) -> str:
    """Hash a file as `sha256sum` does."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
