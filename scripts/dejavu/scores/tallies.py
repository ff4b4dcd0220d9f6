"""Sums over samples from which every population score and its interval follow (method: intervals).

Tallies of shards add up, so that memory does not depend on the number of samples.
"""

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dejavu.scores import intervals
from dejavu.scores.intervals import (
    PSEUDO_SAMPLES,
    Centred,
    Clusters,
    Levels,
    Moments,
    cluster_sums,
    least_covariance,
    pseudo_total,
)
from dejavu.scores.recovered import ROLES, Files, Outcome, Recovered, Setting, shards_of

Floats = NDArray[np.float64]
# One side a model: its replicates.
Shard = tuple[list[Recovered], ...]

MEASURES = ("ppg", "prg", "aucg")
KINDS = ("precision", "recall")
HALVES = ("first_half", "second_half")
# What is summed of every sample: 1, the measures, and for both kinds t, g, t · g and g².
MEASURE_COLUMN = {measure: 1 + place for place, measure in enumerate(MEASURES)}
FEATURE_COLUMNS = {"precision": [0, 4, 5, 6, 7], "recall": [0, 8, 9, 10, 11]}
COLUMNS = 12
# What of a weighed sum is the rounding of a sum of 0.
LEAST_CHANGE = 1e-9
# Samples whose sums are made at a time.
CHUNK = 2**13


class Asked(NamedTuple):
    """One setting of a test: the query and what is predicted."""

    query: str
    setting: Setting


@dataclass(frozen=True)
class Grouped:
    """Sums over the samples that have the same fraction as their result; additive.

    Attributes:
        codes: numerator and denominator of each fraction in one number, int64 [fractions], sorted.
        sums: of what is summed, float64 [fractions, columns].
    """

    codes: NDArray[np.int64]
    sums: Floats

    @classmethod
    def of(
        cls, numerators: NDArray[Any], denominators: NDArray[Any], columns: Sequence[NDArray[Any]]
    ) -> "Grouped":
        """Group samples [n] by their fraction."""
        codes = (numerators.astype(np.int64) << 32) | denominators.astype(np.int64)
        known, places = np.unique(codes, return_inverse=True)
        sums = [np.bincount(places, weights=column, minlength=len(known)) for column in columns]
        return cls(known, np.stack(sums, axis=1))

    def __add__(self, other: "Grouped") -> "Grouped":
        codes, places = np.unique(np.concatenate([self.codes, other.codes]), return_inverse=True)
        sums = np.zeros((len(codes), self.sums.shape[1]))
        np.add.at(sums, places, np.concatenate([self.sums, other.sums]))
        return Grouped(codes, sums)

    @property
    def values(self) -> Floats:
        """The fractions; 0 where the denominator is."""
        numerators, denominators = self.codes >> 32, self.codes & (2**32 - 1)
        return numerators / np.maximum(denominators, 1)


