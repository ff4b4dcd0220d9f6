"""Objects predicted for the samples of one shard, taken from a file by the samples' ids."""

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from dejavu.files import fingerprints
from dejavu.files.facts import read_json
from dejavu.files.parquet import column_strings, read_parquet, write_parquet
from dejavu.job import run
from dejavu.predictions import given
from dejavu.samples.schemas import STRINGS


def main(job: Any) -> None:
    """Find the rows of the shard's samples."""
    params = job.params
    samples = read_parquet(job.input.samples, ["sample", "id"])
    ids = pl.Series(column_strings(samples, "id"), dtype=pl.String)
    vocabulary = read_json(job.input.vocabulary)["labels"]
    lists, distances = given.objects(Path(params.file), ids, vocabulary)
    told = {
        "model": job.wildcards.model,
        "fingerprint": fingerprints.fingerprint([], {"content": params.content}),
        "query": job.wildcards.query,
    }
    columns = {
        "sample": samples["sample"],
        "prediction": lists.to_arrow().cast(STRINGS),
        "distance": distances,
    }
    write_parquet(job.output[0], pa.table(columns), told)


run(main)
