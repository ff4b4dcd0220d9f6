"""Records of one part of a folder of embeddings: its metadata, without looking at any image."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from dejavu.errors import InputError
from dejavu.files.parquet import write_parquet
from dejavu.job import Progress, run
from dejavu.samples.hashes import keyed_hash
from dejavu.samples.schemas import RECORDS, REJECTED
from dejavu.sources import clip_retrieval


def main(job: Any) -> None:
    """Read the part, and write what can be used and what can not."""
    params, part = job.params, int(job.wildcards.part)
    try:
        found = clip_retrieval.partitions(Path(params.source["path"]))
        mine = range(part, len(found), params.source["parts"])
        progress = Progress("reading", len(mine), "files")
        records, rejected = [], []
        for place in mine:
            kept, others = clip_retrieval.read_metadata(
                found[place], params.source["columns"], params.source["separator"]
            )
            if params.stored_order:
                rows = len(kept) + len(others)
                keys = clip_retrieval.stored_order(place, len(found), rows)
                hashes = [keys[each["row"].to_numpy()] for each in (kept, others)]
            else:
                hashes = [
                    keyed_hash(each["id"].fill_null("").to_list(), params.seed, "split")
                    for each in (kept, others)
                ]
            records.append(kept.with_columns(hash=hashes[0]))
            # An item without an id has no hash, and so no set, where hashes are of ids.
            known = pl.lit(params.stored_order) | pl.col("id").is_not_null()
            rejected.append(others.with_columns(hash=pl.when(known).then(pl.lit(hashes[1]))))
            progress.advance(1)
    except InputError as error:
        raise InputError(f"Source {job.wildcards.source}: {error}") from error
    for frames, schema, path in (
        (records, RECORDS, job.output.records),
        (rejected, REJECTED, job.output.rejected),
    ):
        table = pl.concat(frames).select(schema.names).to_arrow().cast(schema)
        order = np.argsort(table["hash"].to_numpy(), kind="stable")
        write_parquet(path, table.take(order) if schema is RECORDS else table)


run(main)