@dataclass(frozen=True)
class Tally:
    """Sums over the scored samples of a set, for one or more replicates of target and reference.

    Attributes:
        totals: sums over samples of 1, PPG's, PRG's and AUCG's values and, for precision and
            recall, t, g, t · g and g²; float64 [replicates, 12].
        products: sums of products of any two of them over clusters of samples, which are the
            samples themselves but with `clustered`; float64 [replicates, 12, replicates, 12].
        predicted: sums of the sizes of target's and reference's predictions, [replicates, 2].
        levels: for precision and recall the samples by the reference's result, one a replicate,
            with their number and the sums of t and t²; only where they are controls.
        excluded: number of samples without truth, which are in no sum.
        contaminated: number of samples with near-duplicates that are left out, in no sum.
        clustered: whether several samples, captions of one image, may be one cluster.
    """

    totals: Floats
    products: Floats
    predicted: Floats
    levels: Mapping[str, Sequence[Grouped]]
    excluded: int = 0
    contaminated: int = 0
    clustered: bool = False

    @classmethod
    def of(
        cls,
        targets: Sequence[Outcome],
        references: Sequence[Outcome],
        chosen: NDArray[np.bool_] | None = None,
        clusters: NDArray[Any] | None = None,
        is_control: bool = True,
    ) -> "Tally":
        """Tally samples: one outcome a replicate for the target and for the reference.

        Args:
            targets: of the same n samples.
            references: likewise.
            chosen: which samples count, bool [n]; all, if None.
            clusters: each sample's cluster, from 0, int [n]; no cluster has a second sample, if
                None.
            is_control: whether they may be controls of an adjusted gap.
        """
        rows, scored = rows_of(targets, references, chosen)
        return cls.of_rows(rows, scored, targets, references, chosen, clusters, is_control)

    @classmethod
    def of_rows(
        cls,
        rows: Floats,
        scored: NDArray[np.bool_],
        targets: Sequence[Outcome],
        references: Sequence[Outcome],
        chosen: NDArray[np.bool_] | None,
        clusters: NDArray[Any] | None,
        is_control: bool,
    ) -> "Tally":
        """The same from the samples' `rows_of`."""
        columns = rows.reshape(len(rows), len(targets) * COLUMNS)
        sums = cluster_sums(columns, clusters)
        shape = rows.shape[1:]
        predicted = [
            [float(side.predicted[scored].sum(dtype=np.int64)) for side in pair]
            for pair in zip(targets, references, strict=True)
        ]
        counted = len(scored) if chosen is None else np.count_nonzero(chosen)
        return cls(
            columns.sum(axis=0).reshape(shape),
            (sums.T @ sums).reshape(*shape, *shape),
            np.array(predicted),
            _levels(rows, scored, references) if is_control else {},
            int(counted - np.count_nonzero(scored)),
            clustered=clusters is not None,
        )

    def __add__(self, other: "Tally") -> "Tally":
        levels = {
            kind: [a + b for a, b in zip(self.levels[kind], other.levels[kind], strict=True)]
            for kind in self.levels
        }
        return Tally(
            self.totals + other.totals,
            self.products + other.products,
            self.predicted + other.predicted,
            levels,
            self.excluded + other.excluded,
            self.contaminated + other.contaminated,
            self.clustered or other.clustered,
        )

    @property
    def samples(self) -> int:
        """Samples that are scored."""
        return round(float(self.totals[0, 0]))

    def means(self, column: int) -> Floats:
        """Means of a column of the sums, float64 [replicates]; nan without samples."""
        return self.totals[:, column] / self.samples if self.samples else self.totals[:, 0] + np.nan

    def predicted_sizes(self) -> Floats:
        """Mean sizes of target's and reference's predictions, float64 [replicates, 2]."""
        return self.predicted / self.samples if self.samples else self.predicted + np.nan

    def wins_and_losses(self, replicate: int) -> tuple[int, int]:
        """Samples that the target's precision is higher on, and lower; not of clusters."""
        column = MEASURE_COLUMN["ppg"]
        untied = self.products[replicate, column, replicate, column]
        surplus = self.totals[replicate, column]
        return round(float(untied + surplus) / 2), round(float(untied - surplus) / 2)

    def mean(self, column: int, replicate: int, least: float) -> Centred:
        """Mean of a column, whose values reach from `least` to 1."""
        return intervals.mean_of(
            self.samples,
            self.totals[replicate, column],
            self.products[replicate, column, replicate, column],
            least,
            self._clusters(column, replicate, replicate),
        )

    def covariance(self, column: int, chosen: Sequence[int], least: float) -> float:
        """Mean covariance over samples of the column's means of any two replicates."""
        size = self.samples + PSEUDO_SAMPLES
        centres = (self.totals[:, column] + pseudo_total(least)) / size
        found = [
            intervals.deviation_products(
                self._clusters(column, a, b),
                self._clusters(column, b, a),
                (centres[a], centres[b]),
                least,
            )
            for a, b in combinations(chosen, 2)
        ]
        return max(float(np.mean(found)) / size**2, float(least_covariance(self.samples)))

    def _clusters(self, column: int, replicate: int, other: int) -> Clusters:
        """Sums over clusters of a replicate's column, and of its products with another's."""
        return Clusters(
            self.products[replicate, column, other, column],
            self.products[replicate, column, replicate, 0],
            self.products[replicate, 0, replicate, 0],
        )

    def moments(self, kind: str, replicate: int) -> Moments:
        """Moments of `precision` or `recall`."""
        columns = FEATURE_COLUMNS[kind]
        return Moments(self.totals[replicate, columns], self.shared(kind, replicate, replicate))

    def shared(self, kind: str, first: int, second: int) -> Floats:
        """Sums of products of two replicates' features of `precision` or `recall`, [5, 5]."""
        columns = FEATURE_COLUMNS[kind]
        return self.products[first, :, second][np.ix_(columns, columns)]

    def levels_of(self, kind: str, replicate: int) -> Levels:
        """The samples by the reference's `precision` or `recall`."""
        grouped = self.levels[kind][replicate]
        return Levels(grouped.values, *grouped.sums.T)


