"""Embeddings of one shard, taken from where clip-retrieval wrote them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import provenance, splits, tables
from dejavu.job import job_log
from dejavu.sources import clip_retrieval

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Find the rows of the shard's samples and write them as they are."""
    params, column = job.params, job.wildcards.input
    among = clip_retrieval.partitions(Path(params.folder))
    if params.stored_order:
        among = splits.covering(among, int(job.wildcards.shard), params.shards)
    records = tables.read_parquet(job.input.records, ["sample", "id"])
    ids = pl.Series(tables.column_strings(records, "id"), dtype=pl.String)
    vectors = clip_retrieval.gather(among, column, ids, params.id_column)
    unit = clip_retrieval.of_length_one(vectors)
    # What made them stands in no file of the folder: the config says it.
    made_by = {"encoder": params.encoder, "dimension": unit.shape[1]}
    facts = {
        "model": job.wildcards.model,
        "fingerprint": provenance.fingerprint([], made_by),
        "normalised": True,
        "versions": provenance.versions("numpy"),
        "input": column,
    }
    tables.write_embeddings(job.output[0], records["sample"].to_numpy(), unit, facts)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
