"""Arrays as Parquet, written so that values are read straight to their place."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dejavu.files import seals
from dejavu.files.parquet import METADATA_KEY, lacks, metadata_of, unreadable
from dejavu.files.seals import Metadata
from dejavu.job import whole_file

# Of arrays: the hash of all bytes before the footer.
BODY_KEY = b"dejavu_body"
# Of a page of arrays: a page has less than 2^31 bytes.
ARRAY_ROWS = 2**14
READING_THREADS = 2


def matrix_column(matrix: NDArray[Any]) -> pa.FixedSizeListArray:
    """A matrix [n, d] as a column of fixed-size lists, without a copy."""
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])


def write_arrays(path: str | Path, columns: Mapping[str, NDArray[Any]], facts: Metadata) -> None:
    """Write arrays [n] and [n, d] so that the values of a row group's column are one run of bytes.

    A page a column and row group, plain and without compression: any reader of Parquet reads that,
    and `read_arrays` has no need of one.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in columns.items()}
    table = pa.table(
        {
            name: matrix_column(array) if array.ndim == 2 else pa.array(array)
            for name, array in arrays.items()
        }
    )
    metadata = seals.seal(facts, *map(seals.array_bytes, arrays.values()))
    table = table.replace_schema_metadata({METADATA_KEY: seals.canonical(metadata)})
    layout: dict[str, Any] = {"compression": "none", "use_dictionary": False}
    layout |= {"data_page_size": 2**31 - 1, "max_rows_per_page": ARRAY_ROWS}
    with whole_file(path) as partial:
        with pq.ParquetWriter(partial, table.schema, write_page_checksum=True, **layout) as writer:
            writer.write_table(table, row_group_size=ARRAY_ROWS)
            body = seals.array_bytes(np.memmap(partial, np.uint8, "r"))
            writer.add_key_value_metadata({BODY_KEY: seals.hashed(body)})
            del body
        seals.seal_footer(partial, path)


def read_arrays(path: str | Path, names: Sequence[str]) -> tuple[list[NDArray[Any]], Metadata]:
    """Read what `write_arrays` wrote, each value straight to its place, and check the seal.

    A Parquet page has its values at its end. Parquet's own readers would first unpack a level for
    every value of a list, which takes several times as long.
    """
    try:
        if not seals.has_footer_seal(path):
            raise seals.spoiled(path)
        footer = pq.read_metadata(path)
        schema = footer.schema.to_arrow_schema()
        if missing := set(names) - set(schema.names):
            raise lacks(path, missing)
        arrays = [_empty(field.type, footer.num_rows) for field in schema]
        body = _read_body(path, footer, arrays)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise unreadable(path, error) from error
    metadata = metadata_of(footer, path)
    seals.check_seal(path, metadata, *map(seals.array_bytes, arrays))
    if seals.hashed(*body).encode() != footer.metadata.get(BODY_KEY):
        raise seals.spoiled(path)
    return [arrays[schema.names.index(name)] for name in names], metadata


def _read_body(
    path: str | Path, footer: pq.FileMetaData, arrays: Sequence[NDArray[Any]]
) -> list[memoryview]:
    """Fill the arrays of a file's columns; all bytes before the footer, in order, in pieces."""
    body, starts, row = [memoryview(bytearray(len(seals.PARQUET_MAGIC)))], [0], 0
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for place, array in enumerate(arrays):
            chunk = group.column(place)
            values = seals.array_bytes(array[row : row + group.num_rows])
            if chunk.total_compressed_size < len(values):
                raise seals.spoiled(path)
            levels = bytearray(chunk.total_compressed_size - len(values))
            body += [memoryview(levels), values]
            starts += [chunk.data_page_offset, chunk.data_page_offset + len(levels)]
        row += group.num_rows
    with Path(path).open("rb") as file, ThreadPoolExecutor(READING_THREADS) as pool:

        def read(piece: memoryview, start: int) -> bool:
            return os.preadv(file.fileno(), [piece], start) == len(piece)

        if not all(pool.map(read, body, starts)):
            raise seals.spoiled(path)
    return body


def _empty(kind: pa.DataType, rows: int) -> NDArray[Any]:
    """Room for a column of numbers [rows], or of fixed-size lists [rows, size]."""
    if pa.types.is_fixed_size_list(kind):
        return np.empty((rows, kind.list_size), kind.value_type.to_pandas_dtype())
    return np.empty(rows, kind.to_pandas_dtype())
