"""Counts of the sets, once they are known to be apart and large enough, and facts of their data."""

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pyarrow.compute as pc

from dejavu.errors import InputError
from dejavu.files.facts import write_json
from dejavu.files.parquet import column_strings, read_parquet
from dejavu.job import run, say, warn
from dejavu.samples import checks
from dejavu.samples.hashes import keyed_hash
from dejavu.samples.texts import image_ids


def main(job: Any) -> None:
    """Check that no id is in two sets, count samples and labels, and match annotations."""
    remaining, annotated = iter(job.input.records), iter(job.input.annotated)
    paths = {name: [next(remaining) for _ in range(shards)] for name, _, shards in job.params.sets}
    annotated_sets = set(job.params.annotated)
    counts: dict[str, list[int]] = {}
    hashes = {}
    samples_of: dict[str, Counter[str]] = {source: Counter() for _, source, _ in job.params.sets}
    for name, source, _ in job.params.sets:
        counts[name], hashed, objects = [], [], 0
        for path in paths[name]:
            shard = read_parquet(path, ["id", "objects"])
            counts[name].append(len(shard))
            ids = column_strings(shard, "id")
            hashed.append(keyed_hash(ids, 0, "overlap"))
            if name in annotated_sets:
                shard = read_parquet(next(annotated), ["objects"])
            samples_of[source].update(checks.samples_of_labels(shard["objects"]))
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
    for source in sorted({source for name, source, _ in job.params.sets if name in annotated_sets}):
        doubt = checks.doubt_about_labels(samples_of[source])
        if doubt is not None:
            warn(f"The annotations of the source {source}: {doubt}")
    write_json(job.output.sets, counts)
    labels = {source: checks.vocabulary(found) for source, found in samples_of.items()}
    write_json(job.output.data, {"labels": labels, "matched": matched(job)})


def matched(job: Any) -> dict[str, Any]:
    """Tell how many ids of annotation files, and how many samples, found no partner."""
    remaining, found = iter(job.input.parts), {}
    for path, (source, parts, captions) in zip(job.input.labels, job.params.matched, strict=True):
        known = keyed_hash(column_strings(read_parquet(path, ["id"]), "id"), 0, "overlap")
        of_samples = []
        for _ in range(parts):
            ids = pl.Series("id", column_strings(read_parquet(next(remaining), ["id"]), "id"))
            images = ids.to_frame().select(image_ids(pl.col("id"), captions))["id"]
            of_samples.append(keyed_hash(images.to_list(), 0, "overlap"))
        each = checks.Matched.of(known, np.concatenate(of_samples))
        (warn if each.is_doubtful else say)(f"Source {source}: {each.told()}")
        found[source] = each._asdict()
    return found


def id_of(hashed: np.uint64, paths: list[str]) -> str:
    """The id that has a hash."""
    for path in paths:
        ids = column_strings(read_parquet(path, ["id"]), "id")
        matches = np.flatnonzero(keyed_hash(ids, 0, "overlap") == hashed)
        if len(matches):
            return ids[matches[0]]
    raise LookupError(hashed)


run(main)
