"""The files between stages: their Arrow schemas, readers and writers, all in this one place."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from dejavu import provenance, splits
from dejavu.errors import InputError
from dejavu.job import whole_file
from dejavu.provenance import Metadata

if TYPE_CHECKING:
    import polars as pl

    from dejavu.predictions import Predictions

METADATA_KEY = b"dejavu"
# Of arrays: the hash of all bytes before the footer.
BODY_KEY = b"dejavu_body"
ROW_GROUP_ROWS = 2**16
# Of a page of arrays: a page has less than 2^31 bytes.
ARRAY_ROWS = 2**14
READING_THREADS = 2
FINITE_ROWS = 2**12

STRINGS = pa.list_(pa.string())
# Where Parquet keeps the strings of label lists: read as dictionaries, they cost a fifth.
LABEL_LEAVES = ["objects.list.element", "named.list.element"]
RECORDS = pa.schema(
    [
        ("hash", pa.uint64()),
        ("id", pa.string()),
        ("image", pa.string()),
        ("caption", pa.string()),
        ("objects", STRINGS),
    ]
)
REJECTED = pa.schema([("hash", pa.uint64()), ("item", pa.string()), ("reason", pa.string())])
LABELS = pa.schema(
    [
        ("hash", pa.uint64()),
        ("id", pa.string()),
        ("label", pa.string()),
        ("score", pa.float32()),
    ]
)
OBJECTS = pa.schema([("sample", pa.int64()), ("objects", STRINGS)])
BOX = pa.struct([(side, pa.int32()) for side in ("xmin", "ymin", "xmax", "ymax")])
TAGS = pa.list_(pa.struct([("tag", pa.string()), ("score", pa.float32())]))
CONTEXT = pa.list_(pa.struct([("tag", pa.string()), ("box", BOX)]))
PICTURE = [
    ("id", pa.string()),
    ("image", pa.string()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("label", pa.string()),
    ("boxes", pa.list_(BOX)),
]
CROP = [("crop", BOX), ("crop_status", pa.string())]
IMAGES = pa.schema(
    [("hash", pa.uint64()), *PICTURE, ("context", CONTEXT), ("position", pa.int64())]
)
VISION_RECORDS = pa.schema([("sample", pa.int64()), *PICTURE, *CROP, ("context", CONTEXT)])
VISION_SAMPLES = pa.schema([("sample", pa.int64()), *PICTURE, *CROP, ("tags", TAGS)])
PREDICTIONS = pa.schema(
    [
        ("sample", pa.int64()),
        ("prediction", pa.string()),
        ("top5", STRINGS),
        ("confidence", pa.float64()),
        ("tiebreak", pa.float64()),
        ("correct", pa.bool_()),
    ]
)
DUPLICATES = pa.schema(
    [("first_sample", pa.int64()), ("second_sample", pa.int64()), ("similarity", pa.float64())]
)
VLM_SAMPLES = pa.schema(
    [
        ("sample", pa.int64()),
        ("id", pa.string()),
        ("image", pa.string()),
        ("caption", pa.string()),
        ("objects", STRINGS),
        ("named", STRINGS),
    ]
)


@dataclass(frozen=True)
class Embeddings:
    """One shard of embeddings: sample numbers int64 [n], vectors [n, d] and their provenance."""

    samples: NDArray[np.int64]
    vectors: NDArray[Any]
    metadata: Metadata


@dataclass(frozen=True)
class Neighbors:
    """One shard of rankings: samples int64 [n], public samples int64 [n, k], scores float32."""

    samples: NDArray[np.int64]
    neighbors: NDArray[np.int64]
    scores: NDArray[np.float32]
    metadata: Metadata


def write_parquet(path: str | Path, table: pa.Table, metadata: Metadata | None = None) -> None:
    """Write a table whole or not at all, sealed, with our metadata beside Arrow's."""
    if metadata is not None:
        table = table.replace_schema_metadata({METADATA_KEY: provenance.canonical(metadata)})
    _write_parts(path, [table], table.schema)


