"""A Parquet, CSV or TSV table with a row an image: id, image, caption and objects.

Hugging Face's Parquet is one: pictures lie in it as bytes and stay there, and labels may be numbers
of which the file's own metadata tells the names.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from dejavu.errors import InputError
from dejavu.sources import Record, Rejected, clean_labels
from dejavu.sources.captions import Captions
from dejavu.sources.cells import NO_LABELS, check_separator, labels_of
from dejavu.sources.columns import as_strings, inner, is_text, readable, scan_table
from dejavu.sources.images import as_written, decode, read_bytes, why_unreadable
from dejavu.sources.parquet_images import check_groups, parquet_reference, read_value

# Before the name of a column that is of no role.
FURTHER = "further."
NEEDS = {
    "id": "text or whole numbers",
    "image": "paths, bytes, or both as Hugging Face has them (bytes, path)",
    "caption": "text or lists of it",
    "objects": "text, lists of it, or numbers of classes whose names the file holds",
}


def read_rows(
    path: Path,
    columns: Mapping[str, str],
    separator: str,
    captions: Captions,
    part: int,
    parts: int,
    further: Sequence[str] = (),
) -> Iterator[Record | Rejected]:
    """Read one of several equal parts of a table.

    One part is held in memory at a time, but for pictures inside the table.

    Args:
        path: `.parquet`, `.csv` or `.tsv`.
        columns: the table's names for `id`, `image`, `caption` and, where they are not annotated
            elsewhere, `objects`. Image paths are relative to the table's folder; a caption is a
            string or a list of them; objects are a list of strings, a JSON list, or labels joined
            by the separator. In Parquet an image may be its bytes, or a struct of `bytes` and
            `path`, and objects numbers of Hugging Face's `ClassLabel`.
        separator: what joins the labels of a row where they are one string.
        captions: what becomes of a list of captions.
        part: which part, from 0.
        parts: how many there are.
        further: columns of text or whole numbers that samples are grouped by.

    Raises:
        InputError: the table can't be read, lacks a column or has one of another type.
    """
    table = scan_table(path, columns, "columns")
    with readable(path):
        schema = table.collect_schema()
        rows = table.select(pl.len()).collect().item()
        names = _class_names(path, columns.get("objects"))
    kinds = {role: schema[name] for role, name in columns.items()}
    _check_types(path, columns, kinds, names)
    for name in further:
        if name not in schema or not is_text(schema[name]):
            raise InputError(
                f"{path} has no column {name!r} of text or whole numbers to group samples by: name"
                " another column in `vlm.groups`, or write the table anew"
            )
    inside = columns["image"] if isinstance(kinds["image"], pl.Binary | pl.Struct) else None
    selected = [_strings(role, pl.col(name), kinds[role], names) for role, name in columns.items()]
    selected += [
        as_strings(pl.col(name), schema[name]).alias(f"{FURTHER}{name}") for name in further
    ]
    first, last = rows * part // parts, rows * (part + 1) // parts
    with readable(path):
        if inside is not None:
            check_groups(path, inside)
        chosen = table.select(selected).slice(first, last - first).collect()
    if chosen.schema.get("objects") == pl.String:
        check_separator(path, chosen["objects"], separator)
    for row, values in enumerate(chosen.iter_rows(named=True), first):
        told = tuple(values[f"{FURTHER}{name}"] for name in further)
        for found in _read_row(path, row, values, inside, separator, captions):
            yield replace(found, further=told) if isinstance(found, Record) else found


def named_pictures(path: Path, column: str) -> list[str]:
    """The paths of pictures that a table names, each once, sorted; none where it holds their bytes.

    Raises:
        InputError: the table can't be read or lacks the column.
    """
    table = scan_table(path, {"image": column}, "columns")
    with readable(path):
        kind = table.collect_schema()[column]
        if not is_text(kind):
            return []
        names = table.select(as_strings(pl.col(column), kind)).unique().collect()
        return sorted(names.to_series().drop_nulls())


def _check_types(
    path: Path,
    columns: Mapping[str, str],
    kinds: Mapping[str, pl.DataType],
    names: Sequence[str],
) -> None:
    for role, kind in kinds.items():
        element = inner(kind)
        plain = is_text(kind)
        if role == "image":
            fields = dict(kind) if isinstance(kind, pl.Struct) else {}
            fits = plain or kind == pl.Binary or fields.get("bytes") == pl.Binary
        elif role == "caption":
            fits = plain or (element is not None and is_text(element))
        elif role == "objects":
            value = kind if element is None else element
            fits = is_text(value) and (bool(names) or not value.is_integer())
        else:
            fits = plain
        if not fits:
            raise InputError(
                f"{path}: the column {columns[role]!r} for the {role} holds {str(kind)[:80]}, not"
                f" {NEEDS[role]}: name another column in `columns.{role}`, or write the table anew."
            )


def _strings(role: str, column: pl.Expr, kind: pl.DataType, names: Sequence[str]) -> pl.Expr:
    """A role's column as strings or lists of strings.

    Of pictures inside the table it is their paths: the bytes are not looked at.
    """
    if isinstance(kind, pl.Struct):
        has_path = any(field.name == "path" for field in kind.fields)
        column = column.struct.field("path") if has_path else pl.lit(None)
        return column.cast(pl.String).alias(role)
    if kind == pl.Binary:
        return pl.lit(None, dtype=pl.String).alias(role)
    value = kind if inner(kind) is None else inner(kind)
    if role == "objects" and value is not None and value.is_integer():
        # A number without a name, as -1 for unknown, becomes null, and the row is rejected.
        known = dict(enumerate(names))
        codes = pl.concat_list(column) if inner(kind) is None else column.cast(pl.List(value))
        named = pl.element().replace_strict(known, default=None, return_dtype=pl.String)
        return codes.list.eval(named).alias(role)
    return as_strings(column, kind).alias(role)


def _class_names(path: Path, column: str | None) -> list[str]:
    """The names of a column's classes, as Hugging Face's `datasets` leaves them in the schema."""
    if path.suffix != ".parquet" or column is None:
        return []
    try:
        metadata = pq.read_schema(path).metadata or {}
        feature = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"][column]
        while isinstance(feature, list) or "feature" in feature:
            feature = feature[0] if isinstance(feature, list) else feature["feature"]
        names = feature["names"]
    except (pa.ArrowInvalid, ValueError, LookupError, TypeError, RecursionError):
        return []
    is_names = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return names if is_names else []


def _read_row(
    path: Path,
    row: int,
    values: Mapping[str, Any],
    inside: str | None,
    separator: str,
    captions: Captions,
) -> Sequence[Record | Rejected]:
    """The samples of a row whose picture lies in the column `inside` of the table, or elsewhere."""
    item = f"{path}#row {row}"
    identifier = None if values["id"] in (None, "") else str(values["id"])
    given = values["caption"] if isinstance(values["caption"], list) else [values["caption"]]
    texts = [text for text in (str(each or "").strip() for each in given) if text]
    objects = _objects(values["objects"], separator) if "objects" in values else []
    if identifier is None:
        return [Rejected(item, None, "no id")]
    if inside is None and not values["image"]:
        return [Rejected(item, identifier, "no image")]
    if not texts:
        return [Rejected(item, identifier, "no caption")]
    if objects is None:
        return [Rejected(item, identifier, NO_LABELS)]
    try:
        content = None if inside is None else read_value(str(path), inside, row)
        if content is not None and inside is not None:
            image = parquet_reference(str(path), inside, row)
        elif values["image"]:
            image = str(as_written(path.parent, values["image"]))
            content = read_bytes(image)
        else:
            return [Rejected(item, identifier, "no image")]
        decode(content)
    except OSError as error:
        return [Rejected(item, identifier, why_unreadable(error))]
    return captions.records(identifier, image, texts, objects)


def _objects(value: object, separator: str) -> list[str] | None:
    return clean_labels(labels_of(value, separator) if isinstance(value, str) else value)
