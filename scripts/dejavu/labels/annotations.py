"""Objects of images by annotations: COCO's, a table's, a detector's pickle.

Annotations are a row for each image and label: `id` string, the image's; `label` string, null
where the image is known to have none; `score` float32, the best of the label in the image.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from dejavu.errors import InputError, first_line, system_fault
from dejavu.labels import pickles
from dejavu.samples.hashes import keyed_hash
from dejavu.samples.schemas import STRINGS
from dejavu.samples.texts import decoded, escaped, is_valid, normalised_column
from dejavu.sources import coco
from dejavu.sources.columns import is_text, readable, scan_table
from dejavu.sources.regular import read_regular

SCHEMA = {"id": pl.String, "label": pl.String, "score": pl.Float32}


def read(settings: Mapping[str, Any]) -> pl.DataFrame:
    """Read the annotations that a source's settings name; sorted by id and label."""
    rows = READERS[settings["kind"]](Path(settings["path"]), settings)
    rows = rows.with_columns(normalised_column(pl.col("id")), normalised_column(pl.col("label")))
    return rows.group_by("id", "label").agg(pl.col("score").max()).sort("id", "label")


def by_hash(rows: pl.DataFrame, seed: int) -> pa.Table:
    """The table that is kept: sorted by the hashes by which images fall into sets and shards."""
    hashes = keyed_hash(rows["id"].to_list(), seed, "split")
    hashed = rows.with_columns(hash=pl.Series(hashes, dtype=pl.UInt64))
    return hashed.sort("hash", "id", "label").select(LABELS.names).to_arrow().cast(LABELS)


def objects_of(samples: pl.DataFrame, labels: pl.DataFrame, min_score: float) -> pl.DataFrame:
    """Labels of samples whose score is at least the threshold.

    Args:
        samples: `sample`, and `id`, the image's.
        labels: annotations, as above.
        min_score: the threshold, compared as float32, as scores are stored.

    Returns:
        `sample` and `objects`, sorted and unique, one row a sample, in their order.
    """
    high = labels.filter(
        pl.col("label").str.len_bytes() > 0,
        pl.col("score") >= pl.lit(min_score, dtype=pl.Float32),
        # Polars takes what is not a number for the largest of all.
        pl.col("score").is_not_nan(),
    )
    found = (
        samples.join(high, on="id").group_by("sample").agg(objects=pl.col("label").unique().sort())
    )
    return (
        samples.select("sample")
        .join(found, on="sample", how="left", maintain_order="left")
        .with_columns(pl.col("objects").fill_null(pl.lit([], dtype=pl.List(pl.String))))
    )


def from_coco(path: Path, match: str) -> pl.DataFrame:
    """The objects of an `instances_*.json`, crowds included, each with the score 1.

    Args:
        path: the file, as `sources.coco` describes it; a `score` of an annotation counts, as in
            COCO's files of results.
        match: the field of `images` that is the samples' id: `id` or `file_name`.

    Raises:
        InputError: the file is not of the format, two of its entries have one id, or an
            annotation's image or category is not listed.
    """
    content = coco.load(path, "images", "annotations", "categories")
    for where, name in (("images", "id"), ("images", match), ("categories", "id")):
        coco.check_unique(path, content, where, name)
    names = {
        coco.field(path, "categories", each, "id"): _text(
            coco.field(path, "categories", each, "name")
        )
        for each in content["categories"]
    }
    images = {
        coco.field(path, "images", each, "id"): _text(coco.field(path, "images", each, match))
        for each in content["images"]
    }
    ids, scores = list(images.values()), [1.0] * len(images)
    labels: list[str | None] = [None] * len(images)
    for each in content["annotations"]:
        image = coco.field(path, "annotations", each, "image_id")
        category = coco.field(path, "annotations", each, "category_id")
        if image not in images or category not in names:
            what = f"image {image}" if image not in images else f"category {category}"
            raise InputError(f"{path}: an annotation is of {what}, which the file does not list")
        ids.append(images[image])
        labels.append(names[category])
        scores.append(each.get("score", 1.0))
    return _rows(path, ids, labels, scores)


def from_table(path: Path, columns: Mapping[str, str]) -> pl.DataFrame:
    """A table with a row for each image and label; a null label stands for none.

    Args:
        path: `.parquet`, `.csv` or `.tsv`.
        columns: the table's names for `id`, `label` and `score`.

    Raises:
        InputError: it can't be read, lacks a column, or a score is not a number.
    """
    table = scan_table(path, columns, "annotations.columns")
    with readable(path):
        chosen = table.select(pl.col(name).alias(role) for role, name in columns.items()).collect()
    for role in ("id", "label"):
        if not is_text(chosen.schema[role]):
            raise InputError(
                f"{path}: the column {columns[role]!r} for the {role} holds"
                f" {str(chosen.schema[role])[:80]}, not text: name another column in"
                f" `annotations.columns.{role}`."
            )
    # In a text file an empty cell is none.
    score = pl.col("score")
    if chosen.schema["score"] == pl.String:
        score = score.str.strip_chars().replace("", None)
    try:
        return chosen.select(
            id=pl.col("id").cast(pl.String).replace("", None),
            label=pl.col("label").cast(pl.String).replace("", None).str.strip_chars(),
            score=score.cast(pl.Float32),
        ).filter(pl.col("id").is_not_null())
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{path}: the column {columns['score']!r} holds something else than numbers"
            f" ({first_line(error)})."
        ) from error