def _write_parts(path: str | Path, parts: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write with a checksum on every page and a seal on the footer: nothing goes unguarded."""
    with whole_file(path) as partial:
        with pq.ParquetWriter(partial, schema, write_page_checksum=True) as writer:
            for part in parts:
                writer.write_table(part, row_group_size=ROW_GROUP_ROWS)
        provenance.seal_footer(partial, path)


def read_parquet(
    path: str | Path, columns: Sequence[str] | None = None, **options: Any
) -> pa.Table:
    """Read a table, or some of its columns.

    Raises:
        InputError: the file is missing, damaged, another than was written there, or lacks a column.
    """
    try:
        if not provenance.has_footer_seal(path):
            raise provenance.spoiled(path)
        missing = set(columns or []) - set(pq.read_schema(path).names)
        if not missing:
            return pq.read_table(
                path, columns=columns, page_checksum_verification=True, partitioning=None, **options
            )
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    raise _missing(path, missing)


def _missing(path: object, columns: Iterable[str]) -> InputError:
    return InputError(f"{path} has no column {', '.join(sorted(columns))}: delete it and rerun.")


def rows_of(path: str | Path) -> int:
    """Number of rows of a table, read from its end; raises `InputError` as `read_parquet` does."""
    return _footer(path).num_rows


def read_provenance(path: str | Path) -> Metadata:
    """Our metadata of a table, without its rows; raises `InputError` as `read_parquet` does."""
    return _metadata_of(_footer(path), path)


def _footer(path: str | Path) -> pq.FileMetaData:
    try:
        if provenance.has_footer_seal(path):
            return pq.read_metadata(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    raise provenance.spoiled(path)


def _unreadable(path: object, error: BaseException) -> InputError:
    return InputError(
        f"{path} cannot be read as Parquet ({first_line(error)}): delete the file and run again, it"
        " will be made anew."
    )


def within_hashes(low: int, high: int) -> list[tuple[str, str, Any]]:
    """A filter for `read_parquet`: rows with hashes from `low`, up to `high` without it."""
    within = [("hash", ">=", pa.scalar(low, pa.uint64()))]
    if high < splits.HASHES:
        within.append(("hash", "<", pa.scalar(high, pa.uint64())))
    return within


def first_line(error: BaseException) -> str:
    """The first line of an error's message, to be quoted inside a sentence."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _metadata_of(footer: pq.FileMetaData, path: object) -> Metadata:
    found = (footer.metadata or {}).get(METADATA_KEY)
    if found is None:
        raise InputError(f"{path} carries no provenance: it was not made by this workflow.")
    try:
        metadata = json.loads(found)
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict):
        raise InputError(f"{path} holds damaged provenance: delete the file and run again.")
    return metadata


def matrix_column(matrix: NDArray[Any]) -> pa.FixedSizeListArray:
    """A matrix [n, d] as a column of fixed-size lists, without a copy."""
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])


def column_strings(table: pa.Table, name: str) -> list[str]:
    """A column of strings as a list."""
    return table.column(name).to_pylist()


