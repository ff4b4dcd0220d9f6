"""Objects that models see in images: an open-vocabulary detector's, or CLIP's zero-shot tags."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.encoders import detectors
from dejavu.encoders.device import prepare_torch
from dejavu.encoders.hub import downloads_allowed
from dejavu.job import Progress
from dejavu.labels import zero_shot
from dejavu.labels.annotations import SCHEMA
from dejavu.sources.images import open_available


def detect(images: pl.DataFrame, settings: Mapping[str, Any], threads: int) -> pl.DataFrame:
    """Look for the names of a vocabulary in images.

    Args:
        images: `id` and `image`, where its pixels are.
        settings: `kind`, `detector` or `clip`; `vocabulary`, a text file with a name a line;
            `per_image`, how many of the highest scores are kept; `batch`, images looked at at a
            time; and what `detectors.load` or `zero_shot.from_clip` takes.
        threads: of the computation.

    Returns:
        Rows as `labels.annotations` has them, one with a null label for each image.
    """
    found = DETECTORS[settings["kind"]](images, settings, threads)
    seen = images.select("id", label=pl.lit(None, pl.String), score=pl.lit(1.0, pl.Float32))
    return pl.concat([seen, *found]).select(*SCHEMA)


def _tagged(
    images: pl.DataFrame, settings: Mapping[str, Any], threads: int
) -> Iterator[pl.DataFrame]:
    whole = images.with_columns(crop=pl.lit(None))
    tags = zero_shot.from_clip(
        whole, settings, settings["per_image"], settings["batch"], threads, "of the annotations"
    )
    for identifier, of_image in zip(images["id"], tags, strict=True):
        labels, scores = zip(*of_image, strict=True)
        yield pl.DataFrame(
            {"id": [identifier] * len(labels), "label": labels, "score": scores}, schema=SCHEMA
        )


def _detected(
    images: pl.DataFrame, settings: Mapping[str, Any], threads: int
) -> Iterator[pl.DataFrame]:
    vocabulary = zero_shot.vocabulary(settings["vocabulary"])
    names = np.array(vocabulary, dtype=object)
    detector = detectors.load(settings, vocabulary, prepare_torch(threads), downloads_allowed())
    progress = Progress("detecting", len(images), "images")
    for start in range(0, len(images), settings["batch"]):
        part = images[start : start + settings["batch"]]
        scores = detector.best_scores([open_available(image) for image in part["image"]])
        rows, columns = highest(scores, settings["per_image"])
        ids = part["id"].to_numpy()[rows]
        yield pl.DataFrame(
            {"id": ids, "label": names[columns], "score": scores[rows, columns]}, schema=SCHEMA
        )
        progress.advance(len(part))


DETECTORS = {"clip": _tagged, "detector": _detected}


def highest(scores: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the highest scores above 0 of each row of [n, names], `count` at most.

    Of equal scores those of the earlier names are taken.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    rows = np.repeat(np.arange(len(scores)), order.shape[1])
    columns = order.reshape(-1)
    found = scores[rows, columns] > 0
    return rows[found], columns[found]
