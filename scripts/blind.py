"""Whether sets differ without any model: results/tables/{domain}_blind.csv.

The log-odds that tell so are kept, pair by pair and fold by fold, for what is compared with them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from dejavu.audits import blind, duplicates
from dejavu.errors import InputError
from dejavu.files.csv import write_csv
from dejavu.files.embeddings import read_embeddings
from dejavu.files.parquet import read_parquet, write_parquet
from dejavu.job import run
from dejavu.samples.hashes import keyed_hash, row_of

COLUMNS = {
    **dict.fromkeys(("encoder", "first_set", "second_set"), pl.String),
    **dict.fromkeys(("auc", "auc_low", "auc_high"), pl.Float64),
    **dict.fromkeys(("first_samples", "second_samples"), pl.Int64),
}


def main(job: Any) -> None:
    """Take a part of every set by a keyed hash, and try to tell the sets of each pair apart."""
    params = job.params
    left_out = duplicates.contaminated(job.input.left_out, params.digest)
    embeddings, records = iter(job.input.embeddings), iter(job.input.records)
    taken, numbers = {}, {}
    for name, shards in params.shards.items():
        paths = [(next(embeddings), next(records)) for _ in range(shards)]
        seen: list[tuple[np.ndarray, np.ndarray]] = []
        rows = blind.lowest_rows(hashed(paths, params.seed, left_out, seen), params.samples).rows
        hashes, samples = map(np.concatenate, zip(*seen, strict=True))
        numbers[name] = samples[np.argsort(hashes, kind="stable")[: params.samples]]
        if len(rows) < blind.LEAST:
            raise InputError(
                f"The blind baseline needs {blind.LEAST} samples of either side, and {name} has"
                f" {len(rows)}: enlarge the set, or leave {job.wildcards.domain}.blind out."
            )
        taken[name] = rows
    found, odds = [], []
    for first, second in params.pairs:
        with threadpool_limits(job.threads):
            sides = blind.cross_validated_odds(taken[first], taken[second])
        area = blind.area_of_folds(*sides)
        for name, values in zip((first, second), sides, strict=True):
            named = {"first_set": first, "second_set": second, "set": name}
            columns = {key: pa.repeat(value, len(values)) for key, value in named.items()}
            odds.append(pa.table({**columns, "sample": numbers[name], "log_odds": values}))
        found.append(
            {
                "encoder": params.model,
                "first_set": first,
                "second_set": second,
                "auc": area.value,
                "auc_low": area.low,
                "auc_high": area.high,
                "first_samples": len(taken[first]),
                "second_samples": len(taken[second]),
            }
        )
    write_parquet(job.output.odds, pa.concat_tables(odds))
    write_csv(job.output[0], found, COLUMNS, params.digest)


def hashed(
    paths: Sequence[tuple[str, str]],
    seed: int,
    left_out: np.ndarray,
    seen: list[tuple[np.ndarray, np.ndarray]],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Hashes and vectors of a set, shard by shard, without the samples that are left out.

    `seen` gets the hashes and numbers of all that are not.
    """
    for path, known in paths:
        shard = read_embeddings(path)
        kept = ~np.isin(shard.samples, left_out)
        ids = read_parquet(known, ["id"])["id"]
        own = pc.take(ids, row_of(shard.samples[kept])).to_pylist()
        hashes = keyed_hash(own, seed, "blind")
        seen.append((hashes, shard.samples[kept]))
        yield hashes, shard.vectors[kept]


run(main)
