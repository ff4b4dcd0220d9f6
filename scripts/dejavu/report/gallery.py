"""Galleries: a handful of examples with their pictures, small enough to stand in a page."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from dejavu.files.neighbors import read_neighbors
from dejavu.files.parquet import read_parquet
from dejavu.predictions.object_votes import LabelLists
from dejavu.samples.hashes import row_of, shard_of
from dejavu.sources.images import open_image

SIDE_PIXELS = 160
WEBP_QUALITY = 80

Row = dict[str, Any]


def most_memorized(rows: pl.DataFrame, most: int) -> Row:
    """The samples that head a list of memorized ones, and how many of them control would give.

    Args:
        rows: of vlm_memorized.csv or vision_memorized.csv, of one pair, in the order of their rank.
        most: how many are shown.
    """
    shown = rows.head(most)
    return {
        "samples": shown["sample"].to_list(),
        "expected_false": shown["expected_false"][-1] if len(shown) else None,
    }


def thumbnail(reference: str, crop: Mapping[str, int] | None = None) -> str | None:
    """A picture, or a crop of it, as a data URI: WebP of at most 160 pixels a side.

    None where it can't be read: embeddings may have been made where the pictures are not.
    """
    try:
        image = open_image(reference)
    except OSError:
        return None
    if crop is not None:
        image = image.crop((crop["xmin"], crop["ymin"], crop["xmax"], crop["ymax"]))
    image.thumbnail((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    image.save(content, "WEBP", quality=WEBP_QUALITY, method=6)
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"


def rows_of(
    paths: Sequence[str], samples: NDArray[np.int64], columns: Sequence[str]
) -> dict[int, Row]:
    """Columns of some samples, by sample number, from the shards of a set, one after the other."""
    found: dict[int, Row] = {}
    for shard, path in enumerate(paths):
        wanted = np.unique(samples[shard_of(samples) == shard])
        if len(wanted):
            table = read_parquet(path, ["sample", *columns])
            for row in table.take(row_of(wanted)).to_pylist():
                found[row["sample"]] = row
    return found


def neighbors_of(paths: Sequence[str], samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """Public neighbours of some samples, nearest first, int64 [n, k], from the shards of a set."""
    found = []
    for shard, path in enumerate(paths):
        places = np.flatnonzero(shard_of(samples) == shard)
        if len(places):
            ranking = read_neighbors(path)
            rows = np.searchsorted(ranking.samples, samples[places])
            found.append((places, ranking.neighbors[rows]))
    if not found:
        return np.empty((0, 0), dtype=np.int64)
    order = np.argsort(np.concatenate([places for places, _ in found]))
    return np.concatenate([neighbors for _, neighbors in found])[order]


def label_lists(lists: Iterable[Sequence[str]], codes: Mapping[str, int]) -> LabelLists:
    """Lists of labels as lists of codes."""
    coded = [[codes[label] for label in labels] for labels in lists]
    offsets = np.cumsum([0, *map(len, coded)]).astype(np.int64)
    return LabelLists(offsets, np.array([code for each in coded for code in each], np.int32))
