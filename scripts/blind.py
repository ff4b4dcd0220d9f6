"""Whether target and control differ without any model: results/tables/{domain}_blind.csv."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from dejavu.audits import blind, duplicates
from dejavu.errors import InputError
from dejavu.files.csv import write_csv
from dejavu.files.embeddings import read_embeddings
from dejavu.files.parquet import read_parquet
from dejavu.job import run
from dejavu.samples.hashes import keyed_hash, row_of

COLUMNS = {
    "encoder": pl.String,
    **dict.fromkeys(("auc", "auc_low", "auc_high"), pl.Float64),
    **dict.fromkeys(("target", "control"), pl.Int64),
}


def main(job: Any) -> None:
    """Take a part of either side by a keyed hash, and try to tell them apart."""
    params = job.params
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    sides = {
        name: blind.lowest_rows(
            hashed(job.input[name], job.input[f"{name}_records"], params.seed, left_out),
            params.samples,
        )
        for name in ("target", "control")
    }
    for name, rows in sides.items():
        if len(rows) < blind.LEAST:
            raise InputError(
                f"The blind baseline needs {blind.LEAST} samples of either side, and {name} has"
                f" {len(rows)}: enlarge the set, or leave {job.wildcards.domain}.blind out."
            )
    with threadpool_limits(job.threads):
        area = blind.cross_validated_area(sides["target"], sides["control"])
    row = {"encoder": params.model, "auc": area.value, "auc_low": area.low, "auc_high": area.high}
    counts = {name: len(rows) for name, rows in sides.items()}
    write_csv(job.output[0], [{**row, **counts}], COLUMNS, job.params.digest)


def hashed(
    embeddings: Sequence[str], records: Sequence[str], seed: int, left_out: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Hashes and vectors of a set, shard by shard, without the samples that are left out."""
    for path, known in zip(embeddings, records, strict=True):
        shard = read_embeddings(path)
        kept = ~np.isin(shard.samples, left_out)
        ids = read_parquet(known, ["id"])["id"]
        own = pc.take(ids, row_of(shard.samples[kept])).to_pylist()
        yield keyed_hash(own, seed, "blind"), shard.vectors[kept]


run(main)
