"""Labelled images of one part of a source, in the order of their hashes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dejavu.errors import InputError
from dejavu.files import seals
from dejavu.files.parquet import write_parquet
from dejavu.job import Progress, run
from dejavu.samples.hashes import keyed_hash
from dejavu.samples.schemas import IMAGES, REJECTED
from dejavu.sources import Photograph, Rejected
from dejavu.sources.images import from_source, open_image, why_unreadable


def main(job: Any) -> None:
    """Read the part, decode every image, and write what can be used and what can not."""
    images: list[Photograph] = []
    rejected: list[Rejected] = []
    try:
        items = list(READERS[job.params.source["kind"]](job))
    except InputError as error:
        raise InputError(f"Source {job.wildcards.source}: {error}") from error
    progress = Progress("decoding", len(items), "images")
    for item in items:
        found = decoded(item)
        if isinstance(found, Photograph):
            images.append(found)
        else:
            rejected.append(found)
        progress.advance(1)
    source = f"vision.{job.wildcards.source}"
    hashes = keyed_hash([image.id for image in images], job.params.seed, "split")
    columns = {
        "hash": hashes,
        **{
            name: [getattr(image, name) for image in images]
            for name in ("id", "width", "height", "label", "position")
        },
        "image": [from_source(source, image.image) for image in images],
        "boxes": [[box._asdict() for box in image.boxes] for image in images],
        "context": [
            [{"tag": tag, "box": box._asdict()} for tag, box in image.context] for image in images
        ],
    }
    table = pa.table(columns, schema=IMAGES)
    write_parquet(job.output.images, table.take(np.argsort(hashes, kind="stable")))
    columns = {
        "hash": keyed_hash([item.id or "" for item in rejected], job.params.seed, "split"),
        "item": [from_source(source, item.item) for item in rejected],
        "reason": [item.reason for item in rejected],
    }
    write_parquet(job.output.rejected, pa.table(columns, schema=REJECTED))


def decoded(found: Photograph | Rejected) -> Photograph | Rejected:
    """Reject an image whose pixels can't be read."""
    if isinstance(found, Photograph):
        try:
            open_image(found.image)
        except OSError as error:
            return Rejected(found.image, found.id, why_unreadable(error))
    return found


def read_foregrounds(job: Any) -> Iterator[Photograph | Rejected]:
    """The pictures that the workflow drew."""
    from dejavu.sources.foregrounds import read_tar

    for tar in job.input:
        seals.check_end(tar)
        yield from read_tar(Path(tar))


def read_imagenet(job: Any) -> Iterator[Photograph | Rejected]:
    """The part's class folders."""
    from dejavu.sources.imagenet import read_folders

    source = job.params.source
    annotations = Path(source["annotations"]) if "annotations" in source else None
    return read_folders(Path(source["path"]), annotations, int(job.wildcards.part), source["parts"])


READERS = {"foregrounds": read_foregrounds, "imagenet": read_imagenet}

run(main)
