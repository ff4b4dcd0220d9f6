"""Tables as Parquet: whole or not at all, sealed, with our metadata beside Arrow's."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dejavu.errors import DamagedFile, InputError, first_line, system_fault
from dejavu.files import seals
from dejavu.files.seals import Metadata
from dejavu.job import whole_file

METADATA_KEY = b"dejavu"
ROW_GROUP_ROWS = 2**16


def write_parquet(path: str | Path, table: pa.Table, metadata: Metadata | None = None) -> None:
    """Write a table whole or not at all, sealed, with our metadata beside Arrow's."""
    if metadata is not None:
        table = table.replace_schema_metadata({METADATA_KEY: seals.canonical(metadata)})
    write_parts(path, [table], table.schema)


def write_parts(path: str | Path, parts: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write with a checksum on every page and a seal on the footer: nothing goes unguarded."""
    with whole_file(path) as partial:
        with pq.ParquetWriter(partial, schema, write_page_checksum=True) as writer:
            for part in parts:
                writer.write_table(part, row_group_size=ROW_GROUP_ROWS)
        seals.seal_footer(partial, path)


def read_parquet(
    path: str | Path, columns: Sequence[str] | None = None, **options: Any
) -> pa.Table:
    """Read a table, or some of its columns.

    Raises:
        InputError: the file is missing, damaged, another than was written there, or lacks a column.
    """
    try:
        if not seals.has_footer_seal(path):
            raise seals.spoiled(path)
        missing = set(columns or []) - set(pq.read_schema(path).names)
        if not missing:
            return pq.read_table(
                path, columns=columns, page_checksum_verification=True, partitioning=None, **options
            )
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error
    raise lacks(path, missing)


def lacks(path: object, columns: Iterable[str]) -> DamagedFile:
    """What is said of a file without some columns."""
    absent = ", ".join(sorted(columns))
    return DamagedFile(path, f"{path} has no column {absent}: delete it and rerun.")


def rows_of(path: str | Path) -> int:
    """Number of rows of a table, read from its end; raises `InputError` as `read_parquet` does."""
    return _footer(path).num_rows


def read_provenance(path: str | Path) -> Metadata:
    """Our metadata of a table, without its rows; raises `InputError` as `read_parquet` does."""
    return metadata_of(_footer(path), path)


def _footer(path: str | Path) -> pq.FileMetaData:
    try:
        if seals.has_footer_seal(path):
            return pq.read_metadata(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error
    raise seals.spoiled(path)


def unreadable(path: object, error: BaseException) -> InputError:
    """What is said of a file that is no Parquet, or that the system keeps from being read."""
    return system_fault(error, path, "be read") or DamagedFile(
        path,
        f"{path} cannot be read as Parquet ({first_line(error)}): delete the file and run again, it"
        " will be made anew.",
    )


def metadata_of(footer: pq.FileMetaData, path: object) -> Metadata:
    """Our metadata in a footer."""
    found = (footer.metadata or {}).get(METADATA_KEY)
    if found is None:
        sentence = f"{path} carries no provenance, which this workflow writes: delete it and rerun."
        raise DamagedFile(path, sentence)
    try:
        metadata = json.loads(found)
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict):
        sentence = f"{path} holds damaged provenance: delete the file and run again."
        raise DamagedFile(path, sentence)
    return metadata


def column_strings(table: pa.Table, name: str) -> list[str]:
    """A column of strings as a list."""
    return table.column(name).to_pylist()
