"""Folders of embeddings as clip-retrieval's inference writes them.

Layout (`config.clip_retrieval` has the names of files): for each partition
``metadata/metadata_{n}.parquet``, with `image_path` (a file, or the member's key in a tar),
`caption` and, where asked for, the fields of the samples' JSON; ``img_emb/img_emb_{n}.npy`` and
``text_emb/text_emb_{n}.npy``, float16 or float32 [rows, d]; numbers are padded with zeros. Row i of
all three is the same sample. Arrays stay where they are: they are mapped, and rows gathered; floats
of other widths, as float64, are rounded to float32 as they are gathered.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.config import clip_retrieval, ranges
from dejavu.errors import InputError, first_line, system_fault
from dejavu.samples.texts import LONGEST_WORD, caption_fault, is_valid, normalised_column
from dejavu.sources import matrices
from dejavu.sources.cells import LITERAL, NO_LABELS, check_separator, labels_of
from dejavu.sources.columns import inner, is_text
from dejavu.sources.regular import check_regular

LENGTH_TOLERANCE = 5e-3


@dataclass(frozen=True)
class Partition:
    """One file of metadata, and where its rows' embeddings lie."""

    folder: Path
    number: str

    @property
    def metadata(self) -> Path:
        """The file of metadata."""
        return clip_retrieval.metadata_file(self.folder, self.number)

    def rows(self) -> int:
        """Number of rows of the metadata."""
        with _told(self.metadata):
            return int(_scanned(self.metadata).select(pl.len()).collect().item())

    def vectors(self, column: str) -> NDArray[Any]:
        """Embeddings of `image` or `caption`, floats [rows, d], mapped, not read.

        Raises:
            InputError: the file is missing, is no matrix of floats, or has other rows.
        """
        path = clip_retrieval.vectors_file(self.folder, column, self.number)
        mapped = matrices.mapped(path, f"embed the {column}s too, or fetch the file again.")
        rows = self.rows()
        if len(mapped) != rows:
            raise InputError(
                f"{path} has {len(mapped)} rows, and {self.metadata} has {rows}: they are of"
                " different runs; fetch both again."
            )
        return mapped


def partitions(folder: Path) -> list[Partition]:
    """The partitions of a folder, in the order of their numbers.

    Raises:
        InputError: there is none.
    """
    found = [Partition(folder, number) for number in clip_retrieval.numbers(folder)]
    if not found:
        raise InputError(
            f"{folder} holds no {clip_retrieval.METADATA}: name the folder that clip-retrieval's"
            " inference wrote, with img_emb, text_emb and metadata in it."
        )
    return found