def rows_of(
    targets: Sequence[Outcome], references: Sequence[Outcome], chosen: NDArray[np.bool_] | None
) -> tuple[Floats, NDArray[np.bool_]]:
    """What is summed of every sample, float64 [n, replicates, 12], and which are scored, bool [n].

    The others' rows are 0.
    """
    scored = targets[0].truth > 0
    scored = scored if chosen is None else scored & chosen
    rows = np.empty((len(scored), len(targets), COLUMNS))
    for replicate, (target, reference) in enumerate(zip(targets, references, strict=True)):
        row = rows[:, replicate]
        row[:, 0] = 1
        for kind, columns in FEATURE_COLUMNS.items():
            t, g = getattr(target, kind), getattr(reference, kind)
            for column, values in zip(columns[1:], (t, g, t * g, g * g), strict=True):
                row[:, column] = values
        # AUCG, the area between two distribution functions on [0, 1], is the difference of means.
        gap = row[:, FEATURE_COLUMNS["recall"][1]] - row[:, FEATURE_COLUMNS["recall"][2]]
        precision = FEATURE_COLUMNS["precision"]
        row[:, MEASURE_COLUMN["ppg"]] = np.sign(row[:, precision[1]] - row[:, precision[2]])
        row[:, MEASURE_COLUMN["prg"]] = np.sign(gap)
        row[:, MEASURE_COLUMN["aucg"]] = gap
    rows[~scored] = 0
    return rows, scored


def _levels(
    rows: Floats, scored: NDArray[np.bool_], references: Sequence[Outcome]
) -> dict[str, list[Grouped]]:
    found: dict[str, list[Grouped]] = {kind: [] for kind in KINDS}
    for replicate, outcome in enumerate(references):
        known = outcome.of(scored)
        for kind, denominators in (("precision", known.predicted), ("recall", known.truth)):
            t = rows[scored, replicate, FEATURE_COLUMNS[kind][1]]
            sums = [np.ones_like(t), t, t * t]
            found[kind].append(Grouped.of(known.correct, denominators, sums))
    return found


@dataclass(frozen=True)
class Part:
    """What is known of one set under all settings of a test; additive.

    Attributes:
        tallies: by query and setting.
        joint: for each replicate the sums over clusters of products of the precision's features
            under any two settings, float64 [replicates, settings · 5, settings · 5].
    """

    tallies: Mapping[Asked, Tally]
    joint: Floats

    def __add__(self, other: "Part") -> "Part":
        tallies = {asked: tally + other.tallies[asked] for asked, tally in self.tallies.items()}
        return Part(tallies, self.joint + other.joint)


def parts_of_test(
    comparisons: Sequence[Mapping[str, Any]],
    settings: Sequence[Setting],
    files: Files,
    left_out: NDArray[np.int64],
) -> dict[str, Part]:
    """Tally the sets of one test under every query and setting, shard by shard.

    Args:
        comparisons: of `plan_vlm.comparisons`, all of one test.
        settings: which are asked for.
        files: of recovered objects, as of `layout.shards_of`.
        left_out: numbers of the samples that don't count, int64.

    Returns:
        By the names of `tallies`; `first_half` and `second_half` have the samples of that half of
        control, and `control` both.
    """
    found: dict[str, Part] = {}
    for name in comparisons[0]["tallies"]:
        if name in HALVES:
            continue
        halves = HALVES if name == "control" else (None,)
        for shard in together([each["tallies"][name] for each in comparisons], files, left_out):
            queries = dict(zip((each["query"] for each in comparisons), shard, strict=True))
            for half in halves:
                place = half or name
                part = _part(queries, settings, half)
                found[place] = found[place] + part if place in found else part
            del shard, queries
        if name == "control":
            found[name] = found[HALVES[0]] + found[HALVES[1]]
    return found


