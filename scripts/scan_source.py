"""Records of one part of a source, in the order of their hashes."""

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
from dejavu.samples.schemas import RECORDS, REJECTED
from dejavu.sources import Record, Rejected
from dejavu.sources.admission import admitted
from dejavu.sources.captions import Captions


def main(job: Any) -> None:
    """Read the part, and write what can be used and what can not."""
    part = int(job.wildcards.part)
    records: list[Record] = []
    rejected: list[Rejected] = []
    try:
        tars = [Path(path) for path in job.input]
        for found in map(admitted, read_part(job.params.source, tars, part, job.params.seed)):
            if isinstance(found, Record):
                records.append(found)
            else:
                rejected.append(found)
    except InputError as error:
        raise InputError(f"Source {job.wildcards.source}: {error}") from error
    # Captions of an image share its hash, and so its set.
    images = [record.image_id or record.id for record in records]
    hashes = keyed_hash(images, job.params.seed, "split")
    columns = {
        "hash": hashes,
        "id": [record.id for record in records],
        "image": [record.image for record in records],
        "caption": [record.caption for record in records],
        "objects": [record.objects for record in records],
    }
    table = pa.table(columns, schema=RECORDS)
    write_parquet(job.output.records, table.take(np.argsort(hashes, kind="stable")))
    # An item without an id has no hash, and so no set.
    known = keyed_hash([item.id or "" for item in rejected], job.params.seed, "split")
    columns = {
        "hash": pa.array(known, mask=np.array([item.id is None for item in rejected], dtype=bool)),
        "item": [item.item for item in rejected],
        "reason": [item.reason for item in rejected],
    }
    write_parquet(job.output.rejected, pa.table(columns, schema=REJECTED))


def read_part(
    source: dict[str, Any], tars: list[Path], part: int, seed: int
) -> Iterator[Record | Rejected]:
    """Read one part with the reader of the source's kind."""
    if source["kind"] in ("table", "coco", "flickr"):
        path, captions = Path(source["path"]), Captions(source["captions"], seed)
        if source["kind"] == "table":
            from dejavu.sources.table import read_rows

            yield from read_rows(
                path, source["columns"], source["separator"], captions, part, source["parts"]
            )
            return
        from dejavu.sources import coco, flickr

        reader = coco.read_images if source["kind"] == "coco" else flickr.read_images
        yield from reader(path, Path(source["images"]), captions, part, source["parts"])
        return
    from dejavu.sources.img2dataset import read_tar, tar_files

    for tar in tars:
        seals.check_end(tar)
    if source["kind"] == "img2dataset":
        tars = tar_files(Path(source["path"]))[part :: source["parts"]]
    progress = Progress("reading", len(tars), "tar files")
    for tar in tars:
        yield from read_tar(tar, source.get("objects"), source.get("id"))
        progress.advance(1)


run(main)
