"""Records of one part of a source, in the order of their hashes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dejavu.errors import InputError
from dejavu.files import seals
from dejavu.files.parquet import write_parquet
from dejavu.job import Progress, run
from dejavu.samples.hashes import keyed_hash
from dejavu.samples.schemas import GROUP_COLUMN, RECORDS, REJECTED
from dejavu.sources import Record, Rejected
from dejavu.sources.admission import admitted
from dejavu.sources.captions import Captions
from dejavu.sources.copies import picture_of
from dejavu.sources.images import from_source


def main(job: Any) -> None:
    """Read the part, and write what can be used and what can not."""
    records: list[Record] = []
    rejected: list[Rejected] = []
    try:
        for found in map(admitted, READERS[job.params.source["kind"]](job)):
            if isinstance(found, Record):
                records.append(found)
            else:
                rejected.append(found)
    except InputError as error:
        raise InputError(f"Source {job.wildcards.source}: {error}") from error
    source = f"vlm.{job.wildcards.source}"
    # Captions of an image share its hash, and so its set.
    images = [record.image_id or record.id for record in records]
    hashes = keyed_hash(images, job.params.seed, "split")
    columns = {
        "hash": hashes,
        "id": [record.id for record in records],
        "image": [from_source(source, record.image) for record in records],
        "caption": [record.caption for record in records],
        "objects": [record.objects for record in records],
    }
    further = job.params.source.get("further", [])
    for place, name in enumerate(further):
        columns[f"{GROUP_COLUMN}{name}"] = [record.further[place] for record in records]
    fields = [pa.field(f"{GROUP_COLUMN}{name}", pa.string()) for name in further]
    table = pa.table(columns, schema=pa.schema([*RECORDS, *fields]))
    write_parquet(job.output.records, table.take(np.argsort(hashes, kind="stable")))
    # An item without an id has no hash, and so no set.
    known = keyed_hash([item.id or "" for item in rejected], job.params.seed, "split")
    columns = {
        "hash": pa.array(known, mask=np.array([item.id is None for item in rejected], dtype=bool)),
        "item": [from_source(source, item.item) for item in rejected],
        "reason": [item.reason for item in rejected],
    }
    write_parquet(job.output.rejected, pa.table(columns, schema=REJECTED))


def read_scenes(job: Any) -> Iterator[Record | Rejected]:
    """The pictures that the workflow drew."""
    for tar in job.input:
        seals.check_end(tar)
    for found in read_tars(job, [Path(tar) for tar in job.input]):
        # Copies share their picture's set.
        if isinstance(found, Record):
            yield replace(found, image_id=picture_of(found.id))
        else:
            yield found


def read_downloads(job: Any) -> Iterator[Record | Rejected]:
    """The part's share of a folder's tar files."""
    from dejavu.sources.img2dataset import tar_files

    source = job.params.source
    return read_tars(
        job, tar_files(Path(source["path"]))[int(job.wildcards.part) :: source["parts"]]
    )


def read_tars(job: Any, tars: list[Path]) -> Iterator[Record | Rejected]:
    """Tar files with members of one key for each sample."""
    from dejavu.sources.img2dataset import read_tar

    source, progress = job.params.source, Progress("reading", len(tars), "tar files")
    for tar in tars:
        further = source.get("further", [])
        yield from read_tar(tar, source.get("objects"), source.get("id"), further)
        progress.advance(1)


def read_table(job: Any) -> Iterator[Record | Rejected]:
    """The part's rows of a table."""
    from dejavu.sources.table import read_rows

    source = job.params.source
    return read_rows(
        Path(source["path"]),
        source["columns"],
        source["separator"],
        *captions_and_part(job),
        source.get("further", []),
    )


def read_coco(job: Any) -> Iterator[Record | Rejected]:
    """The part's images of COCO's captions."""
    from dejavu.sources.coco import read_images

    source = job.params.source
    return read_images(Path(source["path"]), Path(source["images"]), *captions_and_part(job))


def read_flickr(job: Any) -> Iterator[Record | Rejected]:
    """The part's images of Flickr's captions."""
    from dejavu.sources.flickr import read_images

    source = job.params.source
    return read_images(Path(source["path"]), Path(source["images"]), *captions_and_part(job))


def captions_and_part(job: Any) -> tuple[Captions, int, int]:
    """Which captions of an image are taken, the part, and of how many it is."""
    source = job.params.source
    captions = Captions(source["captions"], job.params.seed)
    return captions, int(job.wildcards.part), source["parts"]


READERS = {
    "scenes": read_scenes,
    "img2dataset": read_downloads,
    "table": read_table,
    "coco": read_coco,
    "flickr": read_flickr,
}

run(main)
