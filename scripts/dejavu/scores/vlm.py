"""Scores of the vision-language measurement (method: vision–language models).

Every score, interval and p-value follows from tallies, whose size does not depend on the number of
samples.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dejavu.scores import families, intervals
from dejavu.scores.intervals import (
    LEAST_SEEDS,
    Adjusted,
    Average,
    Centred,
    Difference,
    Estimate,
)
from dejavu.scores.recovered import Files, Outcome, Setting, pairs_of
from dejavu.scores.shift import Shifted
from dejavu.scores.tallies import (
    FEATURE_COLUMNS,
    KINDS,
    MEASURE_COLUMN,
    Asked,
    Grouped,
    Paired,
    Part,
    Tally,
    change_of,
    sized,
)

Floats = NDArray[np.float64]
Row = dict[str, Any]

RIGHT = 0.5
ROLES = ("target", "reference")
TWO_SEEDS, TOO_FEW = "two seeds", "too few samples"
# Differences of the samples of two sets.
PAIRS = {
    "calibrated": ("target", "control"),
    "placebo": ("first_half", "second_half"),
    "nonmember": ("nonmember", "control"),
}
# Sets whose rows under all settings are one family, and the score that their p-values are of.
FAMILIES = ("symmetric", "calibrated")
ADJUSTED = "adjusted_precision"


@dataclass(frozen=True)
class Term:
    """A set's mean of one column of its sums, and what it weighs in a score."""

    tally: Tally
    column: int
    weight: float = 1.0
    most: float = 1.0
    """The largest absolute value of a sample."""


def estimate_of(terms: Sequence[Term], chosen: Sequence[int], least: float) -> Estimate | None:
    """A score made of one set, of the difference of two, or of the mean of two.

    Args:
        terms: weighing 1; 1 and −1; or ½ and ½. Sets are independent.
        chosen: the replicates, pooled if there are several.
        least: the least value of a sample, −1 or 0.

    Returns:
        None where two replicates are pooled, of which no interval can be had.
    """
    means = [
        [replace(each.tally.mean(each.column, r, least), most=each.most) for each in terms]
        for r in chosen
    ]
    if len(chosen) == 1:
        [found] = means
        if len(found) == 1:
            return found[0]
        return Difference(*found) if terms[1].weight < 0 else Average(*found)
    if len(chosen) < LEAST_SEEDS:
        return None
    weights = np.array([each.weight for each in terms])
    covariance = sum(
        each.weight**2 * each.tally.covariance(each.column, chosen, least) for each in terms
    )
    values, centres = (
        np.array([[getattr(mean, what) for mean in found] for found in means]) @ weights
        for what in ("value", "centre")
    )
    most = sum(abs(each.weight) * each.most for each in terms)
    return intervals.pooled(values, centres, covariance, most)


def adjusted_of(
    kind: str, members: Tally, controls: Tally, chosen: Sequence[int]
) -> tuple[list[Adjusted], Centred | None]:
    """The adjusted gaps of replicates, and the one that they are pooled to.

    Returns:
        None in the second place where two replicates are pooled, or a set has too few samples.
    """
    if min(members.samples, controls.samples) < 2:
        return [], None
    gaps = [
        intervals.adjusted_gap(
            members.moments(kind, replicate),
            controls.moments(kind, replicate),
            controls.levels_of(kind, replicate),
        )
        for replicate in chosen
    ]
    if len(gaps) == 1:
        return gaps, gaps[0]
    if len(gaps) < LEAST_SEEDS:
        return gaps, None
    covariance = 0.0
    for side, tally in (("member_weights", members), ("control_weights", controls)):
        weights = [getattr(gap, side) for gap in gaps]
        found = [
            intervals.quadratic(
                weights[a],
                tally.shared(kind, chosen[a], chosen[b]) + intervals.pseudo_products(),
                weights[b],
            )
            for a, b in combinations(range(len(gaps)), 2)
        ]
        least = float(intervals.least_covariance(tally.samples))
        covariance += max(float(np.mean(found)), least)
    values, centres = ([float(getattr(gap, what)) for gap in gaps] for what in ("value", "centre"))
    return gaps, intervals.pooled(values, centres, covariance, most=np.inf)


