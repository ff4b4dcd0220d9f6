"""Scores of the vision-language measurement (method: §2 and §3).

Everything starts from a tally: how many samples have the same outcome. Tallies of shards add up,
and every score and interval follows from them, so that memory depends on the number of distinct
outcomes and not on the number of samples.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dejavu.scores import intervals
from dejavu.scores.intervals import Bootstrap, Moments
from dejavu.scores.recovered import Files, Outcome, Setting, pairs_of, shards_of

Floats = NDArray[np.float64]
Row = dict[str, Any]

MEASURES = ("ppg", "prg", "aucg")
DECIMALS = 12
RIGHT = 0.5
SUMS = (
    *("predicted_target", "predicted_reference", "precision_target", "precision_reference"),
    *("precision_target_squared", "precision_reference_squared", "precision_product"),
)
# Numbers that int64 tells apart, with room to spare.
MOST_CODES = 2**62


@dataclass(frozen=True)
class Tally:
    """Counts of samples by outcome, for one or more replicates of target and reference.

    With one replicate an outcome is told by the recalls and by whose precision is higher, so that
    there are few, whatever the number of samples; precisions are known by their sums. With several,
    pooled intervals need every sample's precisions together: an outcome then tells all counts.

    Attributes:
        outcomes: int64 [outcomes, columns], sorted and distinct: true objects, and for each
            replicate the correct objects of target and reference and the sign of the difference of
            their precisions; with several replicates also the predicted objects of both.
        counts: samples of each outcome, int64 [outcomes].
        sums: over the samples of each outcome of what `SUMS` names, float64 [outcomes, replicates,
            sums].
        excluded: number of samples without truth, which are in no outcome.
        contaminated: number of samples with near-duplicates that are left out, in no outcome.
    """

    outcomes: NDArray[np.int64]
    counts: NDArray[np.int64]
    sums: Floats
    excluded: int
    contaminated: int = 0

    @classmethod
    def of(
        cls,
        targets: Sequence[Outcome],
        references: Sequence[Outcome],
        chosen: NDArray[np.bool_] | None = None,
        contaminated: int = 0,
    ) -> "Tally":
        """Tally a shard: one outcome a replicate for the target and for the reference.

        Only samples in the mask `chosen` count, where there is one. `contaminated` samples have
        been left out of the outcomes.
        """
        scored = targets[0].truth > 0
        excluded = ~scored if chosen is None else ~scored & chosen
        scored = scored if chosen is None else scored & chosen
        columns = [targets[0].truth[scored]]
        sums = []
        for target, reference in zip(targets, references, strict=True):
            t, r = target.of(scored), reference.of(scored)
            columns += [t.correct, r.correct, np.sign(t.precision - r.precision).astype(np.int8)]
            if len(targets) > 1:
                columns += [t.predicted, r.predicted]
            products = (t.precision**2, r.precision**2, t.precision * r.precision)
            sums.append((t.predicted, r.predicted, t.precision, r.precision, *products))
        outcomes, rows = distinct_rows(columns)
        counts = np.bincount(rows, minlength=len(outcomes))
        return cls(
            outcomes, counts, _summed(rows, len(outcomes), sums), int(excluded.sum()), contaminated
        )

    def __add__(self, other: "Tally") -> "Tally":
        outcomes, rows = distinct_rows(list(np.concatenate([self.outcomes, other.outcomes]).T))
        counts = np.zeros(len(outcomes), dtype=np.int64)
        sums = np.zeros((len(outcomes), self.replicates, len(SUMS)))
        for tally, places in ((self, rows[: len(self.counts)]), (other, rows[len(self.counts) :])):
            # No outcome is twice in a tally.
            counts[places] += tally.counts
            sums[places] += tally.sums
        excluded = self.excluded + other.excluded
        contaminated = self.contaminated + other.contaminated
        return Tally(outcomes, counts, sums, excluded, contaminated)

    @property
    def replicates(self) -> int:
        """How many replicates there are."""
        return self.sums.shape[1]

    @property
    def samples(self) -> int:
        """Samples that are scored."""
        return int(self.counts.sum())

    def _columns(self, place: int) -> NDArray[np.int64]:
        """A column of the outcomes for all replicates, [outcomes, replicates]."""
        step = (self.outcomes.shape[1] - 1) // self.replicates
        return self.outcomes[:, 1 + place :: step]

    def means(self, name: str) -> Floats:
        """Mean of one of `SUMS` over each outcome's samples, float64 [outcomes, replicates]."""
        return self.sums[:, :, SUMS.index(name)] / self.counts[:, None]

    def results(self, kind: str) -> tuple[Floats, Floats]:
        """`precision` or `recall` of target and reference, float64 [outcomes, replicates] each.

        Recalls are those of every sample, precisions the means over an outcome's samples.
        """
        if kind == "precision":
            return self.means("precision_target"), self.means("precision_reference")
        truth = self.outcomes[:, :1]
        return self._columns(0) / truth, self._columns(1) / truth

    def values(self, measure: str) -> Floats:
        """What a measure is the mean of, float64 [outcomes, replicates]."""
        if measure == "ppg":
            return self._columns(2).astype(np.float64)
        gap = self._columns(0) - self._columns(1)
        # AUCG, the area between two distribution functions on [0, 1], is the difference of means.
        return gap / self.outcomes[:, :1] if measure == "aucg" else np.sign(gap).astype(np.float64)

    def mean(self, values: Floats) -> Floats:
        """Mean over samples of values [outcomes, …]; nan without samples."""
        if not self.samples:
            return np.full(values.shape[1:], np.nan)
        return (self.counts * values.T).sum(axis=-1) / self.samples

    def moments(self, kind: str, replicate: int) -> Moments:
        """Moments of `precision` or `recall`."""
        if kind == "recall":
            target, reference = self.results(kind)
            return Moments.of(target[:, replicate], reference[:, replicate], self.counts)
        return Moments(self.samples, *self.sums[:, replicate, 2:].sum(axis=0).tolist())


