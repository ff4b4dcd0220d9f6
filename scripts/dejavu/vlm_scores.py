"""Scores of the vision-language measurement (method: §2 and §3).

Everything starts from a tally: how many samples have the same counts of true, predicted and
correct objects. Tallies of shards add up, and every score and interval follows from them, so that
memory depends on the number of distinct outcomes and not on the number of samples.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu import intervals
from dejavu.intervals import Bootstrap, Moments
from dejavu.recovered import Outcome

Floats = NDArray[np.float64]
Row = dict[str, Any]

MEASURES = ("ppg", "prg", "aucg")
DECIMALS = 12
RIGHT = 0.5


@dataclass(frozen=True)
class Tally:
    """Counts of samples by outcome, for one or more replicates of target and reference.

    `frame` has `truth`, for each replicate r `target_predicted_r`, `target_correct_r`,
    `reference_predicted_r` and `reference_correct_r`, and `samples`; `excluded` counts the samples
    without truth, which are in no row.
    """

    frame: pl.DataFrame
    replicates: int
    excluded: int

    @classmethod
    def of(
        cls,
        targets: Sequence[Outcome],
        references: Sequence[Outcome],
        chosen: NDArray[np.bool_] | None = None,
    ) -> "Tally":
        """Tally a shard: one outcome a replicate for the target and for the reference.

        Only samples in the mask `chosen` count, where there is one.
        """
        columns: dict[str, NDArray[Any]] = {"truth": targets[0].truth}
        for replicate, (target, reference) in enumerate(zip(targets, references, strict=True)):
            columns[f"target_predicted_{replicate}"] = target.predicted
            columns[f"target_correct_{replicate}"] = target.correct
            columns[f"reference_predicted_{replicate}"] = reference.predicted
            columns[f"reference_correct_{replicate}"] = reference.correct
        frame = pl.DataFrame(columns)
        if chosen is not None:
            frame = frame.filter(pl.Series(chosen))
        scored = frame.filter(pl.col("truth") > 0)
        counted = scored.group_by(pl.all()).agg(samples=pl.len().cast(pl.Int64))
        return cls(counted, len(targets), len(frame) - len(scored))

    def __add__(self, other: "Tally") -> "Tally":
        frame = pl.concat([self.frame, other.frame])
        keys = [name for name in frame.columns if name != "samples"]
        frame = frame.group_by(keys).agg(pl.col("samples").sum())
        return Tally(frame, self.replicates, self.excluded + other.excluded)

    @cached_property
    def ordered(self) -> pl.DataFrame:
        """The frame in one order, whatever the order of the shards."""
        return self.frame.sort(pl.all())

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Samples of each distinct outcome, int64 [outcomes]."""
        return self.ordered["samples"].to_numpy()

    @property
    def samples(self) -> int:
        """Samples that are scored."""
        return int(self.counts.sum())

    def outcome(self, role: str, replicate: int) -> Outcome:
        """The distinct outcomes of the `target` or the `reference`."""
        frame = self.ordered
        return Outcome(
            frame["truth"].to_numpy(),
            frame[f"{role}_predicted_{replicate}"].to_numpy(),
            frame[f"{role}_correct_{replicate}"].to_numpy(),
        )

    def results(self, kind: str) -> tuple[Floats, Floats]:
        """`precision` or `recall` of target and reference, float64 [outcomes, replicates] each."""
        target, reference = (
            np.stack([getattr(self.outcome(role, r), kind) for r in range(self.replicates)], axis=1)
            for role in ("target", "reference")
        )
        return target, reference

    def values(self, measure: str) -> Floats:
        """What a measure is the mean of, float64 [outcomes, replicates]."""
        target, reference = self.results("precision" if measure == "ppg" else "recall")
        # AUCG, the area between two distribution functions on [0, 1], is the difference of means.
        return target - reference if measure == "aucg" else np.sign(target - reference)

    def mean(self, values: Floats) -> Floats:
        """Mean over samples of values [outcomes, …]; nan without samples."""
        if not self.samples:
            return np.full(values.shape[1:], np.nan)
        return (self.counts * values.T).sum(axis=-1) / self.samples

    def moments(self, kind: str, replicate: int) -> Moments:
        """Moments of `precision` or `recall`."""
        target, reference = self.results(kind)
        return Moments.of(target[:, replicate], reference[:, replicate], self.counts)


def _mean_draws(bootstrap: Bootstrap, tally: Tally, values: Floats, *names: object) -> Floats:
    """Bootstrap means over samples [replications, columns] of values [outcomes, columns]."""
    distinct, counts = _merged(values, tally.counts)
    return intervals.multinomial_means(
        distinct, counts, bootstrap.replications, bootstrap.generator(*names)
    )