def null_tallies(
    nulls: Sequence[Mapping[str, Any]],
    settings: Sequence[Setting],
    files: Files,
    left_out: NDArray[np.int64],
    queries: Sequence[str],
) -> dict[str, dict[Asked, Tally]]:
    """Tally a null model in the target's place, and the target's results less its own.

    Args:
        nulls: of `nulls` of `plan_vlm.comparisons`, one a query.
        settings: which are asked for.
        files: of recovered objects, as of `layout.shards_of`.
        left_out: numbers of the samples that don't count, int64.
        queries: of `nulls`.

    Returns:
        `target` and `control` of the null model, and `contrast_target` and `contrast_control`, with
        (1 + t − u) / 2 in the place of t: u is the null model's result, and an adjusted gap of it
        is half of the difference of two.
    """
    found: dict[str, dict[Asked, Tally]] = {}
    for query, (name, tally) in (
        (query, each) for query, parts in zip(queries, nulls, strict=True) for each in parts.items()
    ):
        for shard in shards_of(tally, files, left_out, ("target", "reference", "null")):
            for setting in settings:
                outcomes = [[each.outcome(setting) for each in side] for side in shard]
                for sides, clusters in _pieces(shard[0][0], outcomes):
                    for part, of_part in _of_null(name, sides, clusters):
                        known = found.setdefault(part, {})
                        asked = Asked(query, setting)
                        known[asked] = known[asked] + of_part if asked in known else of_part
            del shard, outcomes, sides
    return found


def _of_null(
    name: str, sides: Sequence[Sequence[Outcome]], clusters: NDArray[Any] | None
) -> Iterator[tuple[str, Tally]]:
    """Tallies of some samples: the null model's own, and the target's results less its own."""
    targets, references, nulls = sides
    rows, scored = rows_of(nulls, references, None)
    own, _ = rows_of(targets, references, None)
    for part, outcomes, of_part in (
        (name, nulls, rows),
        (f"contrast_{name}", targets, paired((own, rows), (1, -1))),
    ):
        tallied = outcomes, references, None, clusters, name == "control"
        yield part, Tally.of_rows(of_part, scored, *tallied)


def paired(rows: Sequence[Floats], weights: Sequence[float]) -> Floats:
    """What is summed of every sample for a weighed sum of several models' scores.

    A score of it is that sum divided by Σ |w|; an adjusted gap only where all models have the same
    reference.

    Args:
        rows: of `rows_of`, one a model, of the same samples, float64 [n, replicates, 12] each.
        weights: w of the models, which add up to 0.

    Returns:
        Σ w m / Σ |w| in the place of each measure m, and ½ + Σ w t / Σ |w| in that of t, so that
        both reach as far as one model's; float64 [n, replicates, 12].
    """
    scale = sum(map(abs, weights))

    def mean(columns: int | list[int]) -> Floats:
        sums = sum(w * each[:, :, columns] for w, each in zip(weights, rows, strict=True))
        return np.asarray(sums) / scale

    found = rows[0].copy()
    measures = list(MEASURE_COLUMN.values())
    found[:, :, measures] = mean(measures)
    for one, t, g, product, _ in FEATURE_COLUMNS.values():
        found[:, :, t] = found[:, :, one] / 2 + mean(t)
        found[:, :, product] = found[:, :, g] / 2 + mean(product)
    return found


