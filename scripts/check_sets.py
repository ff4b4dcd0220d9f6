"""Counts of the sets, and every reason why they could not give a measurement."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dejavu import plan, splits, tables
from dejavu.errors import InputError
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Check counts, rejected items, objects and ids, and write the counts."""
    sets = job.params.sets
    counts: dict[str, list[int]] = {}
    objects: dict[str, int] = {}
    hashes = {}
    for name, paths in by_set(job.input.records, sets).items():
        shards = [tables.read_parquet(path, ["id", "objects"]) for path in paths]
        counts[name] = [len(shard) for shard in shards]
        ids = [tables.column_strings(shard, "id") for shard in shards]
        hashes[name] = np.concatenate([splits.keyed_hash(each, 0, "overlap") for each in ids])
        lengths = [pc.sum(pc.list_value_length(shard["objects"])).as_py() for shard in shards]
        objects[name] = sum(length or 0 for length in lengths)
    check_rejected(job.input.rejected, sets, counts, job.params.parts, job.params.max_rejected)
    for name in counts:
        check_set(name, sets[name], sum(counts[name]), objects[name], job.params.k)
    for first, second in combinations(hashes, 2):
        shared = np.intersect1d(hashes[first], hashes[second])
        if len(shared):
            example = id_of(shared[0], by_set(job.input.records, sets)[first])
            raise InputError(
                f"The sets {first} and {second} share {len(shared)} ids, {example!r} for one: take"
                " other sources, or, where different samples happen to have the same id, name a"
                " field or column with ids that are unique in both (`id` of the source)."
            )
    tables.write_json(job.output[0], counts)


def by_set(paths: Sequence[str], sets: Mapping[str, Any]) -> dict[str, list[str]]:
    """The files of each set, from the list of all."""
    remaining = iter(paths)
    ordered = [name for name in plan.SETS["vlm"] if name in sets]
    return {name: [next(remaining) for _ in range(sets[name]["shards"])] for name in ordered}


def check_set(name: str, settings: Mapping[str, Any], samples: int, objects: int, k: int) -> None:
    """Stop on an empty set, on one without objects, and on a public set smaller than k."""
    where = f"Config key vlm.sets.{name}"
    if not samples:
        raise InputError(
            f"{where}: no sample of the source {settings['source']!r} falls into the set: raise its"
            " `fraction`, or look into results/tables/vlm_rejected.csv for what was left out."
        )
    if not objects:
        raise InputError(
            f"{where}: none of its {samples} samples has an object: correct the field or column of"
            f" `objects` of the source {settings['source']!r}."
        )
    if name == "public" and k > samples:
        raise InputError(
            f"Config key vlm.k: k is {k}, but public has only {samples} samples: lower `k` or"
            " enlarge the public set."
        )


def check_rejected(
    paths: Sequence[str],
    sets: Mapping[str, Any],
    counts: Mapping[str, Sequence[int]],
    parts: Mapping[str, int],
    limit: float,
) -> None:
    """Stop if more than the configured fraction of a source was rejected."""
    remaining = iter(paths)
    files = {source: [next(remaining) for _ in range(count)] for source, count in parts.items()}
    for name in counts:
        files[sets[name]["source"]] += [next(remaining) for _ in counts[name]]
    for source, listed in files.items():
        rejected = [tables.read_parquet(path, ["item", "reason"]) for path in listed]
        lost = sum(len(table) for table in rejected)
        kept = sum(sum(counts[name]) for name in counts if sets[name]["source"] == source)
        if lost > limit * (lost + kept):
            items = pa.concat_tables(rejected).to_pylist()
            reason, times = Counter(item["reason"] for item in items).most_common(1)[0]
            example = next(item["item"] for item in items if item["reason"] == reason)
            raise InputError(
                f"Source {source}: {lost} of {lost + kept} items were rejected, more than"
                f" `max_rejected: {limit:g}` allows; {times} for: {reason}, as {example}: mend the"
                " source or its settings, or raise `max_rejected`."
            )


def id_of(hashed: np.uint64, paths: Sequence[str]) -> str:
    """The id that has a hash."""
    for path in paths:
        ids = tables.column_strings(tables.read_parquet(path, ["id"]), "id")
        matches = np.flatnonzero(splits.keyed_hash(ids, 0, "overlap") == hashed)
        if len(matches):
            return ids[matches[0]]
    raise LookupError(hashed)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
