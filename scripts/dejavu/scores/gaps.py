"""Sample-level scores over the first records, without all samples in memory.

Source: method.md, vision–language models.

Shards come one after the other, in the order of the sample numbers. A record's place in an order
is known from counts of the keys, so that two passes over the shards do instead of a sort; only the
order by distance, whose keys are almost all different, sorts all samples (16 bytes a sample).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dejavu.scores.recovered import Outcome, Recovered, Setting

Floats = NDArray[np.float64]
Row = dict[str, Any]
Shards = Callable[[], Iterable[tuple[Recovered, Recovered]]]

# Shares of the records that come first, in thousandths: as published from .1 % on, and twentieths.
PER_MILLE = (1, 10, *range(50, 1001, 50))
ORDERS = ("min_distance", "correct", "gap")
MEASURES = [(role, kind) for role in ("target", "reference") for kind in ("precision", "recall")]


def keys(order: str, target: Outcome, reference: Outcome) -> NDArray[np.int64]:
    """What the orders by `correct` and by `gap` sort by, ascending, int64 [n].

    `correct`: most correct objects first; `gap`: largest surplus of correct objects over the
    reference's first.
    """
    correct = target.correct.astype(np.int64)
    return -correct if order == "correct" else reference.correct - correct


def ranks_of(values: NDArray[Any]) -> NDArray[np.uint32]:
    """Place of each value in ascending order, ties by their position, uint32 [n]."""
    ranks = np.empty(len(values), dtype=np.uint32)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values), dtype=np.uint32)
    return ranks


class Places:
    """Places in the order of all samples' integer keys, ties by the order in which they come."""

    def __init__(self) -> None:
        """Nothing has been counted."""
        self.counts: dict[int, int] = {}

    def count(self, keys: NDArray[np.int64]) -> None:
        """Count a shard's keys: all shards must have been counted before `of` is asked."""
        for key, count in zip(*map(np.ndarray.tolist, np.unique_counts(keys)), strict=True):
            self.counts[key] = self.counts.get(key, 0) + count

    def start(self) -> None:
        """Begin the second pass, in which the shards come in the same order."""
        self._known = np.array(sorted(self.counts), dtype=np.int64)
        counts = np.array([self.counts[key] for key in self._known.tolist()], dtype=np.int64)
        self._next = np.cumsum(counts) - counts

    def of(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places of the next shard's samples, int64 [n]."""
        codes = np.searchsorted(self._known, keys).astype(np.int16)
        order = np.argsort(codes, kind="stable")
        counts = np.bincount(codes, minlength=len(self._known))
        # The first place of each key, less the position at which the shard's own begin.
        shift = self._next - (np.cumsum(counts) - counts)
        places = np.empty(len(keys), dtype=np.int64)
        places[order] = shift[codes[order]] + np.arange(len(keys))
        self._next += counts
        return places


class Sums:
    """Sums of precision and recall of target and reference between the points of an order."""

    def __init__(self, samples: int) -> None:
        """Set the points: numbers of first records that make up `PER_MILLE`, rounded up."""
        self.tops = [-(-samples * share // 1000) for share in PER_MILLE]
        self._sums = dict.fromkeys(MEASURES, np.zeros(len(PER_MILLE)))

    def add(self, places: NDArray[Any], values: dict[tuple[str, str], Floats]) -> None:
        """Add a shard's results to the points that their places fall under."""
        points = np.searchsorted(self.tops, places, side="right")
        for measure in MEASURES:
            found = np.bincount(points, weights=values[measure], minlength=len(PER_MILLE))
            self._sums[measure] = self._sums[measure] + found

    def rows(self) -> Iterator[Row]:
        """Gaps of the means over the first records, for every point."""
        reached = {measure: np.cumsum(sums) for measure, sums in self._sums.items()}
        for point, (share, top) in enumerate(zip(PER_MILLE, self.tops, strict=True)):
            mean = {measure: float(sums[point] / top) for measure, sums in reached.items()}
            scores = {
                role: _harmonic_mean(mean[role, "precision"], mean[role, "recall"])
                for role in ("target", "reference")
            }
            yield {
                "fraction": share / 1000,
                "top": top,
                "precision_gap": mean["target", "precision"] - mean["reference", "precision"],
                "recall_gap": mean["target", "recall"] - mean["reference", "recall"],
                "fscore_gap": scores["target"] - scores["reference"],
            }


def _harmonic_mean(first: float, second: float) -> float:
    return 2 * first * second / (first + second) if first + second else 0.0


def gaps(shards: Shards, settings: Sequence[Setting]) -> Iterator[tuple[Setting, str, Row]]:
    """Rows of `Sums` for every setting and order.

    Args:
        shards: a function that starts a pass over target and reference, shard by shard.
        settings: which are asked for.
    """
    for objects in dict.fromkeys(each.objects for each in settings):
        chosen = [each for each in settings if each.objects == objects]
        yield from _gaps_of(shards, chosen)


def _gaps_of(shards: Shards, settings: Sequence[Setting]) -> Iterator[tuple[Setting, str, Row]]:
    """The same for settings that score the same samples."""
    places = {(each, order): Places() for each in settings for order in ("correct", "gap")}
    distances = []
    for target, reference in shards():
        scored = target.scored(settings[0])
        distances.append(target.distance[scored])
        for (setting, order), known in places.items():
            known.count(keys(order, *_outcomes(target, reference, setting, scored)))
    bounds = np.cumsum([0, *map(len, distances)])
    samples = int(bounds[-1])
    if not samples:
        return
    ranks = ranks_of(np.concatenate(distances))
    del distances
    sums = {(each, order): Sums(samples) for each in settings for order in ORDERS}
    for known in places.values():
        known.start()
    for (target, reference), (low, high) in zip(shards(), pairwise(bounds), strict=True):
        scored = target.scored(settings[0])
        for setting in settings:
            outcomes = _outcomes(target, reference, setting, scored)
            roles = dict(zip(("target", "reference"), outcomes, strict=True))
            values = {(role, kind): getattr(roles[role], kind) for role, kind in MEASURES}
            sums[setting, "min_distance"].add(ranks[low:high], values)
            for order in ("correct", "gap"):
                found = places[setting, order].of(keys(order, *outcomes))
                sums[setting, order].add(found, values)
    for (setting, order), each in sums.items():
        for row in each.rows():
            yield setting, order, row


def _outcomes(
    target: Recovered, reference: Recovered, setting: Setting, scored: NDArray[np.bool_]
) -> tuple[Outcome, Outcome]:
    return target.outcome(setting).of(scored), reference.outcome(setting).of(scored)


class Largest:
    """The samples with the largest surplus of correct objects, ties by the sample number.

    `surpluses` counts all samples by their surplus.
    """

    def __init__(self, most: int) -> None:
        """Keep so many at most."""
        self.most = most
        self.surpluses = Places()
        self.samples = np.empty(0, dtype=np.int64)
        self.target = self.reference = Outcome(*(np.empty(0, dtype=np.int32),) * 3)

    def add(self, samples: NDArray[np.int64], target: Outcome, reference: Outcome) -> None:
        """Look at a shard's scored samples; shards come in the order of sample numbers."""
        all_keys = keys("gap", target, reference)
        self.surpluses.count(all_keys)
        first = np.argsort(all_keys, kind="stable")[: self.most]
        samples = np.concatenate([self.samples, samples[first]])
        target = self.target.followed_by(target.of(first))
        reference = self.reference.followed_by(reference.of(first))
        best = np.argsort(keys("gap", target, reference), kind="stable")[: self.most]
        self.samples = samples[best]
        self.target, self.reference = target.of(best), reference.of(best)


def expected_false(members: Largest, controls: Largest) -> Floats:
    """How many of the first listed samples control would have given, float64 [listed].

    For as many samples as the members are, control has so many with a surplus. Of members with the
    same surplus, which go by their number, the first take their share of it.

    Args:
        members: whose list it is.
        controls: of control, whatever it keeps.
    """
    counts, others = members.surpluses.counts, controls.surpluses.counts
    listed = keys("gap", members.target, members.reference)
    if not others:
        return np.full(len(listed), np.nan)
    scale = sum(counts.values()) / sum(others.values())
    levels = np.array(sorted(counts.keys() | others.keys()), dtype=np.int64)
    reached, false = (
        np.cumsum([0, *(known.get(level, 0) for level in levels.tolist())])
        for known in (counts, others)
    )
    ranks = np.arange(1, len(listed) + 1)
    # Of control's levels that no member has, all count that come before the member's own.
    places = np.searchsorted(levels, listed)
    share = (ranks - reached[places]) / (reached[places + 1] - reached[places])
    return scale * (false[places] + share * (false[places + 1] - false[places]))


def largest(
    pairs: Iterable[tuple[Recovered, Recovered]], settings: Sequence[Setting], most: int
) -> dict[Setting, Largest]:
    """`Largest` of target and reference, shard by shard, under every setting."""
    found = {setting: Largest(most) for setting in settings}
    for target, reference in pairs:
        for setting, best in found.items():
            scored = target.scored(setting)
            best.add(target.samples[scored], *_outcomes(target, reference, setting, scored))
    return found


def recovered_by_both(
    pairs: Iterable[tuple[Recovered, Recovered]], setting: Setting, most: int
) -> NDArray[np.int64]:
    """The samples of which target and reference both recover most objects, int64 [at most `most`].

    Those with the most objects come first, then those with the highest precision, then by number;
    the worse of the two counts. Samples of which one recovers nothing are left out.
    """
    best: list[tuple[float, float, int]] = []
    for target, reference in pairs:
        sides = target.outcome(setting), reference.outcome(setting)
        correct = np.minimum(*(side.correct for side in sides))
        precision = np.minimum(*(side.precision for side in sides))
        order = np.lexsort((-precision, -correct))[:most]
        rows = order[correct[order] > 0]
        kept = zip(-correct[rows], -precision[rows], target.samples[rows], strict=True)
        best = sorted([*best, *kept])[:most]
    return np.array([sample for *_, sample in best], dtype=np.int64)
