"""Tags of background crops: the world's own, a table's, CLIP's, or visual words.

Each function takes crops as `tables.read_crops` gives them and returns for each crop its tags with
their scores, highest first, ties by name.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from dejavu.crops import Box
from dejavu.errors import InputError
from dejavu.job import Progress
from dejavu.sources import foregrounds
from dejavu.sources.images import open_available
from dejavu.tables import first_line

Tags = list[list[tuple[str, float]]]


def from_world(crops: pl.DataFrame) -> Tags:
    """The things that the embedded world knows to be in a crop."""
    return [
        foregrounds.crop_tags(layout, crop)
        for layout, crop in zip(layouts(crops), boxes(crops), strict=True)
    ]


def layouts(crops: pl.DataFrame) -> list[foregrounds.Layout]:
    """What is where in the embedded world's pictures; needs `boxes` and `context`."""
    return [
        foregrounds.layout_of(
            label,
            [Box(**box) for box in found],
            [(thing["tag"], Box(**thing["box"])) for thing in context],
        )
        for label, found, context in crops.select("label", "boxes", "context").iter_rows()
    ]


def boxes(crops: pl.DataFrame) -> list[Box]:
    """The crops' rectangles."""
    return [Box(**crop) for crop in crops["crop"]]


def from_table(crops: pl.DataFrame, settings: Mapping[str, Any]) -> Tags:
    """Tags out of a table with a row for each image and tag, as taggers export them.

    Raises:
        InputError: the table cannot be read, lacks a column, or knows none of the crops' images.
    """
    path, columns = Path(settings["path"]), settings["columns"]
    try:
        table = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as a table of tags ({first_line(error)}): give a .parquet or"
            " .csv file."
        ) from error
    missing = [name for name in columns.values() if name not in table.columns]
    if missing:
        raise InputError(
            f"{path} has no column {missing[0]!r}; it has {', '.join(table.columns)}: correct"
            " `columns` of vision.tags."
        )
    try:
        rows = table.select(
            id=pl.col(columns["id"]).cast(pl.String),
            tag=pl.col(columns["tag"]).cast(pl.String),
            score=pl.col(columns["score"]).cast(pl.Float64),
        ).drop_nulls()
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{path}: the column {columns['score']!r} holds something else than numbers"
            f" ({first_line(error)})."
        ) from error
    found = (
        crops.select("sample", "id")
        .join(rows, on="id", how="inner")
        .group_by("sample", "tag")
        .agg(pl.col("score").max())
        .sort("sample", "score", "tag", descending=[False, True, False])
        .group_by("sample", maintain_order=True)
        .agg("tag", "score")
    )
    if len(crops) and not len(found):
        raise InputError(
            f"{path} has no tags of any of the images, such as {crops['id'][0]!r}: its column"
            f" {columns['id']!r} must hold the images' ids (file names without suffix)."
        )
    known = {
        sample: list(zip(tags, scores, strict=True)) for sample, tags, scores in found.iter_rows()
    }
    return [known.get(sample, []) for sample in crops["sample"]]


def from_words(crops: pl.DataFrame, words: str | Path, side: int) -> Tags:
    """Visual words of the crops, resized to a square of `side` pixels."""
    from dejavu import visual_words
    from dejavu.sources.images import crop_pixels

    vocabulary = visual_words.load(words)
    pixels = crop_pixels(crops["image"], crops["crop"], side)
    return [vocabulary.tags(picture) for picture in pixels]


def from_clip(
    crops: pl.DataFrame,
    settings: Mapping[str, Any],
    count: int,
    batch: int,
    threads: int,
    where: str,
) -> Tags:
    """Zero-shot tags: the names of a vocabulary whose captions are the most similar to a crop.

    Args:
        crops: the crops; a null `crop` stands for the whole image.
        settings: `model`, as `encoders.clip.load` takes it; `vocabulary`, a text file with a tag a
            line; `prompt` with ``{}`` for the tag.
        count: how many tags of each crop are kept.
        batch: crops embedded at a time.
        threads: of the computation.
        where: what uses the model, for its name in errors.
    """
    # Torch takes seconds to import, and the other taggers do without.
    from dejavu.encoders import clip, downloads_allowed, prepare_torch

    names = vocabulary(settings["vocabulary"])
    encoder = clip.load(where, settings["model"], prepare_torch(threads), downloads_allowed())
    texts = np.concatenate(
        [
            encoder.encode_texts(
                [settings["prompt"].replace("{}", name) for name in names[start : start + batch]]
            )
            for start in range(0, len(names), batch)
        ]
    )
    kept = min(count, len(names))
    progress = Progress("tagging", len(crops), "crops")
    tags: Tags = []
    for start in range(0, len(crops), batch):
        part = crops[start : start + batch]
        places = part.select("image", "crop").iter_rows()
        prepared = [encoder.prepare_image(open_available(*place)) for place in places]
        images = encoder.encode_images(prepared)
        scores = images.astype(np.float64) @ texts.T.astype(np.float64)
        # Names are sorted, and a stable sort keeps their order where scores are equal.
        best = np.argsort(-scores, axis=1, kind="stable")[:, :kept]
        tags += [
            [(names[place], float(row[place])) for place in order]
            for row, order in zip(scores, best, strict=True)
        ]
        progress.advance(len(part))
    return tags


def vocabulary(path: str | Path) -> list[str]:
    """The tags of a vocabulary file, one a line, sorted.

    Raises:
        InputError: there is none.
    """
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The vocabulary {path} cannot be read ({first_line(error)}): give a text file with a"
            " tag a line."
        ) from error
    names = sorted({line.strip() for line in lines} - {""})
    if not names:
        raise InputError(f"The vocabulary {path} is empty: put one tag on each line.")
    return names
