"""Objects recovered for every sample of one shard under one model."""

from typing import Any

import numpy as np
import pyarrow as pa

from dejavu.errors import InputError
from dejavu.files.facts import read_json
from dejavu.files.lists import listed
from dejavu.files.neighbors import read_neighbors
from dejavu.files.parquet import read_parquet, rows_of
from dejavu.job import run
from dejavu.predictions import object_votes
from dejavu.samples.clusters import clusters_of, image_ids_of
from dejavu.samples.hashes import in_first_half, row_of, shard_of
from dejavu.samples.schemas import LABEL_LEAVES
from dejavu.scores import recovered


def main(job: Any) -> None:
    """Vote, predict and count for every setting."""
    ranking = read_neighbors(job.input.neighbors)
    vocabulary = read_json(job.input.vocabulary)["labels"]
    columns = ["sample", "id", "objects", "named"]
    samples = read_parquet(job.input.samples, columns, read_dictionary=LABEL_LEAVES)
    if not np.array_equal(samples["sample"].to_numpy(), ranking.samples):
        raise InputError(
            f"{job.input.neighbors} ranks other samples than {job.input.samples} holds: delete it"
            " and run again."
        )
    with listed(job.input.public) as shards:
        public, rows = public_objects(shards, ranking.neighbors, vocabulary)
    truth = object_votes.LabelLists(*object_votes.label_codes(samples, "objects", vocabulary))
    named = object_votes.LabelLists(*object_votes.label_codes(samples, "named", vocabulary))
    hidden = {"all": object_votes.nothing(len(samples)), "unnamed": named}
    counts = object_votes.count_recovered(
        rows,
        public,
        truth,
        {objects: hidden[objects] for objects in job.params.objects},
        len(vocabulary),
        job.params.k,
        job.params.predict,
    )
    images = image_ids_of(samples, job.params.captions)
    # All captions of an image are in one half, and are no independent samples.
    first_half = None
    if job.wildcards.set == "control":
        first_half = in_first_half(images.to_list(), job.params.seed)
    settings = recovered.settings(job.params.k, job.params.predict, job.params.objects)
    recovered.write(
        job.output[0],
        samples=ranking.samples,
        first_half=first_half,
        distance=1 - ranking.scores[:, 0],
        truth={objects: found.truth for objects, found in counts.items()},
        predicted={each: counts[each.objects].predicted[each.k, each.predict] for each in settings},
        correct={each: counts[each.objects].correct[each.k, each.predict] for each in settings},
        clusters=clusters_of(images) if job.params.captions == "each" else None,
        provenance={key: ranking.metadata[key] for key in ("model", "fingerprint", "query")},
    )


def public_objects(
    paths: list[str], neighbors: np.ndarray, vocabulary: list[str]
) -> tuple[object_votes.LabelLists, np.ndarray]:
    """The objects of those public samples that are somebody's neighbours.

    Returns their label lists and, for every neighbour, its row in them; public shards are read one
    after the other.
    """
    starts = np.cumsum([0, *(rows_of(path) for path in paths)])
    rows = np.empty(neighbors.shape, dtype=np.int64)
    # Some at a time, as whole temporary arrays of this size cost more than the arithmetic.
    for some in range(0, len(neighbors), 1024):
        numbers = neighbors[some : some + 1024]
        rows[some : some + 1024] = starts[shard_of(numbers)] + row_of(numbers)
    needed, places = object_votes.renumbered(rows, starts[-1])
    bounds = np.searchsorted(needed, starts)
    lists = [
        objects_of(path, needed[low:high] - start, vocabulary)
        for path, start, low, high in zip(paths, starts, bounds, bounds[1:], strict=False)
    ]
    return object_votes.concatenated(lists), places


def objects_of(path: str, rows: np.ndarray, vocabulary: list[str]) -> object_votes.LabelLists:
    """The objects of some samples of a shard, of which nothing else stays in memory."""
    objects = read_parquet(path, ["objects"], read_dictionary=LABEL_LEAVES)
    chosen = object_votes.LabelLists(
        *object_votes.label_codes(objects, "objects", vocabulary)
    ).take(rows)
    del objects
    # Arrow would keep the memory of every shard for the next.
    pa.default_memory_pool().release_unused()
    return chosen


run(main)
