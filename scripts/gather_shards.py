"""Records of some successive shards of a set, out of all parts of its source."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from dejavu.files.lists import listed
from dejavu.files.parquet import read_parquet, write_parts
from dejavu.job import run
from dejavu.samples.hashes import within_hashes

# Held at a time, about those of a shard.
ROWS = 2**17


def main(job: Any) -> None:
    """Read every part once, and write what it has so that each shard finds its own."""
    bounds = job.params.bounds
    within = within_hashes(bounds[0], bounds[-1])
    with listed(job.input.parts) as paths:
        schema = read_parquet(paths[0], filters=within).schema
        parts = (read_parquet(path, filters=within) for path in paths)
        write_parts(job.output[0], pieces(parts, bounds), schema)


def pieces(parts: Iterable[pa.Table], bounds: Sequence[int]) -> Iterator[pa.Table]:
    """Records in pieces of one shard each: whoever reads another passes them over by their hashes.

    Equal hashes stay in the order of the parts.
    """
    held: list[pa.Table] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= ROWS:
            yield from of_shards(pa.concat_tables(held), bounds)
            held = []
    if held:
        yield from of_shards(pa.concat_tables(held), bounds)


def of_shards(table: pa.Table, bounds: Sequence[int]) -> Iterator[pa.Table]:
    """The rows of each shard that has some, in the order of their hashes."""
    ordered = table.take(np.argsort(table["hash"].to_numpy(), kind="stable"))
    inner = np.array(bounds[1:-1], dtype=np.uint64)
    ends = [0, *np.searchsorted(ordered["hash"].to_numpy(), inner).tolist(), len(ordered)]
    for start, end in pairwise(ends):
        if start < end:
            yield ordered.slice(start, end - start)


run(main)
