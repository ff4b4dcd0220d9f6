"""Records of one shard of a set, numbered in the order of their hashes."""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from dejavu.config import ranges
from dejavu.errors import InputError
from dejavu.files.parquet import column_strings, read_parquet, write_parquet
from dejavu.job import run
from dejavu.samples.hashes import within_hashes
from dejavu.samples.schemas import REJECTED
from dejavu.sources import captions


def main(job: Any) -> None:
    """Take the shard's records out of all parts of its source; reject ids seen before."""
    within = within_hashes(*job.params.hashes)
    found = pa.concat_tables(read_parquet(path, filters=within) for path in job.input.records)
    # Equal hashes stay in the order of the source, so that the first of equal ids is kept.
    found = found.take(np.argsort(found["hash"].to_numpy(), kind="stable"))
    first = pl.Series(found["id"]).is_first_distinct().to_numpy()
    kept = found.filter(pa.array(first))
    if job.params.one_caption:
        # Captions of an image share its hash.
        ids, hashes = column_strings(kept, "id"), kept["hash"].to_numpy()
        kept = kept.filter(pa.array(captions.one_of_each(hashes, ids, job.params.seed)))
    kept = kept.drop_columns("hash")
    if len(kept) > ranges.ROWS_PER_SHARD:
        raise InputError(
            f"Set {job.wildcards.set}: a shard holds {len(kept)} samples, more than numbers can"
            " tell apart: raise `shards` of the set."
        )
    numbers = pa.array(np.arange(len(kept), dtype=np.int64) + job.params.first)
    write_parquet(job.output.records, kept.add_column(0, "sample", numbers))
    repeated = found.filter(pa.array(~first))
    columns = {
        "hash": repeated["hash"],
        "item": repeated["image"],
        "reason": pa.array([f"duplicate id: {each}" for each in repeated["id"].to_pylist()]),
    }
    write_parquet(job.output.rejected, pa.table(columns, schema=REJECTED))


run(main)
