"""Embeddings of one shard, taken from where clip-retrieval wrote them."""

from pathlib import Path
from typing import Any

import polars as pl

from dejavu.config import ranges
from dejavu.files import fingerprints
from dejavu.files.embeddings import write_embeddings
from dejavu.files.parquet import column_strings, read_parquet
from dejavu.job import run
from dejavu.sources import clip_retrieval


def main(job: Any) -> None:
    """Find the rows of the shard's samples and write them as they are."""
    params, column = job.params, job.wildcards.input
    among = everywhere = clip_retrieval.partitions(Path(params.folder))
    if params.stored_order:
        among = ranges.covering(among, int(job.wildcards.shard), params.shards)
    records = read_parquet(job.input.records, ["sample", "id", "caption"])
    ids = pl.Series(column_strings(records, "id"), dtype=pl.String)
    if params.own_folder:
        # It may hold the samples in another order: where they are likely to be comes first.
        among = list(dict.fromkeys([*among, *everywhere]))
        captions = pl.Series(column_strings(records, "caption"), dtype=pl.String)
        clip_retrieval.check_captions(among, ids, captions, params.columns)
    vectors = clip_retrieval.gather(
        among, column, ids, params.columns["id"], came_with_samples=not params.own_folder
    )
    unit = clip_retrieval.of_length_one(vectors)
    # What made them stands in no file of the folder: the config says it.
    made_by = {"encoder": params.encoder, "dimension": unit.shape[1]}
    facts = {
        "model": job.wildcards.model,
        "fingerprint": fingerprints.fingerprint([], made_by),
        "normalised": True,
        "versions": fingerprints.versions("numpy"),
        "input": column,
    }
    write_embeddings(job.output[0], records["sample"].to_numpy(), unit, facts)


run(main)
