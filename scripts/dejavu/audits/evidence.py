"""Which samples are memorized: lists with a false-discovery rate (evidence: lists).

A regression learns to tell the members and two thirds of control, together, from the third of
control that teaches. It can't tell members from the two thirds by anything but what it measures, so
that the scores of those two thirds calibrate the members' (AdaDetect: Marandon, Lei, Mary & Roquain
2024, Annals of Statistics 52:157). Where control is not of the members' distribution, the samples
weigh as often as they would occur among members (Jin & Candès 2023, arXiv 2307.09291); no theorem
covers a score that was learned from weighted samples, a simulation does (docs/certification.md).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from dejavu.audits import blind, regression
from dejavu.config.ranges import HASHES
from dejavu.files.parquet import read_parquet, read_provenance, write_parquet
from dejavu.files.seals import Metadata
from dejavu.samples.hashes import keyed_hash, shard_of
from dejavu.samples.ids import ids_in
from dejavu.scores.judged import Judged
from dejavu.scores.recovered import Recovered, Setting

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Hashes = NDArray[np.uint64]

# Of either side of the regression: more would hardly change it, and would have to be held.
MOST_LEARNED = 2**16
# Controls of either kind, and members, below which there is nothing to learn or to calibrate.
LEAST = 2 * regression.FOLDS
# Log-odds by the blind encoder beyond which a weight, or a sum of them, might be no number.
MOST_LOG_ODDS = 300.0
# Of a table at a time.
ROWS_LISTED = 2**16
# A rate that is met exactly is met, whatever divisions lose.
MET = 1 + 1e-12


@dataclass(frozen=True)
class Shard:
    """Some samples of a set and what is known of them.

    Attributes:
        samples: their numbers, int64 [n].
        images: keyed hashes of the ids of their images, uint64 [n], which tell who teaches.
        order: keyed hashes of their own ids, uint64 [n], which tell nothing of that.
        features: float32 [n, features].
        weights: how often each would occur among members for once in its set, float64 [n]; all
            alike, if None.
        blind: their embeddings under the blind encoder, float32 [n, d], where these are asked for.
    """

    samples: NDArray[np.int64]
    images: Hashes
    order: Hashes
    features: NDArray[np.float32]
    weights: Floats | None = None
    blind: NDArray[np.float32] | None = None

    @property
    def teaches(self) -> Bools:
        """Which samples teach, if they are controls, bool [n]: a third of them."""
        return self.images < np.uint64(HASHES // 3)

    def where(self, chosen: Bools) -> "Shard":
        """The samples in the mask `chosen`, bool [n]; without embeddings."""
        weights = None if self.weights is None else self.weights[chosen]
        own, features = self.samples[chosen], self.features[chosen]
        return Shard(own, self.images[chosen], self.order[chosen], features, weights)


# Goes through a set; the argument tells whether embeddings under the blind encoder are asked for.
Shards = Callable[[bool], Iterable[Shard]]


def image_hashes(ids: Sequence[str], seed: int) -> Hashes:
    """`images` of shards, by the ids of the samples' images, uint64 [n]."""
    return keyed_hash(ids, seed, "teaches")


def own_hashes(ids: Sequence[str], seed: int) -> Hashes:
    """`order` of shards, by the samples' own ids, uint64 [n]."""
    return keyed_hash(ids, seed, "evidence")


@dataclass(frozen=True)
class Weighed:
    """How the samples of a set look; float64 [n] each but for their numbers and who teaches.

    Attributes:
        samples: their numbers, int64 [n].
        scores: higher where they look more like learned; nan where nothing could be learned.
        weights: how often each would occur among members for once in its set.
        teaches: which samples teach, if they are controls, bool [n].
    """

    samples: NDArray[np.int64]
    scores: Floats
    weights: Floats
    teaches: Bools


