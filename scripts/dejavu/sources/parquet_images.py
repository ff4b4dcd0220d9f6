"""Encoded pictures inside Parquet files, as Hugging Face's data sets hold them.

A reference is ``{parquet}#{column}@{row}``: nothing is copied out. Parquet gives access to a row
group at a time, so those read last are kept, as many as fit in some memory: pictures read in the
order of the file cost one read a group.
"""

import re
from collections import OrderedDict
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dejavu.errors import InputError
from dejavu.sources.regular import check_regular

REFERENCE = re.compile(r"(?P<parquet>.+?\.parquet)#(?P<column>.*)@(?P<row>\d+)", re.DOTALL)
LARGEST_GROUP, KEPT_BYTES = 2**30, 2**28
Key = tuple[str, int, str, int]


def parquet_reference(parquet: str, column: str, row: int) -> str:
    """Refer to the picture in a row of a Parquet file."""
    return f"{parquet}#{column}@{row}"


class _Groups:
    """Columns of row groups, those used last; threads share them."""

    def __init__(self) -> None:
        self.kept: OrderedDict[Key, pa.ChunkedArray] = OrderedDict()
        self.lock = Lock()

    def column(self, key: Key) -> pa.ChunkedArray:
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
                return self.kept[key]
        path, _, column, group = key
        with pq.ParquetFile(path, memory_map=True) as file:
            leaf = f"{column}.bytes" if _is_struct(file.schema_arrow, column) else column
            found = file.read_row_group(group, columns=[leaf], use_threads=False).column(0)
        if pa.types.is_struct(found.type):
            found = pc.struct_field(found, "bytes")
        with self.lock:
            self.kept[key] = found
            while len(self.kept) > 1 and sum(each.nbytes for each in self.kept.values()) > (
                KEPT_BYTES
            ):
                self.kept.popitem(last=False)
        return found


_GROUPS = _Groups()


def _is_struct(schema: pa.Schema, column: str) -> bool:
    return pa.types.is_struct(schema.field(column).type)


@lru_cache(maxsize=256)
def _starts(path: str, modified: int) -> list[int]:
    """The first row of each row group, and the number of rows."""
    footer = pq.read_metadata(path)
    rows = (footer.row_group(group).num_rows for group in range(footer.num_row_groups))
    return list(accumulate(rows, initial=0))


def read_value(parquet: str, column: str, row: int) -> bytes | None:
    """The bytes in a row of a column, itself binary or a struct with `bytes`; None where null.

    Raises:
        OSError: the file is missing, damaged, or has no such row.
    """
    check_regular(parquet)
    try:
        modified = Path(parquet).stat().st_mtime_ns
        starts = _starts(parquet, modified)
        if row >= starts[-1]:
            raise OSError(f"it has no row {row}")
        group = next(place for place, end in enumerate(starts[1:]) if row < end)
        values = _GROUPS.column((parquet, modified, column, group))
        content: bytes | None = values[row - starts[group]].as_py()
        return content
    except (pa.ArrowException, KeyError, IndexError) as error:
        raise OSError(f"it can't be read as Parquet: {error}") from error


def check_groups(path: Path, column: str) -> None:
    """Raise `InputError` where a row group is too large to be read for one picture's sake."""
    footer = pq.read_metadata(path)
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        chunks = (group.column(place) for place in range(group.num_columns))
        size = sum(
            chunk.total_uncompressed_size
            for chunk in chunks
            if chunk.path_in_schema.partition(".")[0] == column
        )
        if size > LARGEST_GROUP:
            raise InputError(
                f"{path} holds {size / 2**20:.0f} MiB of pictures in a row group, more than"
                f" {LARGEST_GROUP >> 20}: write it again with row groups of 100 rows, as Hugging"
                " Face's `datasets` does."
            )