def score_row(tallies: Sequence[Tally], chosen: Sequence[int], p_value: str) -> Row:
    """Scores of one set, or of two directions of which each weighs one half.

    Args:
        tallies: of the set, or of both.
        chosen: the replicates, pooled if there are several.
        p_value: by the `sign` test, where samples are independent, by the `interval`, or `no`.
    """
    row: Row = {
        "targets": sum(tally.samples for tally in tallies),
        "excluded": sum(tally.excluded for tally in tallies),
        "contaminated": sum(tally.contaminated for tally in tallies),
    }
    for measure, column in MEASURE_COLUMN.items():
        terms = [Term(tally, column, 1 / len(tallies)) for tally in tallies]
        estimate = estimate_of(terms, chosen, -1.0)
        row |= columns_of(measure, estimate, value_of(terms, chosen))
        if measure == "ppg":
            row["no_interval"] = reason(estimate, chosen)
            if p_value != "no" and estimate is not None:
                row["p_value"] = float(intervals.p_value(estimate))
    if p_value == "sign" and len(chosen) == 1 and not tallies[0].clustered:
        row["p_value"] = intervals.sign_test(*tallies[0].wins_and_losses(chosen[0]))
    for place, role in enumerate(ROLES):
        for kind in KINDS:
            column = FEATURE_COLUMNS[kind][1 + place]
            terms = [Term(tally, column, 1 / len(tallies)) for tally in tallies]
            row[f"{kind}_{role}"] = value_of(terms, chosen)
        sizes = [tally.predicted_sizes()[list(chosen), place].mean() for tally in tallies]
        row[f"predicted_{role}"] = float(np.mean(sizes))
    return row


def difference_row(
    members: Tally, controls: Tally, chosen: Sequence[int]
) -> tuple[Row, list[Adjusted], Centred | None]:
    """Scores of one set minus those of another: calibrated, placebo or non-member check.

    Returns:
        Also the adjusted gaps of precision of all replicates, and what they come to.
    """
    row: Row = {}
    for measure, column in MEASURE_COLUMN.items():
        terms = [Term(members, column), Term(controls, column, -1.0)]
        row |= columns_of(measure, estimate_of(terms, chosen, -1.0), value_of(terms, chosen))
    known = {}
    for kind in KINDS:
        name = f"adjusted_{kind}"
        gaps, found = known[kind] = adjusted_of(kind, members, controls, chosen)
        value = float(np.mean([gap.value for gap in gaps])) if gaps else np.nan
        row |= columns_of(name, found, value)
        row[f"{name}_beta"] = float(np.mean([gap.beta for gap in gaps])) if gaps else np.nan
    gaps, found = known["precision"]
    row["no_interval"] = reason(found, chosen)
    if found is not None:
        row["p_value"] = float(found.p_value())
    return row, gaps, found


def contrast_row(members: Tally, controls: Tally, chosen: Sequence[int]) -> Row:
    """The target's adjusted gap minus a null model's, on the same samples.

    Args:
        members: a tally of `contrast_target`, of which the gap is half of the difference.
        controls: one of `contrast_control`.
        chosen: the replicates.
    """
    row: Row = {}
    for kind in KINDS:
        # The p-value, and why there is no interval, are those of precision.
        row = _scaled_gap(kind, members, controls, chosen, 2) | row
    return row


def contrast_of_gaps(members: Paired, controls: Paired, chosen: Sequence[int], scale: float) -> Row:
    """A weighed sum of several models' adjusted gaps of precision, on the same samples.

    All lines are of the same reference, so that the sum is the adjusted gap of the samples' own
    sums.

    Args:
        members: of the models' sums.
        controls: likewise.
        chosen: the replicates.
        scale: how many times the gap of these tallies the sum is.
    """
    change = change_of((members, controls), 1, chosen)
    own, others = (sized(each.tally, change) for each in (members, controls))
    return _scaled_gap("precision", own, others, chosen, scale * change)


def contrast_of_sets(sets: Sequence[Paired], chosen: Sequence[int], scale: float) -> Row:
    """A weighed sum of several tests' PPG, on one set or as the mean of two directions.

    Args:
        sets: of the tests' sums, one or both.
        chosen: the replicates.
        scale: how many times the score of these tallies the sum is.
    """
    change = change_of(sets, 0, chosen)
    column, weight = MEASURE_COLUMN["ppg"], 1 / len(sets)
    terms = [Term(sized(each.tally, change), column, weight, 1 / change) for each in sets]
    estimate = estimate_of(terms, chosen, -1.0)
    row = columns_of("ppg", estimate, value_of(terms, chosen))
    return {
        **{name: scale * change * each for name, each in row.items()},
        "no_interval": reason(estimate, chosen),
        "p_value": np.nan if estimate is None else float(intervals.p_value(estimate)),
    }


def _scaled_gap(
    kind: str, members: Tally, controls: Tally, chosen: Sequence[int], scale: float
) -> Row:
    """Columns of so many times an adjusted gap of precision or recall."""
    gaps, found = adjusted_of(kind, members, controls, chosen)
    name, whole = f"adjusted_{kind}", None if found is None else found.scaled(scale)
    value, beta = (
        scale * float(np.mean([getattr(gap, what) for gap in gaps])) if gaps else np.nan
        for what in ("value", "beta")
    )
    return {
        **columns_of(name, whole, value),
        f"{name}_beta": beta,
        "no_interval": reason(whole, chosen),
        "p_value": np.nan if whole is None else float(whole.p_value()),
    }


