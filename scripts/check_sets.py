"""Counts of the sets, once they are known to be apart and large enough."""

from typing import Any

import numpy as np
import pyarrow.compute as pc

from dejavu.errors import InputError
from dejavu.files.facts import write_json
from dejavu.files.parquet import column_strings, read_parquet
from dejavu.job import run
from dejavu.samples import checks
from dejavu.samples.hashes import keyed_hash


def main(job: Any) -> None:
    """Check that no id is in two sets, count samples, and write the counts."""
    remaining, annotated = iter(job.input.records), iter(job.input.annotated)
    paths = {name: [next(remaining) for _ in range(shards)] for name, _, shards in job.params.sets}
    counts: dict[str, list[int]] = {}
    hashes = {}
    for name, source, _ in job.params.sets:
        counts[name], hashed, objects = [], [], 0
        for path in paths[name]:
            shard = read_parquet(path, ["id", "objects"])
            counts[name].append(len(shard))
            ids = column_strings(shard, "id")
            hashed.append(keyed_hash(ids, 0, "overlap"))
            if name in job.params.annotated:
                shard = read_parquet(next(annotated), ["objects"])
            objects += pc.sum(pc.list_value_length(shard["objects"])).as_py() or 0
        checks.check_set(name, source, sum(counts[name]), objects, job.params.k)
        hashes[name] = np.concatenate(hashed)
        repeated = checks.repeated_hash(hashes[name])
        if repeated is not None:
            raise InputError(
                f"The set {name} has the id {id_of(repeated, paths[name])!r} more than once: name a"
                f" column with unique ids (`columns.id` of the source {source!r})."
            )
    overlap = checks.shared_hashes(hashes)
    if overlap is not None:
        first, second, shared = overlap
        raise InputError(
            f"The sets {first} and {second} share {len(shared)} ids,"
            f" {id_of(shared[0], paths[first])!r} for one: take other sources, or, where different"
            " samples happen to have the same id, name a field or column with ids that are unique"
            " in both (`id` of the source)."
        )
    write_json(job.output[0], counts)


def id_of(hashed: np.uint64, paths: list[str]) -> str:
    """The id that has a hash."""
    for path in paths:
        ids = column_strings(read_parquet(path, ["id"]), "id")
        matches = np.flatnonzero(keyed_hash(ids, 0, "overlap") == hashed)
        if len(matches):
            return ids[matches[0]]
    raise LookupError(hashed)


run(main)