@dataclass(frozen=True)
class Paired:
    """Sums over samples of their own weighed sums of several models' results; additive.

    Attributes:
        tally: of the sums, as of `paired`.
        changes: number of samples whose sum for PPG, and for the adjusted gap of precision, is not
            0, and the squares of these sums as parts of the most there is; float64
            [replicates, 2, 2].
    """

    tally: Tally
    changes: Floats

    @classmethod
    def of(cls, rows: Floats, scored: NDArray[np.bool_], *tallied: *tuple[Any, ...]) -> "Paired":
        """Sum the rows of `paired`; all else as of `Tally.of_rows`."""
        one, t, *_ = FEATURE_COLUMNS["precision"]
        sums = np.stack([rows[:, :, MEASURE_COLUMN["ppg"]], 2 * rows[:, :, t] - rows[:, :, one]])
        squares = np.where(np.abs(sums) > LEAST_CHANGE, sums, 0) ** 2
        changes = np.stack([(squares > 0).sum(axis=1), squares.sum(axis=1)], axis=-1)
        tally = Tally.of_rows(rows, scored, *tallied)
        return cls(tally, np.moveaxis(changes, 1, 0).astype(np.float64))

    def __add__(self, other: "Paired") -> "Paired":
        return Paired(self.tally + other.tally, self.changes + other.changes)


def change_of(parts: Sequence[Paired], place: int, chosen: Sequence[int]) -> float:
    """Root mean square of what changes: 1, the most that can be, where nothing does.

    Args:
        parts: sets whose samples are looked at together.
        place: 0 for PPG, 1 for the adjusted gap of precision.
        chosen: the replicates.
    """
    number, squares = sum(part.changes[list(chosen), place].sum(axis=0) for part in parts)
    return float(np.sqrt(squares / number)) if number else 1.0


def sized(tally: Tally, change: float) -> Tally:
    """A tally of `paired` whose samples' sums are in units of a change, not of the most there is.

    So pseudo-samples, which lie at the ends of a score's range, are as large as changes are.
    """
    still, change_matrix = (1 - 1 / change) / 2, np.eye(COLUMNS)
    measures = list(MEASURE_COLUMN.values())
    change_matrix[measures, measures] = 1 / change
    for one, t, g, product, _ in FEATURE_COLUMNS.values():
        change_matrix[[t, product], [t, product]] = 1 / change
        change_matrix[one, t] = change_matrix[g, product] = still

    def levels(grouped: Grouped) -> Grouped:
        n, t, squares = grouped.sums.T
        other = still * n + t / change
        square = still**2 * n + 2 * still * t / change + squares / change**2
        return Grouped(grouped.codes, np.stack([n, other, square], axis=1))

    return replace(
        tally,
        totals=tally.totals @ change_matrix,
        products=np.einsum("rish,ij,hk->rjsk", tally.products, change_matrix, change_matrix),
        levels={kind: [levels(each) for each in several] for kind, several in tally.levels.items()},
    )


def paired_tallies(
    points: Sequence[Mapping[str, Any]],
    settings: Sequence[Setting],
    weights: Sequence[Sequence[float]],
    files: Files,
    left_out: NDArray[np.int64],
) -> list[Paired]:
    """Sum weighed sums of the scores of several models on one set, shard by shard.

    Args:
        points: of each model a tally of `plan_vlm.comparisons`, all on the same set.
        settings: of each under which objects are predicted.
        weights: of the models, which add up to 0, for every sum that is asked for.
        files: of recovered objects, as of `layout.shards_of`.
        left_out: numbers of the samples that don't count, int64.

    Returns:
        One a sum.
    """
    # What several points share is read once.
    roles = {str(point[role]): point[role] for point in points for role in ROLES}
    asked = list(
        dict.fromkeys(
            (str(point[role]), setting)
            for point, setting in zip(points, settings, strict=True)
            for role in ROLES
        )
    )
    name = points[0]["set"]
    found: list[Paired] | None = None
    for shard in shards_of({"set": name, **roles}, files, left_out, list(roles)):
        held = dict(zip(roles, shard, strict=True))
        outcomes = [[each.outcome(setting) for each in held[role]] for role, setting in asked]
        for sides, clusters in _pieces(shard[0][0], outcomes):
            known = dict(zip(asked, sides, strict=True))
            pairs = [
                [known[str(point[role]), setting] for role in ROLES]
                for point, setting in zip(points, settings, strict=True)
            ]
            rows = [rows_of(targets, references, None) for targets, references in pairs]
            tallied = rows[0][1], *pairs[0], None, clusters, name == "control"
            of_piece = [Paired.of(paired([row for row, _ in rows], w), *tallied) for w in weights]
            found = of_piece if found is None else list(map(operator.add, found, of_piece))
        # Nothing of this shard must stay in memory when the next is read.
        del shard, held, outcomes, sides, known, pairs, tallied
    assert found is not None
    return found