def rows_of_null(
    tallies: Mapping[str, Mapping[Asked, Tally]],
    replicates: Mapping[str, Sequence[int]],
    target: str,
    null: str,
) -> Iterator[tuple[Asked, Row]]:
    """Rows of one null model: measured as if it were the target, and compared with it.

    Args:
        tallies: of `tallies.null_tallies`.
        replicates: for each value of the column `replicate` the replicates it is made of.
        target: the target model.
        null: the null model.
    """
    for asked in tallies["target"]:
        own, others = tallies["target"][asked], tallies["control"][asked]
        contrast = tallies["contrast_target"][asked], tallies["contrast_control"][asked]
        for replicate, chosen in replicates.items():
            facts = {"replicate": replicate, "null_model": null}
            row, *_ = difference_row(own, others, chosen)
            yield asked, {**facts, "target_model": null, "set": "null", **row}
            row = contrast_row(*contrast, chosen)
            yield asked, {**facts, "target_model": target, "set": "contrast", **row}


def shifted_columns(
    gaps: Iterable[tuple[Asked, str, Shifted, int]], replicates: Mapping[str, Sequence[int]]
) -> dict[Asked, dict[str, Row]]:
    """Columns of gaps adjusted for a shift, by setting and value of the column `replicate`.

    Args:
        gaps: of `shifted_captions.shifted_gaps`.
        replicates: for each value of the column `replicate` the replicates it is made of.
    """
    found: dict[Asked, dict[str, Row]] = {}
    for asked, kind, gap, number in gaps:
        suffix = "" if kind == "precision" else f"_{kind}"
        rows = found.setdefault(asked, {name: {} for name in replicates})
        for name, chosen in replicates.items():
            rows[name] |= {**gap.columns(suffix, chosen), "shift_components": number}
    return found


def own_row(members: Tally, controls: Tally, chosen: Sequence[int]) -> Row:
    """What a model alone does on samples that it has not learned, minus on control.

    Args:
        members: a tally in which the model stands in the reference's place.
        controls: one in which it is the target.
        chosen: the replicates.
    """
    row: Row = {}
    for kind in KINDS:
        _, own, others, *_ = FEATURE_COLUMNS[kind]
        terms = [Term(members, others), Term(controls, own, -1.0)]
        estimate = estimate_of(terms, chosen, 0.0)
        row |= columns_of(f"adjusted_{kind}", estimate, value_of(terms, chosen))
        row[f"adjusted_{kind}_beta"] = 0.0
        if kind == "precision":
            row["no_interval"] = reason(estimate, chosen)
            if estimate is not None:
                row["p_value"] = float(intervals.p_value(estimate))
    return row


def value_of(terms: Sequence[Term], chosen: Sequence[int]) -> float:
    """The mean over replicates of a score made of sets."""
    means = [each.weight * each.tally.means(each.column)[list(chosen)].mean() for each in terms]
    return float(sum(means))


def columns_of(name: str, estimate: Estimate | None, value: float) -> Row:
    """A score and the ends of its interval, which are empty where there is none."""
    low, high = (np.nan, np.nan) if estimate is None else estimate.ends()
    return {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}


def reason(estimate: Estimate | None, chosen: Sequence[int]) -> str | None:
    """Why there is no interval, None if there is one."""
    if estimate is not None and np.isfinite(estimate.ends()[0]):
        return None
    return TWO_SEEDS if 1 < len(chosen) < LEAST_SEEDS else TOO_FEW


