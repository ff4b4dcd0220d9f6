"""Records of one shard of a set, numbered in the order of their hashes."""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from dejavu import splits, tables
from dejavu.errors import InputError
from dejavu.job import job_log
from dejavu.sources import captions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Take the shard's records out of all parts of its source; reject ids seen before."""
    within = tables.within_hashes(*job.params.hashes)
    found = pa.concat_tables(
        tables.read_parquet(path, filters=within) for path in job.input.records
    )
    # Equal hashes stay in the order of the source, so that the first of equal ids is kept.
    found = found.take(np.argsort(found["hash"].to_numpy(), kind="stable"))
    first = pl.Series(found["id"]).is_first_distinct().to_numpy()
    kept = found.filter(pa.array(first))
    if job.params.one_caption:
        # Captions of an image share its hash.
        ids, hashes = tables.column_strings(kept, "id"), kept["hash"].to_numpy()
        kept = kept.filter(pa.array(captions.one_of_each(hashes, ids, job.params.seed)))
    kept = kept.drop_columns("hash")
    if len(kept) > splits.ROWS_PER_SHARD:
        raise InputError(
            f"Set {job.wildcards.set}: a shard holds {len(kept)} samples, more than numbers can"
            " tell apart: raise `shards` of the set."
        )
    numbers = pa.array(np.arange(len(kept), dtype=np.int64) + job.params.first)
    tables.write_parquet(job.output.records, kept.add_column(0, "sample", numbers))
    repeated = found.filter(pa.array(~first))
    columns = {
        "hash": repeated["hash"],
        "item": repeated["image"],
        "reason": pa.array([f"duplicate id {each}" for each in repeated["id"].to_pylist()]),
    }
    tables.write_parquet(job.output.rejected, pa.table(columns, schema=tables.REJECTED))


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
