"""Zero-shot tags: what CLIP finds the most similar of a vocabulary."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from dejavu.errors import InputError, first_line, system_fault
from dejavu.job import Progress
from dejavu.labels.tags import Tags
from dejavu.samples.texts import decoded, normalised
from dejavu.sources.images import open_available


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
    from dejavu.encoders import clip
    from dejavu.encoders.device import prepare_torch
    from dejavu.encoders.hub import downloads_allowed

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
        lines = decoded(path, Path(path).read_bytes()).splitlines()
    except OSError as error:
        raise system_fault(error, path, "be read") or InputError(
            f"The vocabulary {path} cannot be read ({first_line(error)}): give a text file with a"
            " tag a line."
        ) from error
    names = sorted({normalised(line.strip()) for line in lines} - {""})
    if not names:
        raise InputError(f"The vocabulary {path} is empty: put one tag on each line.")
    return names
