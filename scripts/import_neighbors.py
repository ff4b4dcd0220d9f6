"""Nearest public samples of one shard of queries, taken from a file by the samples' ids."""

from pathlib import Path
from typing import Any

import polars as pl

from dejavu.files import fingerprints
from dejavu.files.neighbors import Neighbors, write_neighbors
from dejavu.files.parquet import column_strings, read_parquet
from dejavu.job import run
from dejavu.samples.images import read_crops
from dejavu.search import given


def main(job: Any) -> None:
    """Find the rows of the shard's samples, and the numbers of those that they name."""
    params = job.params
    if job.wildcards.domain == "vision":
        crops = read_crops([job.input.records])
        samples, ids = crops["sample"].to_numpy(), crops["id"]
    else:
        records = read_parquet(job.input.records, ["sample", "id"])
        samples = records["sample"].to_numpy()
        ids = pl.Series(column_strings(records, "id"), dtype=pl.String)
    neighbors, scores = given.neighbors(Path(params.file), ids, job.input.public, params.k)
    facts = {
        "model": job.wildcards.model,
        "fingerprint": fingerprints.fingerprint([], {"content": params.content}),
        "versions": fingerprints.versions("polars"),
        # Scores are those of cosine: 1 less the distance.
        "metric": "cosine",
        "query": job.wildcards.query,
    }
    write_neighbors(job.output[0], Neighbors(samples, neighbors, scores, facts))


run(main)