def _pieces(
    first: Recovered, outcomes: Sequence[Sequence[Outcome]]
) -> Iterator[tuple[list[list[Outcome]], NDArray[Any] | None]]:
    """Some samples of a shard at a time: outcomes by side, and clusters from 0."""
    for place in chunks(len(first.samples), first.clusters):
        clusters = first.clusters
        if clusters is not None:
            clusters = clusters[place] - clusters[place][:1]
        yield [[each.of(place) for each in side] for side in outcomes], clusters


def together(
    tallies: Sequence[Mapping[str, Any]], files: Files, left_out: NDArray[np.int64]
) -> Iterator[list[Shard]]:
    """The same shard under every query, one shard after the other."""
    streams = [shards_of(each, files, left_out) for each in tallies]
    for first in streams[0]:
        shards = [first, *(next(stream) for stream in streams[1:])]
        # Nothing of a shard must stay in memory when the next is read.
        del first
        yield shards
        del shards


def _part(queries: Mapping[str, Shard], settings: Sequence[Setting], half: str | None) -> Part:
    """Tally one shard, some samples at a time."""
    first = next(iter(queries.values()))[0][0]
    chosen = None if half is None else first.first_half == (half == HALVES[0])
    outcomes = {
        Asked(query, setting): [[each.outcome(setting) for each in side] for side in sides]
        for query, sides in queries.items()
        for setting in settings
    }
    places = chunks(len(first.samples), first.clusters)
    part = _tallied(outcomes, next(places), chosen, first.clusters, half is not None)
    for place in places:
        part += _tallied(outcomes, place, chosen, first.clusters, half is not None)
    # Both halves of control are added up, and the samples that are left out are in neither.
    contaminated = 0 if half == HALVES[1] else first.left_out
    tallies = {
        asked: replace(tally, contaminated=contaminated) for asked, tally in part.tallies.items()
    }
    return Part(tallies, part.joint)


def chunks(samples: int, clusters: NDArray[Any] | None) -> Iterator[slice]:
    """Places of some samples at a time; a cluster, whose samples are neighbours, stays whole."""
    low = 0
    while low < samples or low == 0:
        high = min(low + CHUNK, samples)
        if clusters is not None and high < samples:
            high = int(np.searchsorted(clusters, clusters[high - 1], side="right"))
        yield slice(low, high)
        low = max(high, 1)


def _tallied(
    outcomes: Mapping[Asked, Sequence[Sequence[Outcome]]],
    place: slice,
    chosen: NDArray[np.bool_] | None,
    clusters: NDArray[Any] | None,
    is_control: bool,
) -> Part:
    chosen = None if chosen is None else chosen[place]
    if clusters is not None:
        clusters = clusters[place] - clusters[place][:1]
    tallies, joint = {}, []
    for asked, sides in outcomes.items():
        targets, references = ([outcome.of(place) for outcome in side] for side in sides)
        rows, scored = rows_of(targets, references, chosen)
        tallies[asked] = Tally.of_rows(
            rows, scored, targets, references, chosen, clusters, is_control
        )
        joint.append(rows[:, :, FEATURE_COLUMNS["precision"]])
    # Samples, replicates, settings and features; a replicate's are the columns of a matrix.
    features = np.moveaxis(np.stack(joint, axis=2), 1, 0)
    replicates, samples, *columns = features.shape
    products = []
    for of_replicate in features.reshape(replicates, samples, math.prod(columns)):
        sums = cluster_sums(of_replicate, clusters)
        products.append(sums.T @ sums)
    return Part(tallies, np.array(products))