def distinct_rows(
    columns: Sequence[NDArray[np.integer]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct rows of columns [n] of small integers, sorted, and the place of each of n in them.

    The columns are the digits of one number, which is far faster to sort than rows.
    """
    codes, size = np.zeros(len(columns[0]), dtype=np.int64), 1
    for column in columns:
        low = int(column.min(initial=0))
        span = int(column.max(initial=0)) - low + 1
        if size * span >= MOST_CODES:
            known, codes = np.unique(codes, return_inverse=True)
            size = len(known)
        codes = codes * span + (column - low)
        size *= span
    _, first, places = np.unique(codes, return_index=True, return_inverse=True)
    return np.stack([column[first].astype(np.int64) for column in columns], axis=1), places


def _summed(
    rows: NDArray[np.int64], outcomes: int, sums: Sequence[Sequence[NDArray[Any]]]
) -> Floats:
    """Sums over each outcome's samples of columns [n], by replicate: [outcomes, replicates, …]."""
    found = [
        [np.bincount(rows, weights=column, minlength=outcomes) for column in columns]
        for columns in sums
    ]
    return np.moveaxis(np.array(found), -1, 0)


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


def tallies_of(
    parts: Mapping[str, Mapping[str, Any]],
    settings: Sequence[Setting],
    files: Files,
    left_out: NDArray[np.int64],
) -> dict[Setting, dict[str, Tally]]:
    """Tally the parts of a comparison under every setting, shard by shard.

    Args:
        parts: `tallies` of `plan_vlm.comparisons`; of `first_half` and `second_half` the samples
            of that half of control count.
        settings: which are asked for.
        files: of recovered objects, as of `layout.shards_of`.
        left_out: numbers of the samples that don't count, int64.
    """
    tallies: dict[Setting, dict[str, Tally]] = {each: {} for each in settings}
    for name, part in parts.items():
        for targets, references in shards_of(part, files, left_out):
            chosen = None
            if name in ("first_half", "second_half"):
                chosen = targets[0].first_half == (name == "first_half")
            for setting in settings:
                tally = Tally.of(
                    [target.outcome(setting) for target in targets],
                    [reference.outcome(setting) for reference in references],
                    chosen,
                    targets[0].left_out,
                )
                known = tallies[setting]
                known[name] = known[name] + tally if name in known else tally
            # Nothing of this shard must stay in memory when the next is read.
            del targets, references
    return tallies


def population_row(tally: Tally, replicates: Sequence[int], bootstrap: Bootstrap) -> Row:
    """Scores of one set with their intervals, for one replicate or pooled over several."""
    row: Row = {
        "targets": tally.samples,
        "excluded": tally.excluded,
        "contaminated": tally.contaminated,
    }
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
        sizes = tally.means(f"predicted_{role}")[:, chosen]
        row[f"predicted_{role}"] = float(tally.mean(sizes).mean())
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


def agreements_of(
    pair: Mapping[str, Any],
    settings: Sequence[Setting],
    files: Files,
    left_out: NDArray[np.int64],
) -> dict[tuple[Setting, str], NDArray[np.int64]]:
    """`agreement_counts` of two references on target, by setting and `precision` or `recall`.

    Args:
        pair: of `plan_vlm.references_to_agree`.
        settings: which are asked for.
        files: of recovered objects, as of `layout.shards_of`.
        left_out: numbers of the samples that don't count, int64.
    """
    one, other = (
        {"models": [pair[role]["model"]], "query": pair[role]["query"]}
        for role in ("first", "second")
    )
    tally = {"set": "target", "target": one, "reference": other}
    kinds = ("precision", "recall")
    counts = {(each, kind): np.zeros(4, np.int64) for each in settings for kind in kinds}
    for first, second in pairs_of(tally, files, left_out):
        for setting in settings:
            scored = first.scored(setting)
            outcomes = first.outcome(setting).of(scored), second.outcome(setting).of(scored)
            for kind in kinds:
                counts[setting, kind] += agreement_counts(*outcomes, kind)
    return counts


def recall_rows(tally: Tally) -> Iterator[Row]:
    """Distribution functions of recall of the first replicate: the area between them is the AUCG.

    Yields for 0, every recall that occurs and 1, ascending, the fractions of targets whose recall
    is at most that.
    """
    sides = [recalls[:, 0] for recalls in tally.results("recall")]
    values = np.unique(np.concatenate([[0.0, 1.0], *sides]))
    if not tally.samples:
        return
    functions = [
        np.bincount(np.searchsorted(values, side), tally.counts, len(values)).cumsum()
        / tally.samples
        for side in sides
    ]
    for recall, target, reference in zip(values, *functions, strict=True):
        yield {
            "recall": float(recall),
            "targets": tally.samples,
            "at_most_target": float(target),
            "at_most_reference": float(reference),
        }
