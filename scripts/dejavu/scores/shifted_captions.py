"""Gaps of captions adjusted for a shift, shard by shard (method: shift).

Two passes over the shards of target and control: a shard of counts and vectors is in memory, and
sums over all samples.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dejavu.files.embeddings import read_embeddings
from dejavu.scores import shift
from dejavu.scores.recovered import Files, Setting
from dejavu.scores.shift import Shift, Shifted, Spread, Sums
from dejavu.scores.tallies import KINDS, Asked, Shard, chunks, together

Floats = NDArray[np.float64]
Additive = TypeVar("Additive", Sums, Spread)
SETS = ("target", "control")
# Vectors [n, d], results of targets and of references [n, K], and clusters.
Chunk = tuple[NDArray[Any], Floats, Floats, NDArray[Any] | None]


def shifted_gaps(
    comparisons: Sequence[Mapping[str, Any]],
    settings: Sequence[Setting],
    files: Files,
    vectors: Mapping[str, Sequence[str]],
    left_out: NDArray[np.int64],
    most: int | None,
) -> Iterator[tuple[Asked, str, Shifted, int]]:
    """The gaps of one test, for every query, setting and kind of result.

    Args:
        comparisons: of `plan_vlm.comparisons`, all of one test.
        settings: which are asked for.
        files: of recovered objects, as of `layout.shards_of`.
        vectors: files of the blind encoder's embeddings of captions, by set, in the shards' order.
        left_out: numbers of the samples that don't count, int64.
        most: components at most; None for as many as controls allow.

    Yields:
        Also `precision` or `recall`, and how many components there are. Nothing where a set has
        fewer than two samples.
    """
    replicates = len(comparisons[0]["tallies"]["target"]["target"]["models"])
    for objects in dict.fromkeys(each.objects for each in settings):
        # Settings that score the same samples.
        chosen = [each for each in settings if each.objects == objects]
        asked = [
            (Asked(each["query"], setting), kind)
            for each in comparisons
            for setting in chosen
            for kind in KINDS
        ]

        def chunks_of(name: str, asked: Sequence[tuple[Asked, str]] = asked) -> Iterator[Chunk]:
            return _chunks(comparisons, name, asked, files, vectors[name], left_out)

        members, controls = (_total(Sums.of(*chunk) for chunk in chunks_of(name)) for name in SETS)
        if min(members.samples, controls.samples) < 2:
            continue
        fitted = Shift.of(members, controls, most)
        own, others = (
            _total(
                shift.spread_of(fitted, *chunk[:3], replicates, name == SETS[0], chunk[3])
                for chunk in chunks_of(name)
            )
            for name in SETS
        )
        found = shift.shifted(fitted, own, others, replicates)
        for (each, kind), gap in zip(asked, found, strict=True):
            yield each, kind, gap, fitted.number


def _total(parts: Iterator[Additive]) -> Additive:
    """The sum of at least one part."""
    whole = next(parts)
    for part in parts:
        whole = whole + part
    return whole


def _chunks(
    comparisons: Sequence[Mapping[str, Any]],
    name: str,
    asked: Sequence[tuple[Asked, str]],
    files: Files,
    paths: Sequence[str],
    left_out: NDArray[np.int64],
) -> Iterator[Chunk]:
    """The scored samples of a set, some at a time."""
    streams = together([each["tallies"][name] for each in comparisons], files, left_out)
    for path, shard in zip(paths, streams, strict=True):
        queries = dict(zip((each["query"] for each in comparisons), shard, strict=True))
        first = shard[0][0][0]
        vectors = read_embeddings(path).of_samples(first.samples)
        scored = first.scored(asked[0][0].setting)
        for place in chunks(len(first.samples), first.clusters):
            kept = scored[place]
            clusters = first.clusters
            if clusters is not None:
                clusters = clusters[place][kept] - clusters[place][:1]
            t, g = (_results(queries, asked, role, place)[kept] for role in (0, 1))
            yield vectors[place][kept], t, g, clusters
        del queries, shard, first, vectors


def _results(
    queries: Mapping[str, Shard], asked: Sequence[tuple[Asked, str]], role: int, place: slice
) -> Floats:
    """Results of the targets (0) or references (1), a gap's replicates side by side: [n, K]."""
    columns = []
    for (query, setting), kind in asked:
        for replicate in queries[query][role]:
            columns.append(getattr(replicate.outcome(setting).of(place), kind))
    return np.stack(columns, axis=1)