def read_metadata(
    partition: Partition, columns: Mapping[str, str], separator: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read a partition's metadata.

    Args:
        partition: the partition.
        columns: names of the columns with `id`, `image`, `caption` and, unless annotated
            elsewhere, `objects`: a list of strings, a JSON list, or labels joined by the separator.
        separator: what joins the labels.

    Returns:
        Rows that can be used, with `row`, `id`, `image`, `caption` and sorted, unique `objects`;
        and the others, with `row`, `item`, `id` and `reason`.

    Raises:
        InputError: the file can't be read or lacks a column.
    """
    path = partition.metadata
    with _told(path):
        present = _scanned(path).collect_schema()
    for role, name in columns.items():
        if name not in present:
            raise InputError(
                f"{path} has no column {name!r} for the {role}: set `columns.{role}` to one of"
                f" {', '.join(present.names())}"
            )
        kind = present[name]
        value = inner(kind) or kind if role == "objects" else kind
        if not is_text(value) or (role == "objects" and value.is_integer()):
            raise InputError(
                f"{path}: the column {name!r} for the {role} holds {str(kind)[:80]}, not text: name"
                f" another column in `columns.{role}`."
            )
    labels = pl.lit([], dtype=pl.List(pl.String))
    if "objects" in columns:
        labels = _labels(pl.col(columns["objects"]), present[columns["objects"]], separator)
    with _told(path):
        texts = {
            role: normalised_column(pl.col(columns[role]).cast(pl.String))
            for role in ("id", "caption")
        }
        rows = (
            _scanned(path)
            .select(
                pl.int_range(pl.len(), dtype=pl.Int64).alias("row"),
                texts["id"].alias("id"),
                pl.col(columns["image"]).cast(pl.String).alias("image"),
                texts["caption"].str.strip_chars().alias("caption"),
                labels.alias("objects"),
            )
            .collect()
        )
        if present.get(columns.get("objects", "")) == pl.String:
            cells = _scanned(path).select(columns["objects"]).collect().to_series()
            check_separator(path, cells, separator)
    empty = {role: pl.col(role).is_null() | (pl.col(role) == "") for role in ("id", "caption")}
    reason = (
        pl.when(empty["id"])
        .then(pl.lit("no id"))
        .when(empty["caption"])
        .then(pl.lit("no caption"))
        .when(pl.col("objects").is_null())
        .then(pl.lit(NO_LABELS))
        .otherwise(_fault_of_captions(pl.col("caption")))
    )
    judged = rows.with_columns(
        reason=reason,
        item=pl.format("{}#row {}", pl.lit(path.name), "row"),
        image=pl.col("image").fill_null(""),
    )
    kept = judged.filter(pl.col("reason").is_null()).drop("reason", "item")
    return kept, judged.filter(pl.col("reason").is_not_null()).select("row", "item", "id", "reason")


def _scanned(path: Path) -> pl.LazyFrame:
    check_regular(path)
    # A path is a path: neither a pattern nor a folder of partitions.
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def _fault_of_captions(column: pl.Expr) -> pl.Expr:
    """Why captions can't be used; null where they can."""
    is_long = column.str.len_bytes() > LONGEST_WORD
    faults = pl.when(is_long).then(column).map_batches(_faults, return_dtype=pl.String)
    return pl.when(is_long).then(faults)


def _faults(captions: pl.Series) -> pl.Series:
    faults = [None if caption is None else caption_fault(caption) for caption in captions]
    return pl.Series(faults, dtype=pl.String)


def _labels(column: pl.Expr, kind: pl.DataType, separator: str) -> pl.Expr:
    """Sorted, unique labels of a column of lists, JSON lists or joined strings; null where none."""
    if inner(kind) is None:
        column = column.cast(pl.String)
        is_list = column.str.contains(rf"^\s*\[|{LITERAL}")
        # What is no JSON list of strings becomes null, and is told.
        listed = pl.when(is_list).then(column)
        lists = (
            pl.when(is_list)
            .then(listed.map_batches(_decoded, return_dtype=pl.List(pl.String)))
            .otherwise(column.str.split(separator))
        )
    else:
        lists = column.cast(pl.List(pl.String))
    clean = normalised_column(pl.element().str.strip_chars())
    return lists.list.eval(clean.filter(clean != "").unique().sort())


def _decoded(column: pl.Series) -> pl.Series:
    """Lists of labels, decoded once for each text that occurs; null where they are not valid."""

    def labels(text: str) -> list[str] | None:
        found = labels_of(text, "")
        return found if found is not None and all(map(is_valid, found)) else None

    texts = column.drop_nulls().unique()
    known = dict(zip(texts, map(labels, texts), strict=True))
    return pl.Series([known.get(text) for text in column], dtype=pl.List(pl.String))


def stored_order(place: int, count: int, rows: int) -> NDArray[np.uint64]:
    """Keys that keep a partition's rows in order and, of as many shards, give it one of its own.

    Args:
        place: of the partition, from 0.
        count: number of partitions.
        rows: of the partition.

    Returns:
        uint64 [rows], rising, inside the partition's shard (see `ranges.shard_range`).
    """
    low, high = ranges.shard_range((0, ranges.HASHES), place, count)
    step = (high - low - 1) // max(rows, 1)
    return np.uint64(low) + np.arange(rows, dtype=np.uint64) * np.uint64(step)


def check_captions(
    among: Sequence[Partition], ids: pl.Series, captions: pl.Series, columns: Mapping[str, str]
) -> None:
    """Check that a folder's rows are the samples that their ids stand for, where it has captions.

    Args:
        among: the folder's partitions.
        ids: of n samples, unique.
        captions: theirs.
        columns: the metadata's names of the columns `id` and `caption`.

    Raises:
        InputError: a row has another caption than the sample of its id.
    """

    def plain(column: pl.Expr) -> pl.Expr:
        return normalised_column(column.cast(pl.String)).str.strip_chars()

    wanted = pl.DataFrame({"id": ids, "wanted": captions}).lazy()
    for partition in among:
        with _told(partition.metadata):
            rows = _scanned(partition.metadata)
            if columns["caption"] not in rows.collect_schema():
                continue
            differing = (
                rows.select(
                    normalised_column(pl.col(columns["id"]).cast(pl.String)).alias("id"),
                    plain(pl.col(columns["caption"])).alias("caption"),
                )
                .join(wanted, on="id")
                .filter(pl.col("caption").ne_missing(plain(pl.col("wanted"))))
                .collect()
            )
        if len(differing):
            raise InputError(
                f"{partition.metadata} has other captions than the samples for {len(differing)}"
                f" ids, {differing['id'][0]!r} for one: name the folder with embeddings of the same"
                " samples."
            )


def gather(
    among: Sequence[Partition],
    column: str,
    ids: pl.Series,
    id_column: str,
    came_with_samples: bool = True,
) -> NDArray[Any]:
    """Embeddings of samples by their ids, in their order.

    Where they are one stretch of one file they are not copied, but stay mapped.

    Args:
        among: partitions, in which the first row of an id counts.
        column: `image` or `caption`.
        ids: of n samples, unique.
        id_column: the metadata's column with ids.
        came_with_samples: whether the ids were read from the same folder.

    Returns:
        [n, d], float16 or float32, of the precision that is stored where it is one of them.

    Raises:
        InputError: an id is gone, a value is not finite, or partitions are of different widths or
            precisions.
    """
    wanted = pl.DataFrame({"id": ids, "place": np.arange(len(ids))})
    missing = np.ones(len(ids), dtype=bool)
    found: NDArray[Any] | None = None
    for partition in among:
        if not missing.any():
            break
        places, rows = _rows(partition, wanted.filter(pl.Series(missing)), id_column)
        if not len(rows):
            continue
        vectors = partition.vectors(column)
        kept = matrices.kept(vectors.dtype)
        path = clip_retrieval.vectors_file(partition.folder, column, partition.number)
        if len(rows) == len(ids) and (np.diff(rows, prepend=rows[0] - 1) == 1).all():
            return matrices.finite(path, vectors[rows[0] : rows[-1] + 1], rows)
        if found is None:
            found = np.empty((len(ids), vectors.shape[1]), dtype=kept)
        if (found.shape[1], found.dtype) != (vectors.shape[1], kept):
            raise InputError(
                f"{partition.folder}: partition {partition.number} has {column} embeddings of"
                f" {vectors.shape[1]} values of {kept}, and earlier ones of"
                f" {found.shape[1]} of {found.dtype}: they are of different models."
            )
        found[places] = matrices.finite(path, vectors[rows], rows)
        missing[places] = False
    if found is None or missing.any():
        lost = ids.filter(pl.Series(missing))
        if not came_with_samples:
            raise InputError(
                f"{among[0].folder} lacks {len(lost)} of the samples' ids, {lost[0]!r} for one:"
                " name the folder with embeddings of the same samples."
            )
        raise InputError(
            f"{among[0].folder} no longer has {len(lost)} ids that were read from it,"
            f" {lost[0]!r} for one: restore it, or remove the folder `sources` of the results to"
            " read it anew."
        )
    return found


def _rows(
    partition: Partition, wanted: pl.DataFrame, id_column: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of the samples that a partition holds, in their order, and its rows for them."""
    with _told(partition.metadata):
        here = (
            _scanned(partition.metadata)
            .select(
                normalised_column(pl.col(id_column).cast(pl.String)).alias("id"),
                pl.int_range(pl.len(), dtype=pl.Int64).alias("row"),
            )
            .join(wanted.lazy(), on="id")
            .group_by("place")
            .agg(pl.col("row").min())
            .sort("place")
            .collect()
        )
    return here["place"].to_numpy(), here["row"].to_numpy()


def of_length_one(vectors: NDArray[Any]) -> NDArray[Any]:
    """Vectors [n, d] as they are where all have length 1, as clip-retrieval's; else scaled to it.

    Half precision leaves lengths of 1 to 1e-3; a zero vector stays what it is.
    """
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    if ((np.abs(lengths - 1) < LENGTH_TOLERANCE) | (lengths == 0)).all():
        return vectors
    return (vectors / np.where(lengths == 0, 1, lengths)[:, None]).astype(np.float32)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell in one sentence that a file of metadata can't be read."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise system_fault(error, path, "be read") or InputError(
            f"{path} cannot be read as parquet: {first_line(error)}"
        ) from error
