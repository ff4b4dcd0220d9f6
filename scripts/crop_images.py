"""Images of one shard of a set, numbered in the order of their hashes, with background crops."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from dejavu.config import ranges
from dejavu.errors import InputError
from dejavu.files.parquet import read_parquet, write_parquet
from dejavu.job import run
from dejavu.samples import crops
from dejavu.samples.crops import Box
from dejavu.samples.hashes import within_hashes
from dejavu.samples.schemas import BOX, REJECTED, VISION_RECORDS


def main(job: Any) -> None:
    """Take the shard's images out of all parts of its source; reject ids seen before."""
    within = within_hashes(*job.params.hashes)
    found = pa.concat_tables(read_parquet(path, filters=within) for path in job.input.images)
    # Equal hashes stay in the order of the source, so that the first of equal ids is kept.
    found = found.take(np.argsort(found["hash"].to_numpy(), kind="stable"))
    given = read_parquet(job.input.sets, filters=[("set", "==", job.wildcards.set)])
    found = found.filter(pc.is_in(found["id"], value_set=given["id"].combine_chunks()))
    first = pl.Series(found["id"]).is_first_distinct().to_numpy()
    kept = found.filter(pa.array(first))
    if len(kept) > ranges.ROWS_PER_SHARD:
        raise InputError(
            f"Set {job.wildcards.set}: a shard holds {len(kept)} images, more than numbers can"
            " tell apart: raise `shards` of the set."
        )
    numbers = pa.array(np.arange(len(kept), dtype=np.int64) + job.params.first)
    cut = [
        background_crop(image, job.params.min_side, job.params.crop) for image in kept.to_pylist()
    ]
    records = (
        kept.drop_columns("hash")
        .add_column(0, "sample", numbers)
        .append_column("crop", pa.array([crop for crop, _ in cut], BOX))
        .append_column("crop_status", pa.array([status for _, status in cut], pa.string()))
    )
    write_parquet(
        job.output.records,
        records.select(VISION_RECORDS.names).cast(VISION_RECORDS),
    )
    repeated = found.filter(pa.array(~first))
    columns = {
        "hash": repeated["hash"],
        "item": repeated["image"],
        "reason": pa.array(
            [f"duplicate id {each}" for each in repeated["id"].to_pylist()], pa.string()
        ),
    }
    write_parquet(job.output.rejected, pa.table(columns, schema=REJECTED))


def background_crop(
    image: Mapping[str, Any], min_side: int, kind: str
) -> tuple[dict[str, int] | None, str]:
    """An image's crop, or none, and its status."""
    boxes = [Box(**box) for box in image["boxes"]]
    crop, status = crops.background_crop(image["width"], image["height"], boxes, min_side, kind)
    return (None if crop is None else crop._asdict()), status


run(main)