def caption_features(
    sides: Sequence[Recovered], settings: Sequence[Setting], familiar: bool
) -> NDArray[np.float32]:
    """What models recover from captions, float32 [n, features].

    Args:
        sides: the same captions under target and reference, one for every query.
        settings: of all, precision and recall are features.
        familiar: whether the distance to the nearest public sample is one, too, which tells how
            familiar a caption is to a model, and nothing of its objects.
    """
    columns = [
        getattr(side.outcome(setting), kind)
        for side in sides
        for setting in settings
        for kind in ("precision", "recall")
    ]
    columns += [side.distance for side in sides] if familiar else []
    return np.stack(columns, axis=1).astype(np.float32)


def crop_features(predictors: Sequence[Judged]) -> NDArray[np.float32]:
    """What target and references say of the same crops, float32 [n, features]."""
    columns = [
        column
        for each in predictors
        for column in (each.correct, each.confidence, each.entropy, each.tiebreak)
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def weigh(members: Shards, control: Shards, limit: int | None) -> tuple[Weighed, Weighed]:
    """Score members and controls.

    Args:
        members: of the target model.
        control: that no model has seen.
        limit: of samples on either side that the odds of being a member, by the blind encoder
            alone, are learned from; those are the weights then. None where the shards have theirs.
    """
    learned = _learned(members, control)
    odds = None if limit is None else _odds(members, control, limit)
    if limit is not None and odds is None:
        # Without weights nothing is calibrated.
        learned = None
    weighed = []
    for shards in (members, control):
        parts = [_weighed(each, learned, odds) for each in shards(odds is not None)]
        columns = (np.concatenate(column) for column in zip(*parts, strict=True))
        weighed.append(Weighed(*columns))
    return weighed[0], weighed[1]


def _learned(members: Shards, control: Shards) -> Pipeline | None:
    """The regression whose `decision_function` scores a sample by its features.

    It tells controls that teach from all else. Members and calibrating samples are one set to it:
    which is which has no effect. None where samples are too few.
    """

    def rows(shards: Shards, teaches: bool | None) -> Iterator[blind.Rows]:
        for each in shards(False):
            chosen = slice(None) if teaches is None else each.teaches == teaches
            yield blind.Rows(each.order[chosen], each.features[chosen])

    sides = [
        blind.lowest_rows(side, MOST_LEARNED).rows
        for side in (chain(rows(members, None), rows(control, False)), rows(control, True))
    ]
    if min(map(len, sides)) < LEAST:
        return None
    labels = np.repeat([1, 0], [len(side) for side in sides])
    return regression.fit(np.concatenate(sides), labels)


def _odds(members: Shards, control: Shards, limit: int) -> blind.Odds | None:
    def rows(shards: Shards) -> Iterator[blind.Rows]:
        for each in shards(True):
            assert each.blind is not None
            yield blind.Rows(each.images, each.blind)

    return blind.Odds.fit(*(blind.lowest_rows(rows(each), limit) for each in (members, control)))


def _weighed(
    shard: Shard, learned: Pipeline | None, odds: blind.Odds | None
) -> tuple[NDArray[np.int64], Floats, Floats, Bools]:
    count = len(shard.samples)
    scores, weights = np.full(count, np.nan), shard.weights
    if learned is not None and count:
        scores = learned.decision_function(shard.features).astype(np.float64)
    if odds is not None:
        assert shard.blind is not None
        found = odds.log_odds(blind.Rows(shard.images, shard.blind))
        weights = np.exp(np.clip(found, -MOST_LOG_ODDS, MOST_LOG_ODDS))
    return shard.samples, scores, np.ones(count) if weights is None else weights, shard.teaches


def member_p_values(members: Weighed, control: Weighed) -> Floats:
    """The members' p-values of not having been memorized; nan where nothing could be learned."""
    if np.isnan(members.scores).any():
        return np.full(len(members.scores), np.nan)
    calibrating = ~control.teaches
    return p_values(
        members.scores,
        control.scores[calibrating],
        members.weights,
        control.weights[calibrating],
    )


def p_values(
    scores: Floats,
    calibration: Floats,
    weights: Floats,
    calibration_weights: Floats,
) -> Floats:
    """Conformal p-values of scores [m]: the part of calibrating samples that score as high.

    Each sample counts among them itself; (1 + #{j: s_j ≥ s_i}) / (n + 1) with weights of 1.

    Args:
        scores: of members, float64 [m].
        calibration: of n calibrating samples, float64 [n].
        weights: how often a member would occur among members for once in control, float64 [m].
        calibration_weights: likewise, float64 [n].
    """
    order = np.argsort(calibration, kind="stable")
    above = np.concatenate([np.cumsum(calibration_weights[order][::-1])[::-1], [0.0]])
    found = above[np.searchsorted(calibration[order], scores, side="left")]
    found += weights
    found /= above[0] + weights
    return found


def smallest_list(rate: float, weights: Floats, calibration_weights: Floats) -> int:
    """The length below which no list can be made at a rate, however high its scores.

    Without differing weights that is ⌈m / (rate · (n + 1))⌉. It is m + 1 where no list can be made.
    """
    # In place: sets of millions are ranked here.
    lowest = calibration_weights.sum() + weights
    np.divide(weights, lowest, out=lowest)
    lowest.sort()
    lowest *= len(lowest)
    most = np.arange(1.0, len(lowest) + 1)
    most *= rate * MET
    possible = np.flatnonzero(lowest <= most)
    return int(possible[0]) + 1 if len(possible) else len(lowest) + 1


def write(paths: Sequence[str], weighed: Weighed, facts: Metadata, **columns: NDArray[Any]) -> None:
    """Write the evidence of a set, shard by shard.

    Args:
        paths: the files to appear, one a shard.
        weighed: of the set.
        facts: test, models and features.
        columns: what else is known of the samples, [n].
    """
    known = {"score": weighed.scores, "weight": weighed.weights, **columns}
    shards = shard_of(weighed.samples)
    for shard, path in enumerate(paths):
        chosen = shards == shard
        held = {name: column[chosen] for name, column in known.items()}
        write_parquet(path, pa.table({"sample": weighed.samples[chosen], **held}), facts)


def by_facts(paths: Sequence[str]) -> list[tuple[Metadata, list[str]]]:
    """Files of evidence, shard after shard of one test and kind of features after the other."""
    told = ((read_provenance(path), path) for path in paths)
    return [
        (facts, [path for _, path in group]) for facts, group in groupby(told, key=itemgetter(0))
    ]


def read(paths: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    """Columns of the evidence of a set."""
    return pl.concat(_shard(path, columns) for path in paths)


def listed(paths: Sequence[str], samples: Sequence[str], rate: float) -> Iterator[pl.DataFrame]:
    """The members that are listed at a rate, the highest scores first, some at a time.

    Args:
        paths: of their evidence, one a shard.
        samples: of the same shards, which have their ids.
        rate: of false discoveries.

    Yields:
        `rank`, from 1, `sample`, `id`, `score`, `p` and `q`.
    """
    shards = []
    for path, known in zip(paths, samples, strict=True):
        shard = _shard(path, ["sample", "score", "p", "q"]).filter(pl.col("q") <= rate * MET)
        ids = pl.Series("id", ids_in(shard["sample"].to_numpy(), known), dtype=pl.String)
        shards.append(shard.insert_column(1, ids))
    found = pl.concat(shards)
    # Numbers ascend from row to row and from shard to shard: of equal scores the lowest is first.
    order = np.argsort(-found["score"].to_numpy(), kind="stable")
    for start in range(0, len(order), ROWS_LISTED):
        yield found[order[start : start + ROWS_LISTED]].with_row_index("rank", start + 1)


def _shard(path: str, columns: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(read_parquet(path, columns)))