def from_detic(path: Path, vocabulary: Path, order: Path) -> pl.DataFrame:
    """The pickle that the déjà vu code for vision-language models saves of Detic's detections.

    It holds two lists, `[labels, scores]`, with an array for each image: class numbers, and how
    sure the detector is (facebookresearch/VLMDejaVu, `src/annotation.py`). The order is that of
    the images, of which the pickle tells nothing.

    Args:
        path: the pickle, of which `pickles` builds nothing but plain data.
        vocabulary: the class names, one a line, in the order of their numbers.
        order: the images' ids, one a line, in the order of the pickle.

    Raises:
        InputError: the files are not of the format, or do not fit each other.
    """
    content = pickles.load(path)
    if not isinstance(content, list | tuple) or len(content) != 2:
        raise InputError(f"{path} does not hold the two lists `labels` and `scores`.")
    ids, names = _lines(order), np.array([*_lines(vocabulary), None], dtype=object)
    labels, scores = (
        [_numbers(path, what, entry) for entry in _entries(path, what, each)]
        for what, each in zip(("labels", "scores"), content, strict=True)
    )
    lengths = np.array([len(entry) for entry in labels], dtype=np.int64)
    if lengths.tolist() != [len(entry) for entry in scores]:
        raise InputError(f"{path}: labels and scores are not of the same lengths.")
    if len(ids) != len(lengths):
        raise InputError(
            f"{order} lists {len(ids)} images, and {path} has {len(lengths)}: give the ids of the"
            " images that were annotated, one a line, in the same order."
        )
    codes, known = np.concatenate([np.empty(0), *labels]), len(names) - 1
    wrong = (codes < 0) | (codes >= known) | (codes != np.floor(codes))
    if wrong.any():
        raise InputError(
            f"{path} has the class {codes[wrong][0]:g}, and {vocabulary} names the classes 0 to"
            f" {known - 1}: give the vocabulary of the detector, one name a line."
        )
    images = np.array(ids, dtype=object)
    return _rows(
        path,
        [*images.repeat(lengths), *images],
        [*names[codes.astype(np.int64)], *[None] * len(images)],
        [*np.concatenate([np.empty(0), *scores]), *[1.0] * len(images)],
    )


def _rows(
    path: Path, ids: Sequence[str], labels: Sequence[str | None], scores: Sequence[Any]
) -> pl.DataFrame:
    try:
        return pl.DataFrame({"id": ids, "label": labels, "score": scores}, schema=SCHEMA)
    except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
        raise InputError(f"{path}: a score is not a number ({first_line(error)})") from error


def _text(value: str | int | float) -> str:
    """A value as text; of what is not valid text, its codes."""
    text = str(value)
    return text if is_valid(text) else escaped(text)


def _lines(path: Path) -> list[str]:
    try:
        text = decoded(path, read_regular(path)).replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise system_fault(error, path, "be read") or InputError(
            f"{path} cannot be read: {error}"
        ) from error
    return [line.strip() for line in text.removesuffix("\n").split("\n")] if text else []


def _entries(path: Path, what: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise InputError(f"{path}: its {what} are not a list with an entry for each image.")
    return value


def _numbers(path: Path, what: str, entry: Any) -> NDArray[np.float64]:
    """One image's numbers, which pickles hold as an array or a list."""
    values = entry.values if isinstance(entry, pickles.PickledArray) else entry
    flat = isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "biuf"
    if flat or (isinstance(values, list) and all(isinstance(each, int | float) for each in values)):
        return np.asarray(values, dtype=np.float64)
    raise InputError(f"{path}: an entry of its {what} is not a list of numbers.")


LABELS = pa.schema(
    [
        ("hash", pa.uint64()),
        ("id", pa.string()),
        ("label", pa.string()),
        ("score", pa.float32()),
    ]
)
OBJECTS = pa.schema([("sample", pa.int64()), ("objects", STRINGS)])

READERS: dict[str, Callable[[Path, Mapping[str, Any]], pl.DataFrame]] = {
    "coco": lambda path, settings: from_coco(path, settings["match"]),
    "table": lambda path, settings: from_table(path, settings["columns"]),
    "detic": lambda path, settings: from_detic(
        path, Path(settings["vocabulary"]), Path(settings["order"])
    ),
}