def _write_arrays(path: str | Path, columns: Mapping[str, NDArray[Any]], facts: Metadata) -> None:
    """Write arrays [n] and [n, d] so that the values of a row group's column are one run of bytes.

    A page a column and row group, plain and without compression: any reader of Parquet reads that,
    and `_read_arrays` has no need of one.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in columns.items()}
    table = pa.table(
        {
            name: matrix_column(array) if array.ndim == 2 else pa.array(array)
            for name, array in arrays.items()
        }
    )
    metadata = provenance.seal(facts, *map(provenance.array_bytes, arrays.values()))
    table = table.replace_schema_metadata({METADATA_KEY: provenance.canonical(metadata)})
    layout: dict[str, Any] = {"compression": "none", "use_dictionary": False}
    layout |= {"data_page_size": 2**31 - 1, "max_rows_per_page": ARRAY_ROWS}
    with whole_file(path) as partial:
        with pq.ParquetWriter(partial, table.schema, write_page_checksum=True, **layout) as writer:
            writer.write_table(table, row_group_size=ARRAY_ROWS)
            body = provenance.array_bytes(np.memmap(partial, np.uint8, "r"))
            writer.add_key_value_metadata({BODY_KEY: provenance.hashed(body)})
            del body
        provenance.seal_footer(partial, path)


def _read_arrays(path: str | Path, names: Sequence[str]) -> tuple[list[NDArray[Any]], Metadata]:
    """Read what `_write_arrays` wrote, each value straight to its place, and check the seal.

    A Parquet page has its values at its end. Parquet's own readers would first unpack a level for
    every value of a list, which takes several times as long.
    """
    try:
        if not provenance.has_footer_seal(path):
            raise provenance.spoiled(path)
        footer = pq.read_metadata(path)
        schema = footer.schema.to_arrow_schema()
        if missing := set(names) - set(schema.names):
            raise _missing(path, missing)
        arrays = [_empty(field.type, footer.num_rows) for field in schema]
        body = _read_body(path, footer, arrays)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise _unreadable(path, error) from error
    metadata = _metadata_of(footer, path)
    provenance.check_seal(path, metadata, *map(provenance.array_bytes, arrays))
    if provenance.hashed(*body).encode() != footer.metadata.get(BODY_KEY):
        raise provenance.spoiled(path)
    return [arrays[schema.names.index(name)] for name in names], metadata


def _read_body(
    path: str | Path, footer: pq.FileMetaData, arrays: Sequence[NDArray[Any]]
) -> list[memoryview]:
    """Fill the arrays of a file's columns; all bytes before the footer, in order, in pieces."""
    body, starts, row = [memoryview(bytearray(len(provenance.PARQUET_MAGIC)))], [0], 0
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for place, array in enumerate(arrays):
            chunk = group.column(place)
            values = provenance.array_bytes(array[row : row + group.num_rows])
            if chunk.total_compressed_size < len(values):
                raise provenance.spoiled(path)
            levels = bytearray(chunk.total_compressed_size - len(values))
            body += [memoryview(levels), values]
            starts += [chunk.data_page_offset, chunk.data_page_offset + len(levels)]
        row += group.num_rows
    with Path(path).open("rb") as file, ThreadPoolExecutor(READING_THREADS) as pool:

        def read(piece: memoryview, start: int) -> bool:
            return os.preadv(file.fileno(), [piece], start) == len(piece)

        if not all(pool.map(read, body, starts)):
            raise provenance.spoiled(path)
    return body


def _empty(kind: pa.DataType, rows: int) -> NDArray[Any]:
    """Room for a column of numbers [rows], or of fixed-size lists [rows, size]."""
    if pa.types.is_fixed_size_list(kind):
        return np.empty((rows, kind.list_size), kind.value_type.to_pandas_dtype())
    return np.empty(rows, kind.to_pandas_dtype())


def write_embeddings(
    path: str | Path, samples: NDArray[np.int64], vectors: NDArray[Any], facts: Metadata
) -> None:
    """Write one shard of embeddings, sealed.

    Args:
        path: the file to appear.
        samples: int64 [n].
        vectors: float32 or float16 [n, d].
        facts: model, fingerprint, whether normalised, library versions.

    Raises:
        InputError: a vector is not finite; the sentence names the model and the first sample.
    """
    finite = finite_rows(vectors)
    if not finite.all():
        raise InputError(
            f"Model {facts['model']} gives embeddings that are not finite for"
            f" {np.count_nonzero(~finite)} samples, first {samples[~finite][0]} of {path}:"
            " check the checkpoint, or train with a lower learning rate."
        )
    facts = {**facts, "dimension": int(vectors.shape[1])}
    _write_arrays(path, {"sample": samples, "embedding": vectors}, facts)