def _merged(values: Floats, counts: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """The distinct rows of values [outcomes, columns], sorted, and how many samples have each.

    Rounding errors, which would tell equal fractions apart, are rounded off.
    """
    rounded = values.round(DECIMALS)
    codes = np.zeros(len(rounded), dtype=np.int64)
    for column in rounded.T:
        known, places = np.unique(column, return_inverse=True)
        codes = np.unique(codes * len(known) + places, return_inverse=True)[1]
    distinct = np.empty((codes.max(initial=-1) + 1, rounded.shape[1]))
    distinct[codes] = rounded
    return distinct, np.bincount(codes, weights=counts, minlength=0).astype(np.int64)


def population_row(tally: Tally, replicates: Sequence[int], bootstrap: Bootstrap) -> Row:
    """Scores of one set with their intervals, for one replicate or pooled over several."""
    row: Row = {"targets": tally.samples, "excluded": tally.excluded, "contaminated": 0}
    chosen = list(replicates)
    for measure in MEASURES:
        values = tally.values(measure)[:, chosen]
        row[measure] = float(tally.mean(values).mean())
        means = _mean_draws(bootstrap, tally, values, measure)
        row.update(_interval(measure, bootstrap.over_seeds(means)))
    for kind in ("precision", "recall"):
        target, reference = tally.results(kind)
        row[f"{kind}_target"] = float(tally.mean(target[:, chosen]).mean())
        row[f"{kind}_reference"] = float(tally.mean(reference[:, chosen]).mean())
    for role in ("target", "reference"):
        sizes = np.stack([tally.outcome(role, r).predicted for r in chosen], axis=1)
        row[f"predicted_{role}"] = float(tally.mean(sizes.astype(np.float64)).mean())
    if len(chosen) == 1:
        signs = tally.values("ppg")[:, chosen[0]]
        wins, losses = (int(tally.counts[signs == side].sum()) for side in (1, -1))
        row["p_value"] = intervals.binomial_p_value(wins, losses)
    return row


def difference_row(
    members: Tally, controls: Tally, replicates: Sequence[int], bootstrap: Bootstrap
) -> Row:
    """Scores of one set minus those of another: calibrated, placebo or non-member check."""
    row: Row = {}
    chosen = list(replicates)
    for measure in MEASURES:
        parts, draws = [], []
        for name, tally in (("members", members), ("controls", controls)):
            values = tally.values(measure)[:, chosen]
            parts.append(float(tally.mean(values).mean()))
            means = _mean_draws(bootstrap, tally, values, measure, name)
            draws.append(bootstrap.over_seeds(means))
        row[measure] = parts[0] - parts[1]
        row.update(_interval(measure, draws[0] - draws[1]))
    for kind in ("precision", "recall"):
        row.update(_adjusted(kind, members, controls, chosen, bootstrap))
    return row


def _adjusted(
    kind: str,
    members: Tally,
    controls: Tally,
    chosen: Sequence[int],
    bootstrap: Bootstrap,
) -> Row:
    name = f"adjusted_{kind}"
    gaps = [
        intervals.adjusted_gap(members.moments(kind, r), controls.moments(kind, r)) for r in chosen
    ]
    betas = np.array([gap[3] for gap in gaps])
    row = {name: float(np.mean([gap[0] for gap in gaps])), f"{name}_beta": float(betas.mean())}
    if len(chosen) == 1:
        row[f"{name}_low"], row[f"{name}_high"] = gaps[0][1], gaps[0][2]
        return row
    draws = []
    for group, tally in (("members", members), ("controls", controls)):
        target, reference = tally.results(kind)
        residuals = target[:, chosen] - betas * reference[:, chosen]
        draws.append(bootstrap.over_seeds(_mean_draws(bootstrap, tally, residuals, name, group)))
    row.update(_interval(name, draws[0] - draws[1]))
    return row


def _interval(name: str, draws: Floats) -> Row:
    low, high = intervals.percentile(draws)
    return {f"{name}_low": low, f"{name}_high": high}


def rows_of_test(
    tallies: Mapping[str, Tally], replicates: Mapping[str, Sequence[int]], bootstrap: Bootstrap
) -> Iterator[Row]:
    """Rows of one test under one setting, for every set and replicate.

    Args:
        tallies: by what they hold: `target`, `control`, `first_half` and `second_half` of
            control, `reference` with the models' places changed, `nonmember` with them kept;
            only `target` must be there.
        replicates: for each value of the column `replicate` the replicates it is made of.
        bootstrap: how to draw, and the names of test and setting.
    """
    sums = {name: tallies[name] for name in ("target", "control", "reference") if name in tallies}
    if "reference" in tallies:
        sums["symmetric"] = tallies["target"] + tallies["reference"]
    pairs = {
        "calibrated": ("target", "control"),
        "placebo": ("first_half", "second_half"),
        "nonmember": ("nonmember", "control"),
    }
    for replicate, chosen in replicates.items():
        for name, tally in sums.items():
            draw = bootstrap.named(replicate, name)
            row = population_row(tally, chosen, draw)
            yield {"replicate": replicate, "set": name, **row}
        for name, (first, second) in pairs.items():
            if first in tallies and second in tallies:
                draw = bootstrap.named(replicate, name)
                row = difference_row(tallies[first], tallies[second], chosen, draw)
                yield {"replicate": replicate, "set": name, **row}


def agreement_counts(first: Outcome, second: Outcome, kind: str) -> NDArray[np.int64]:
    """Samples on which both, only the first, only the second or neither is right, int64 [4].

    Right is a `precision` or `recall` of at least one half.
    """
    right = [getattr(outcome, kind) >= RIGHT for outcome in (first, second)]
    cases = 2 * ~right[0] + ~right[1]
    return np.bincount(cases, minlength=4).astype(np.int64)