def rows_of_test(
    parts: Mapping[str, Part],
    replicates: Mapping[str, Sequence[int]],
    kind: str,
) -> Iterator[tuple[Asked, Row]]:
    """Rows of one test, for every query, setting, replicate and set.

    Args:
        parts: by what they hold: `target`, `control`, `first_half` and `second_half` of control,
            `reference` with the models' places changed, `nonmember` with them kept; only `target`
            must be there.
        replicates: for each value of the column `replicate` the replicates it is made of.
        kind: `two_model` or `one_model`.
    """
    rows: dict[Asked, list[Row]] = {asked: [] for asked in parts["target"].tallies}
    for replicate, chosen in replicates.items():
        family: dict[str, list[Row]] = {name: [] for name in FAMILIES}
        adjusted: list[tuple[int, Row, list[Adjusted], Centred]] = []
        for place, asked in enumerate(rows):
            tallies = {name: part.tallies[asked] for name, part in parts.items()}
            for name, row, gaps, found in _rows_of_setting(tallies, chosen, kind):
                row = {"replicate": replicate, "set": name, **row}
                rows[asked].append(row)
                if name in family:
                    family[name].append(row)
                if name == "calibrated" and found is not None:
                    adjusted.append((place, row, gaps, found))
        for members in family.values():
            corrected = families.holm([row.get("p_value", np.nan) for row in members])
            for row, p_value in zip(members, corrected, strict=True):
                row["p_family"] = float(p_value)
        if adjusted:
            covariance = _joint_covariance(parts, adjusted, chosen)
            ends = families.simultaneous([found for *_, found in adjusted], covariance)
            for (_, row, _, _), (low, high) in zip(adjusted, ends, strict=True):
                row |= {"simultaneous_low": low, "simultaneous_high": high}
    for asked, several in rows.items():
        for row in several:
            yield asked, row


def _rows_of_setting(
    tallies: Mapping[str, Tally], chosen: Sequence[int], kind: str
) -> Iterator[tuple[str, Row, list[Adjusted], Centred | None]]:
    """Rows of every set under one setting, with their adjusted gaps of precision."""
    # Against a reference of another kind, wins and losses tell the strength of the two models.
    alone = "sign" if kind == "two_model" else "no"
    for name in ("target", "control", "reference"):
        if name in tallies:
            yield name, score_row([tallies[name]], chosen, alone), [], None
    if "reference" in tallies:
        both = [tallies["target"], tallies["reference"]]
        yield "symmetric", score_row(both, chosen, "interval"), [], None
    for name, (first, second) in PAIRS.items():
        if first in tallies and second in tallies:
            yield name, *difference_row(tallies[first], tallies[second], chosen)
    if "reference" in tallies and "control" in tallies:
        row = own_row(tallies["reference"], tallies["control"], chosen)
        yield "nonmember", row, [], None


def _joint_covariance(
    parts: Mapping[str, Part],
    adjusted: Sequence[tuple[int, Row, list[Adjusted], Centred]],
    chosen: Sequence[int],
) -> Floats:
    """Covariance over samples of the adjusted gaps under all settings, the replicates' sum."""
    covariance = np.zeros((len(adjusted), len(adjusted)))
    size = len(FEATURE_COLUMNS["precision"])
    for side, part in (("member_weights", parts["target"]), ("control_weights", parts["control"])):
        for order, replicate in enumerate(chosen):
            weights = np.zeros((len(adjusted), part.joint.shape[1]))
            for row, (place, _, gaps, _) in enumerate(adjusted):
                weights[row, place * size : (place + 1) * size] = getattr(gaps[order], side)
            covariance += weights @ part.joint[replicate] @ weights.T
    return covariance


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


def recalls_of(
    tally: Mapping[str, Any],
    settings: Sequence[Setting],
    files: Files,
    left_out: NDArray[np.int64],
) -> dict[Setting, list[Grouped]]:
    """Number of samples by the recall of target and of reference, first replicates.

    Args:
        tally: of `plan_vlm.comparisons`.
        settings: which are asked for.
        files: of recovered objects, as of `layout.shards_of`.
        left_out: numbers of the samples that don't count, int64.
    """
    found: dict[Setting, list[Grouped]] = {}
    for pair in pairs_of(tally, files, left_out):
        for setting in settings:
            scored = pair[0].scored(setting)
            outcomes = [side.outcome(setting).of(scored) for side in pair]
            counts = [
                Grouped.of(each.correct, each.truth, [np.ones(len(each.truth))])
                for each in outcomes
            ]
            known = found.get(setting)
            found[setting] = (
                counts if known is None else [a + b for a, b in zip(known, counts, strict=True)]
            )
    return found


def recall_rows(recalls: Sequence[Grouped]) -> Iterator[Row]:
    """Distribution functions of recall: the area between them is the AUCG.

    Args:
        recalls: numbers of samples by the recall of target and of reference.

    Yields:
        For 0, every recall that occurs and 1, ascending, the fractions of targets whose recall is
        at most that.
    """
    counts = [side.sums[:, 0] for side in recalls]
    samples = round(float(counts[0].sum()))
    if not samples:
        return
    values = np.unique(np.concatenate([[0.0, 1.0], *(side.values for side in recalls)]))
    functions = [
        np.bincount(np.searchsorted(values, side.values), count, len(values)).cumsum() / samples
        for side, count in zip(recalls, counts, strict=True)
    ]
    for recall, target, reference in zip(values, *functions, strict=True):
        yield {
            "recall": float(recall),
            "targets": samples,
            "at_most_target": float(target),
            "at_most_reference": float(reference),
        }