def finite_rows(vectors: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows of vectors [n, d] are finite, [n]; a block at a time, to spare memory."""
    finite = np.empty(len(vectors), dtype=bool)
    for start in range(0, len(vectors), FINITE_ROWS):
        block = slice(start, start + FINITE_ROWS)
        finite[block] = np.isfinite(vectors[block]).all(axis=1)
    return finite


def read_embeddings(path: str | Path) -> Embeddings:
    """Read one shard of embeddings and check its seal.

    Raises:
        InputError: the file is damaged, or holds values that are not finite.
    """
    (samples, vectors), metadata = _read_arrays(path, ["sample", "embedding"])
    if not finite_rows(vectors).all():
        raise InputError(f"{path} holds embeddings that are not finite: delete it and run again.")
    return Embeddings(samples, vectors, metadata)


def write_neighbors(path: str | Path, ranking: Neighbors) -> None:
    """Write one shard of rankings, sealed."""
    columns: dict[str, NDArray[Any]] = {
        "sample": ranking.samples,
        "neighbors": ranking.neighbors,
        "score": ranking.scores,
    }
    _write_arrays(path, columns, ranking.metadata)


def read_neighbors(path: str | Path) -> Neighbors:
    """Read one shard of rankings and check its seal."""
    (samples, neighbors, scores), metadata = _read_arrays(path, ["sample", "neighbors", "score"])
    return Neighbors(samples, neighbors, scores, metadata)


def read_crops(
    paths: Sequence[str], columns: Sequence[str] = (), needed_by: str = ""
) -> "pl.DataFrame":
    """The background crops of shards of images, in the order of their numbers.

    Args:
        paths: the shards.
        columns: further columns.
        needed_by: what can't be done without any crop, if anything.

    Returns:
        `sample`, `id`, `image`, `label`, `crop` and the further columns of images that have one.

    Raises:
        InputError: there is none, and it is needed.
    """
    import polars as pl

    names = ["sample", "id", "image", "label", "crop", *columns]
    shards = [pl.DataFrame(pl.from_arrow(read_parquet(path, names))) for path in paths]
    images = pl.concat(shards)
    crops = images.filter(pl.col("crop").is_not_null())
    if needed_by and crops.is_empty():
        raise InputError(
            f"None of the {len(images)} images that {needed_by} is fitted on has a background crop:"
            " lower vision.min_side, or add annotations."
        )
    return crops


def read_places(
    path: str, part: str
) -> tuple[NDArray[np.int64], list[tuple[str, Mapping[str, int] | None]]]:
    """What is embedded of one shard of images, in the order of their numbers.

    Args:
        path: the shard's records.
        part: `image`, or `crop` for the background crops of those images that have one.

    Returns:
        Sample numbers, int64 [n], and for each its image and, for crops, the rectangle.
    """
    if part == "crop":
        crops = read_crops([path])
        return crops["sample"].to_numpy(), crops.select("image", "crop").rows()
    records = read_parquet(path, ["sample", "image"])
    return records["sample"].to_numpy(), [
        (image, None) for image in column_strings(records, "image")
    ]


def predictions_table(
    crops: "pl.DataFrame", predicted: "Predictions", classes: Sequence[str]
) -> pa.Table:
    """What a predictor says of crops, with the class names for their codes."""
    names = np.array([*classes, None], dtype=object)
    first = names[predicted.first]
    return pa.table(
        {
            "sample": crops["sample"].to_numpy(),
            "prediction": first.tolist(),
            "top5": [names[codes[codes >= 0]].tolist() for codes in predicted.top],
            "confidence": predicted.confidence,
            "tiebreak": predicted.tiebreak,
            "correct": first == crops["label"].to_numpy().astype(object),
        },
        schema=PREDICTIONS,
    )


def write_predictions(path: str | Path, shards: Iterable[pa.Table]) -> None:
    """Write a predictor's answers on all crops of a set, a shard at a time."""
    _write_parts(path, shards, PREDICTIONS)


def label_codes(
    table: pa.Table, name: str, vocabulary: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """A column of label lists as offsets int64 [n + 1] and codes int32 into the vocabulary.

    Raises:
        InputError: a label is not in the vocabulary.
    """
    places = {label: code for code, label in enumerate(vocabulary)}
    offsets = [np.zeros(1, dtype=np.int64)]
    codes = [np.empty(0, dtype=np.int32)]
    for lists in table.column(name).chunks:
        labels = lists.flatten()
        if not pa.types.is_dictionary(labels.type):
            labels = labels.dictionary_encode()
        try:
            known = [places[label] for label in labels.dictionary.to_pylist()]
        except KeyError as error:
            raise InputError(
                f"The label {error} is not in the vocabulary: delete it and rerun."
            ) from None
        indices = labels.indices.to_numpy()
        codes.append(np.array(known, dtype=np.int32)[indices] if known else codes[0])
        lengths = np.diff(lists.offsets.to_numpy())
        offsets.append(offsets[-1][-1] + np.cumsum(lengths, dtype=np.int64))
    return np.concatenate(offsets), np.concatenate(codes)


def write_csv(
    path: str | Path, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Any]
) -> None:
    """Write rows as CSV with a header; a missing value is an empty cell.

    Args:
        path: the file to appear.
        rows: one mapping a row; what a row lacks stays empty.
        columns: the columns in their order, with their Polars types.
    """
    import polars as pl

    frame = pl.DataFrame(list(rows), schema=dict(columns)).fill_nan(None)
    write_csv_parts(path, [frame])


def write_csv_parts(path: str | Path, parts: Iterable["pl.DataFrame"]) -> None:
    """Write frames of the same columns, at least one, as one CSV with a header."""
    with whole_file(path) as partial, partial.open("wb") as file:
        for place, frame in enumerate(parts):
            frame.write_csv(file, include_header=place == 0)


def write_json(path: str | Path, facts: Metadata, *content: bytes | memoryview) -> None:
    """Write small facts as JSON, sealed, together with content that lies elsewhere."""
    sealed = provenance.seal(facts, provenance.place(path), *content)
    with whole_file(path) as partial:
        partial.write_text(json.dumps(sealed, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Metadata:
    """Read small facts from JSON and check their seal.

    Raises:
        InputError: the file is missing or damaged.
    """
    facts = _sealed_facts(path)
    provenance.check_seal(path, facts, provenance.place(path))
    del facts["hash"]
    return facts


def _sealed_facts(path: str | Path) -> Metadata:
    try:
        facts = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as JSON ({first_line(error)}): delete the file and run again,"
            " it will be made anew."
        ) from error
    if not isinstance(facts, dict):
        raise InputError(f"{path} holds no facts of this workflow: delete it and run again.")
    return facts


def write_list(path: str | Path, shards: Iterable[str]) -> None:
    """List shards in one small file, with their sizes and the hashes of their content."""
    listed = []
    for shard in shards:
        with Path(shard).open("rb") as file:
            content = hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()
            listed.append({"path": str(shard), "bytes": file.tell(), "content": content})
    write_json(path, {"shards": listed})


@contextmanager
def listed(path: str | Path) -> Iterator[list[str]]:
    """Paths of the shards that a list names, to be read inside the context.

    After bad input the list is removed, so that the next run makes it anew, and with it whatever
    shard was deleted.

    Raises:
        InputError: the list is missing or damaged, or one of its shards is gone.
    """
    try:
        shards = [shard["path"] for shard in read_json(path)["shards"]]
        gone = [shard for shard in shards if not Path(shard).is_file()]
        if gone:
            raise InputError(f"{gone[0]} is missing: run again, it will be made anew.")
        yield shards
    except InputError:
        Path(path).unlink(missing_ok=True)
        raise


def write_settings(path: str | Path, settings: Metadata, weights: str | Path) -> None:
    """Write what a model was trained with, sealed together with its weights."""
    write_json(path, settings, _file_bytes(weights))


def read_settings(path: str | Path, weights: str | Path) -> Metadata:
    """Read what a model was trained with, and check that the weights are those of that training.

    Raises:
        InputError: one of the files is missing or damaged.
    """
    settings = _sealed_facts(path)
    try:
        content = _file_bytes(weights)
    except OSError as error:
        raise InputError(f"The weights {weights} are missing ({error}): run again.") from error
    provenance.check_seal(f"{weights}, or {path},", settings, provenance.place(path), content)
    del settings["hash"]
    return settings


def _file_bytes(path: str | Path) -> memoryview:
    return provenance.array_bytes(np.fromfile(path, dtype=np.uint8))
