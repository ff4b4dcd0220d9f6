"""Scores of the vision measurement (method: image models).

Everything starts from a comparison: for each crop whether the target and the reference, in each of
their replicates, infer the label, and how sure each is. That fits in memory at any scale, as only
the images with a background crop count.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.scores import families, intervals, weighing
from dejavu.scores.intervals import (
    LEAST_SEEDS,
    PSEUDO_SAMPLES,
    Average,
    Centred,
    Clusters,
    Difference,
    Estimate,
    Proportion,
    least_covariance,
)
from dejavu.scores.judged import CONFIDENCE_DECIMALS, Bools, Comparison, Floats, Judged
from dejavu.scores.shift import CONTROLS_EACH
from dejavu.scores.weighing import WeighedGap

Row = dict[str, Any]
# Results of a target and of a reference.
Pair = tuple[Floats, Floats]
Asked = TypeVar("Asked", bound=Hashable)

TWO_SEEDS = "two seeds"
LEAST_CROPS = 15
TOO_FEW = f"fewer than {LEAST_CROPS} crops"
NO_CROPS = "too few crops"
# Differences of the crops of two sets.
PAIRS = {"calibrated": ("A", "control"), "placebo": ("first_half", "second_half")}
# Sets whose rows are one family.
FAMILIES = ("symmetric", "calibrated")
ADJUSTED = "adjusted_accuracy"
# What of a weighed sum is the rounding of a sum of 0.
LEAST_CHANGE = 1e-9
BIN_NATS = 0.25
BEST_CLASSES = 5


def confident_count(weights: Floats, fraction: float) -> int:
    """Number of crops whose weights [n], in order, add up to at most a fraction of all.

    Of crops that weigh the same it is ⌊fraction × crops⌋, the fraction as the decimal it is
    written.
    """
    if not len(weights):
        return 0
    exact = Fraction(str(fraction))
    if np.all(weights == weights[0]):
        return int(exact * len(weights))
    reached = np.cumsum(weights) / weights.sum()
    return int(np.searchsorted(reached, float(exact) + 1e-9, side="right"))


@dataclass(frozen=True)
class Subset:
    """How a predictor fares on its own most confident crops of a set.

    Attributes:
        accuracy: weighed; nan if there are none.
        crops: their number.
        worth: their effective number.
        parts: what each crop of the set adds to the accuracy's deviation, float64 [n].
    """

    accuracy: float
    crops: int
    worth: float
    parts: Floats

    @classmethod
    def of(cls, judged: Judged, weights: Floats, fraction: float) -> "Subset":
        """The most confident crops, of weights [n] as many as make up the fraction."""
        order = judged.order[weights[judged.order] > 0]
        chosen = order[: confident_count(weights[order], fraction)]
        parts = np.zeros(len(weights))
        if not len(chosen):
            return cls(np.nan, 0, 0.0, parts)
        own = weights[chosen] / weights[chosen].sum()
        right = judged.correct[chosen].astype(np.float64)
        accuracy = float(own @ right)
        parts[chosen] = own * (right - accuracy)
        return cls(accuracy, len(chosen), weighing.effective(own), parts)

    @property
    def proportion(self) -> Proportion:
        """The accuracy with its interval."""
        return Proportion(self.accuracy, self.worth)


@dataclass(frozen=True)
class Score:
    """Déjà vu score of one replicate on weighed crops of a set, or a target's accuracy alone.

    Attributes:
        target: of a weighed sum of several scores the sum itself.
        reference: None where there is none.
        whole: the interval over all crops of a score, or of a sum of them.
    """

    target: Subset
    reference: Subset | None
    whole: Centred | None

    @classmethod
    def of(
        cls, comparison: Comparison, replicate: int, weights: Floats, fraction: float
    ) -> "Score":
        """The score over the most confident crops of either predictor."""
        target = comparison.targets[replicate]
        subset = Subset.of(target, weights, fraction)
        if not comparison.references:
            return cls(subset, None, None)
        reference = comparison.references[replicate]
        whole = None
        if fraction == 1:
            gap = target.correct.astype(np.float64) - reference.correct
            whole = weighing.weighed_mean(gap, weights)
        return cls(subset, Subset.of(reference, weights, fraction), whole)

    @property
    def value(self) -> float:
        """The score."""
        other = 0.0 if self.reference is None else self.reference.accuracy
        return self.target.accuracy - other

    @property
    def worth(self) -> float:
        """Effective number of crops."""
        others = [] if self.reference is None else [self.reference.worth]
        return min([self.target.worth, *others])

    @property
    def crops(self) -> int:
        """Number of crops."""
        others = [] if self.reference is None else [self.reference.crops]
        return min([self.target.crops, *others])

    @cached_property
    def parts(self) -> Floats:
        """What each crop of the set adds to the score's deviation, float64 [n]."""
        return self.target.parts - (0.0 if self.reference is None else self.reference.parts)

    @property
    def estimate(self) -> Estimate:
        """The score with its interval."""
        if self.whole is not None:
            return self.whole
        if self.reference is None:
            return self.target.proportion
        one, other = self.target, self.reference
        scale = np.sqrt(float((one.parts**2).sum() * (other.parts**2).sum()))
        correlation = float(one.parts @ other.parts) / scale if scale else 0.0
        return Difference(one.proportion, other.proportion, correlation)

    @property
    def centre(self) -> float:
        """The score with the two pseudo-samples of a mean."""
        total = self.worth * self.value + intervals.pseudo_total(self.least)
        return total / (self.worth + PSEUDO_SAMPLES)

    @property
    def least(self) -> float:
        """The least value that a crop can have."""
        return 0.0 if self.reference is None and self.whole is None else -1.0


def covariance(scores: Sequence[Score]) -> float:
    """Mean covariance of two replicates' scores over crops, with the pseudo-samples."""
    found = []
    for one, other in combinations(scores, 2):
        size = (one.worth + other.worth) / 2
        a, b = one.value, other.value
        # Sums of products as of samples that weigh the same.
        products = size**2 * float(one.parts @ other.parts) + size * a * b
        sums = Clusters(products, size * a, size), Clusters(products, size * b, size)
        centres = one.centre, other.centre
        whole = intervals.deviation_products(*sums, centres, one.least)
        found.append(whole / (size + PSEUDO_SAMPLES) ** 2)
    least = float(least_covariance(min(score.worth for score in scores)))
    return max(float(np.mean(found)), least)


@dataclass(frozen=True)
class Term:
    """A set's scores, one a replicate, and what they weigh."""

    scores: Sequence[Score]
    weight: float = 1.0

    @property
    def value(self) -> float:
        """Mean over the replicates, weighed."""
        return self.weight * float(np.mean([score.value for score in self.scores]))


def estimate_of(terms: Sequence[Term], most: float = 1.0) -> tuple[Estimate | None, str | None]:
    """A score made of one set, of the difference of two, or of the mean of two.

    Args:
        terms: weighing 1; 1 and −1; or ½ and ½. Sets are independent.
        most: the largest absolute value of a crop.

    Returns:
        Its interval, or None and why there is none.
    """
    scores = [score for term in terms for score in term.scores]
    replicates = len(terms[0].scores)
    if not all(score.crops for score in scores):
        return None, NO_CROPS
    if any(score.whole is None and score.reference is not None for score in scores) and any(
        score.crops < LEAST_CROPS for score in scores
    ):
        return None, TOO_FEW
    if replicates == 1:
        found = [term.scores[0].estimate for term in terms]
        if len(found) == 1:
            return found[0], None
        return (Difference(*found) if terms[1].weight < 0 else Average(*found)), None
    if replicates < LEAST_SEEDS:
        return None, TWO_SEEDS
    weights = np.array([term.weight for term in terms])
    values, centres = (
        np.array([[getattr(score, what) for score in term.scores] for term in terms]).T @ weights
        for what in ("value", "centre")
    )
    whole = sum(term.weight**2 * covariance(term.scores) for term in terms)
    return intervals.pooled(values, centres, whole, most * float(np.abs(weights).sum())), None


def scores_of(
    comparison: Comparison, chosen: Sequence[int], fraction: float, weights: Floats | None = None
) -> list[Score]:
    """`Score` of some replicates; crops weigh the same unless told."""
    weights = weighing.equal_weights(comparison.crops) if weights is None else weights
    return [Score.of(comparison, replicate, weights, fraction) for replicate in chosen]


def score_row(
    sets: Sequence[Comparison], chosen: Sequence[int], fraction: float, p_value: str
) -> Row:
    """Scores of one set of crops, or of two directions of which each weighs one half.

    Args:
        sets: the set, or both.
        chosen: the replicates, pooled if there are several.
        fraction: of the crops that count.
        p_value: by the `sign` test, over all crops, by the `interval`, or `no`.
    """
    terms = [Term(scores_of(each, chosen, fraction), 1 / len(sets)) for each in sets]
    estimate, missing = estimate_of(terms)
    row: Row = {
        "crops": sum(term.scores[0].crops for term in terms),
        **_ends("dejavu", estimate, sum(term.value for term in terms)),
        "no_interval": missing,
    }
    for role in ("target", "reference"):
        subsets = [[getattr(score, role) for score in term.scores] for term in terms]
        means = [np.mean([subset.accuracy for subset in several]) for several in subsets]
        row[f"accuracy_{role}"] = float(np.mean(means))
    is_exact = p_value == "sign" and len(chosen) == 1
    if is_exact and fraction == 1:
        [comparison], [replicate] = sets, chosen
        target, reference = (
            side[replicate].correct for side in (comparison.targets, comparison.references)
        )
        wins, losses = (target & ~reference).sum(), (reference & ~target).sum()
        row["p_value"] = intervals.sign_test(int(wins), int(losses))
    elif p_value == "interval" or (p_value == "sign" and fraction == 1):
        row["p_value"] = np.nan if estimate is None else float(intervals.p_value(estimate))
    return row


def difference_row(
    members: Comparison, controls: Comparison, chosen: Sequence[int], fraction: float
) -> tuple[Row, list[WeighedGap], Centred | None]:
    """Score of one set of crops minus that of another, whose classes weigh as the first's do.

    Returns:
        Also, over all crops, the adjusted gaps of all replicates, and what they come to.
    """
    matched, weights = weighing.class_weights(members.classes, controls.classes)
    members = members.where(matched)
    terms = [
        Term(scores_of(members, chosen, fraction)),
        Term(scores_of(controls, chosen, fraction, weights), -1.0),
    ]
    estimate, missing = estimate_of(terms)
    row: Row = {
        "crops": terms[0].scores[0].crops,
        "unmatched": int(np.count_nonzero(~matched)),
        **_ends("dejavu", estimate, sum(term.value for term in terms)),
        "no_interval": missing,
    }
    if fraction < 1 or min(members.crops, int(np.count_nonzero(weights))) < 2:
        return row, [], None
    results = [
        (_results(members, replicate), _results(controls, replicate)) for replicate in chosen
    ]
    gaps, found = _adjusted(results, controls.classes, weights)
    row |= _adjusted_columns(gaps, found)
    if members.scores is not None and controls.scores is not None:
        scores = members.scores, controls.scores
        row |= _shifted_columns(results, scores, controls.classes, weights)
    return row, gaps, found


def _shifted_columns(
    results: Sequence[tuple[Pair, Pair]],
    scores: tuple[NDArray[Any], NDArray[Any]],
    classes: NDArray[np.int64],
    weights: Floats,
) -> Row:
    """Columns of the gap adjusted for a shift, by components for which control has crops enough."""
    spare = int(np.count_nonzero(weights)) - len(np.unique(classes[weights > 0]))
    number = min(scores[0].shape[1], max(spare, 0) // CONTROLS_EACH)
    found = []
    for sides in results:
        members, controls = (
            (t, np.column_stack([g, of_set[:, :number]]))
            for (t, g), of_set in zip(sides, scores, strict=True)
        )
        found.append(weighing.shifted_gap(members, controls, classes, weights))
    gaps = [gap for gap, _ in found]
    whole = _pooled_gap(gaps, [len(scores[0]), weighing.effective(weights)])
    return {
        **_ends("adjusted_shift", whole, float(np.mean([gap.value for gap in gaps]))),
        "bias_bound": float(np.mean([bound for _, bound in found])),
        "shift_components": number,
    }


def _adjusted(
    results: Sequence[tuple[Pair, Pair]], classes: NDArray[np.int64], weights: Floats
) -> tuple[list[WeighedGap], Centred | None]:
    """The adjusted gaps of replicates, from t and g of members and of controls; the pooled one."""
    gaps = [weighing.adjusted_gap(*sides, classes, weights) for sides in results]
    return gaps, _pooled_gap(gaps, [len(results[0][0][0]), weighing.effective(weights)])


def _adjusted_columns(gaps: Sequence[WeighedGap], found: Centred | None, scale: float = 1) -> Row:
    """Columns of an adjusted gap; `found` is what `gaps` come to, so many times."""
    return {
        **_ends(ADJUSTED, found, scale * float(np.mean([gap.value for gap in gaps]))),
        f"{ADJUSTED}_beta": scale * float(np.mean([gap.beta for gap in gaps])),
        "p_value": np.nan if found is None else float(found.p_value()),
    }


def contrast_row(
    points: Sequence[tuple[Comparison, Comparison]],
    weights: Sequence[float],
    chosen: Sequence[int],
    change: float = 1.0,
) -> Row:
    """A weighed sum of several targets' adjusted gaps on the same crops: one's minus another's.

    All lines are of the same reference, so that the sum is the adjusted gap of the crops' own sums;
    these are divided by Σ |w|, so that they lie within 1.

    Args:
        points: each target on members and on controls; the first with its references.
        weights: w of the targets, which add up to 0.
        chosen: the replicates.
        change: by which the sums are divided, too, so that pseudo-samples are as large.
    """
    members, controls = points[0]
    matched, shares = weighing.class_weights(members.classes, controls.classes)
    row: Row = {
        "crops": int(np.count_nonzero(matched)),
        "unmatched": int(np.count_nonzero(~matched)),
        "no_interval": NO_CROPS,
    }
    if min(row["crops"], int(np.count_nonzero(shares))) < 2:
        return row
    scale = change * sum(map(abs, weights))

    def results(replicate: int) -> tuple[Pair, Pair]:
        sides = []
        for of_set in zip(*points, strict=True):
            _, g = _results(of_set[0], replicate)
            sides.append((0.5 + _sums(of_set, weights, replicate) / scale, g))
        (t, g), control = sides
        return (t[matched], g[matched]), control

    gaps, found = _adjusted([results(each) for each in chosen], controls.classes, shares)
    row["no_interval"] = TWO_SEEDS if found is None else None
    return row | _adjusted_columns(gaps, None if found is None else found.scaled(scale), scale)


def contrast_of_gaps(
    points: Sequence[tuple[Comparison, Comparison]], weights: Sequence[float], chosen: Sequence[int]
) -> Row:
    """The same with pseudo-samples as large as changes are."""
    sums = [_sums(of_set, weights, each) for of_set in zip(*points, strict=True) for each in chosen]
    # Results lie within 1 of each other, and gaps within 2.
    change = _change_of(sums, sum(map(abs, weights)) / 2)
    return contrast_row(points, weights, chosen, change)


def contrast_of_sets(
    sets: Sequence[Sequence[Comparison]], weights: Sequence[float], chosen: Sequence[int]
) -> Row:
    """A weighed sum of several tests' déjà vu scores, of one set or as the mean of two directions.

    Args:
        sets: for each set the tests' comparisons, on the same crops.
        weights: w of the tests, which add up to 0.
        chosen: the replicates.
    """
    sums = [[_sums(points, weights, each, gaps=True) for each in chosen] for points in sets]
    most = sum(map(abs, weights))
    change = _change_of([each for several in sums for each in several], most)
    scale = change * most
    terms = [
        Term([_mean_score(each / scale, 1 / change) for each in several], 1 / len(sets))
        for several in sums
    ]
    estimate, missing = estimate_of(terms, 1 / change)
    found = _ends("dejavu", estimate, sum(term.value for term in terms))
    return {
        "crops": sum(term.scores[0].crops for term in terms),
        **{name: scale * each for name, each in found.items()},
        "no_interval": missing,
        "p_value": np.nan if estimate is None else float(intervals.p_value(estimate)),
    }


def _sums(
    points: Sequence[Comparison], weights: Sequence[float], replicate: int, gaps: bool = False
) -> Floats:
    """Each crop's weighed sum of the targets' results, or of their gaps to their references."""
    results = [each.targets[replicate].correct.astype(np.float64) for each in points]
    if gaps:
        results = [np.subtract(*_results(each, replicate)) for each in points]
    return np.asarray(weights, dtype=np.float64) @ np.asarray(results)


def _change_of(sums: Sequence[Floats], most: float) -> float:
    """Root mean square of what changes, as a part of the most that can; 1 where nothing does."""
    changes = np.concatenate(sums) / most
    changes = changes[np.abs(changes) > LEAST_CHANGE]
    return float(np.sqrt(np.mean(changes**2))) if len(changes) else 1.0


def _mean_score(values: Floats, most: float) -> Score:
    """The mean of crops' values as a score."""
    crops = len(values)
    mean = float(values.mean()) if crops else np.nan
    subset = Subset(mean, crops, float(crops), (values - mean) / max(crops, 1))
    whole = weighing.weighed_mean(values, weighing.equal_weights(crops))
    return Score(subset, None, replace(whole, most=most))


def rows_of_null(
    comparisons: Mapping[str, Comparison], replicates: Mapping[str, Sequence[int]]
) -> Iterator[Row]:
    """Rows of a null model on all crops: measured as a target, or compared with one.

    Args:
        comparisons: `A` and `control`; where a target is compared, of it, and of the null model
            `null_A` and `null_control`.
        replicates: for each value of the column `replicate` the replicates that it is made of.
    """
    own = comparisons["A"], comparisons["control"]
    for replicate, chosen in replicates.items():
        facts = {"replicate": replicate, "confident": 1.0}
        if "null_A" in comparisons:
            nulls = comparisons["null_A"], comparisons["null_control"]
            row = contrast_row((own, nulls), (1, -1), chosen)
            yield {**facts, "set": "contrast", **row}
        else:
            row, *_ = difference_row(*own, chosen, 1)
            yield {**facts, "set": "null", **row}


def own_row(members: Comparison, controls: Comparison, chosen: Sequence[int]) -> Row:
    """A target's own accuracy on crops that it has not learned, minus on control."""
    matched, weights = weighing.class_weights(members.classes, controls.classes)
    members = members.where(matched)
    alone = Comparison(controls.targets, (), controls.classes)
    terms = [
        Term(scores_of(members, chosen, 1.0)),
        Term(scores_of(alone, chosen, 1.0, weights), -1.0),
    ]
    estimate, missing = estimate_of(terms)
    return {
        "crops": terms[0].scores[0].crops,
        "unmatched": int(np.count_nonzero(~matched)),
        **_ends(ADJUSTED, estimate, sum(term.value for term in terms)),
        f"{ADJUSTED}_beta": 0.0,
        "p_value": np.nan if estimate is None else float(intervals.p_value(estimate)),
        "no_interval": missing,
    }


def _results(comparison: Comparison, replicate: int) -> Pair:
    sides = comparison.targets, comparison.references
    target, reference = (side[replicate].correct.astype(np.float64) for side in sides)
    return target, reference


def _pooled_gap(gaps: Sequence[WeighedGap], sizes: Sequence[float]) -> Centred | None:
    """What the adjusted gaps of replicates come to; None for two of them."""
    if len(gaps) == 1:
        return gaps[0]
    if len(gaps) < LEAST_SEEDS:
        return None
    whole = 0.0
    for side, size in zip(("member_parts", "control_parts"), sizes, strict=True):
        parts = [getattr(gap, side) for gap in gaps]
        found = [float(one @ other) for one, other in combinations(parts, 2)]
        whole += max(float(np.mean(found)), float(least_covariance(size)))
    values, centres = ([getattr(gap, what) for gap in gaps] for what in ("value", "centre"))
    return intervals.pooled(values, centres, whole, most=np.inf)


def rows_of_target(
    pairs: Mapping[Asked, Mapping[str, Comparison]],
    replicates: Mapping[Asked, Mapping[str, Sequence[int]]],
    fractions: Sequence[float],
    test: str,
) -> Iterator[tuple[Asked, Row]]:
    """Rows of one target model in one kind of test, for every reference, replicate and set.

    Args:
        pairs: by reference, and whatever else is asked of it, the comparisons by what they hold:
            `A`, and as far as they exist `B` (two-model tests: on B's crops, B's model as target),
            `control`, `first_half` and `second_half` of control, `nonmember` (the target alone, on
            B's crops).
        replicates: likewise, for each value of the column `replicate` the replicates that it
            is made of.
        fractions: the confident fractions; 1 is all crops.
        test: `two_model` or `one_model`.
    """
    rows: list[tuple[Asked, Row]] = []
    gaps: dict[str, list[tuple[Row, list[WeighedGap], Centred]]] = {}
    for asked, comparisons in pairs.items():
        for replicate, chosen in replicates[asked].items():
            for fraction in fractions:
                facts = {"replicate": replicate, "confident": fraction}
                for name, row, several, found in _rows_of_sets(comparisons, chosen, fraction, test):
                    row = {**facts, "set": name, **row}
                    rows.append((asked, row))
                    if name == "calibrated" and found is not None:
                        gaps.setdefault(replicate, []).append((row, several, found))
    for name in FAMILIES:
        of_set = [row for _, row in rows if row["set"] == name]
        for replicate in dict.fromkeys(row["replicate"] for row in of_set):
            family = [row for row in of_set if row["replicate"] == replicate]
            corrected = families.holm([row.get("p_value", np.nan) for row in family])
            for row, p_value in zip(family, corrected, strict=True):
                row["p_family"] = float(p_value)
    for adjusted in gaps.values():
        ends = families.simultaneous([found for *_, found in adjusted], _joint(adjusted))
        for (row, *_), (low, high) in zip(adjusted, ends, strict=True):
            row |= {"simultaneous_low": low, "simultaneous_high": high}
    yield from rows


def _joint(adjusted: Sequence[tuple[Row, list[WeighedGap], Centred]]) -> Floats:
    """Covariance over crops of the adjusted gaps against all references, the replicates' sum."""
    whole = np.zeros((len(adjusted), len(adjusted)))
    for side in ("member_parts", "control_parts"):
        for several in zip(*(gaps for _, gaps, _ in adjusted), strict=True):
            parts = np.stack([getattr(gap, side) for gap in several])
            whole += parts @ parts.T
    return whole


def _rows_of_sets(
    comparisons: Mapping[str, Comparison], chosen: Sequence[int], fraction: float, test: str
) -> Iterator[tuple[str, Row, list[WeighedGap], Centred | None]]:
    """Rows of every set, with the adjusted gaps of differences."""
    # Against a reference of another kind, wins and losses tell the strength of the two.
    alone = "sign" if test == "two_model" else "no"
    for name, held in (("target", "A"), ("reference", "B"), ("control", "control")):
        if held in comparisons:
            yield name, score_row([comparisons[held]], chosen, fraction, alone), [], None
        if name == "reference" and held in comparisons:
            both = [comparisons["A"], comparisons["B"]]
            yield "symmetric", score_row(both, chosen, fraction, "interval"), [], None
    for name, (first, second) in PAIRS.items():
        if first in comparisons and second in comparisons:
            sides = comparisons[first], comparisons[second]
            yield name, *difference_row(*sides, chosen, fraction)
    if fraction == 1 and "nonmember" in comparisons and "control" in comparisons:
        row = own_row(comparisons["nonmember"], comparisons["control"], chosen)
        yield "nonmember", row, [], None


def quadrants(sets: Sequence[tuple[Comparison, Comparison | None]], chosen: Sequence[int]) -> Row:
    """Fractions of crops by who infers the label, mean over the replicates; nan without crops.

    Args:
        sets: one set of crops, or two directions of which each weighs one half; and control under
            the same models, if there is one.
        chosen: the replicates.

    Returns:
        Also `expected_false`: how many crops would be `memorized` as control's crops are, of the
        same classes; nan without control.
    """
    crops = [comparison.crops for comparison, _ in sets]
    fractions = [_fractions(comparison, chosen) for comparison, _ in sets]
    row = {name: float(np.mean([each[name] for each in fractions])) for name in fractions[0]}
    shares = [_control_share(*each, chosen) for each in sets]
    return {"crops": sum(crops), **row, "expected_false": sum(crops) * float(np.mean(shares))}


def _fractions(comparison: Comparison, chosen: Sequence[int]) -> dict[str, float]:
    target = comparison.target_correct[:, list(chosen)]
    reference = comparison.reference_correct[:, list(chosen)]
    cases = {
        "memorized": target & ~reference,
        "correlated": target & reference,
        "misrepresented": ~target & reference,
        "unassociated": ~target & ~reference,
    }
    return {name: float(case.mean()) if case.size else np.nan for name, case in cases.items()}


def _control_share(members: Comparison, control: Comparison | None, chosen: Sequence[int]) -> float:
    """Fraction of control that looks memorized, with the members' shares of classes."""
    if control is None:
        return np.nan
    _, weights = weighing.class_weights(members.classes, control.classes)
    if not weights.any():
        return np.nan
    wins = control.target_correct & ~control.reference_correct
    return float((weights @ wins[:, list(chosen)]).mean())


def expected_false(confidence: Floats, members: Comparison, control: Comparison | None) -> Floats:
    """How many of the first memorized crops control would have given, float64 [n].

    Args:
        confidence: memorization confidence of the memorized crops, the highest first.
        members: all crops of the set, of whose first replicate they are.
        control: under the same models; without it all is nan.

    Returns:
        For each crop the number of control's crops with at least its confidence, of the members'
        classes and for as many crops as the members are.
    """
    if control is None:
        return np.full(len(confidence), np.nan)
    others, crops = given_by_control(members, control)
    reached = np.concatenate([[0.0], np.cumsum(crops)])
    rounded = np.round(others, CONFIDENCE_DECIMALS)
    places = np.searchsorted(-rounded, -np.round(confidence, CONFIDENCE_DECIMALS), side="right")
    return reached[places]


def given_by_control(members: Comparison, control: Comparison) -> tuple[Floats, Floats]:
    """What would look memorized among members as control does, the highest confidence first.

    Returns:
        Memorization confidence of control's crops that look memorized, float64 [n], and for how
        many of the members' crops each stands, float64 [n]; none of a class without members.
    """
    _, weights = weighing.class_weights(members.classes, control.classes)
    positions, confidence = memorized(control.targets[0], control.references[0])
    crops = members.crops * weights[positions]
    return confidence[crops > 0], crops[crops > 0]


def agreement(first: Bools, second: Bools) -> float:
    """Fraction of crops on which both references are right or both wrong; nan without crops."""
    return float((first == second).mean()) if len(first) else np.nan


def correlation_row(top1: Bools, top5: Bools, inside: Bools, optimum: Floats | None = None) -> Row:
    """Dataset-level correlation accuracy of a reference, the mean over its replicates.

    Args:
        top1: whether the label was predicted, bool [crops, replicates].
        top5: whether it was among the five best, bool [crops, replicates].
        inside: which crops count, bool [crops, replicates].
        optimum: of each crop the largest posterior that the world knows, float64 [crops].

    Returns:
        `crops` is their mean number, where the replicates' crops differ.
    """
    counts = inside.sum(axis=0)
    row: Row = {"crops": round(float(counts.mean()))}
    for name, correct in (("accuracy_top1", top1), ("accuracy_top5", top5)):
        scores = [
            Score(_accuracy(of_seed, counted), None, None)
            for of_seed, counted in zip(correct.T, inside.T, strict=True)
        ]
        term = Term(scores)
        estimate, row["no_interval"] = estimate_of([term])
        row |= _ends(name, estimate, term.value)
    if optimum is not None:
        row["optimum"] = float(_ratio(optimum @ inside, counts).mean())
    return row


def _accuracy(correct: Bools, inside: Bools) -> Subset:
    """Accuracy on the crops inside."""
    count = int(np.count_nonzero(inside))
    if not count:
        return Subset(np.nan, 0, 0.0, np.zeros(len(inside)))
    accuracy = float(correct[inside].mean())
    return Subset(accuracy, count, float(count), inside * (correct - accuracy) / count)


def best_classes(correct: Bools, labels: Sequence[str]) -> list[Row]:
    """The five classes that a reference predicts best; ties by label.

    Args:
        correct: whether the label was predicted, bool [crops].
        labels: true label of each crop.
    """
    classes = (
        pl.DataFrame({"label": labels, "correct": correct})
        .group_by("label")
        .agg(crops=pl.len(), percent=100 * pl.col("correct").mean())
        .sort("percent", "label", descending=[True, False])
        .head(BEST_CLASSES)
    )
    return classes.with_row_index("rank", offset=1).to_dicts()


def memorized(target: Judged, reference: Judged) -> tuple[NDArray[np.int64], Floats]:
    """Find the memorized crops, the highest memorization confidence first, ties by sample.

    Memorization confidence is entropy(reference) − entropy(target).

    Returns:
        Positions of the crops, int64, and their memorization confidence, float64.
    """
    positions = np.flatnonzero(target.correct & ~reference.correct)
    confidence = (reference.entropy - target.entropy)[positions]
    rounded = np.round(confidence, CONFIDENCE_DECIMALS)
    order = np.lexsort((target.samples[positions], -rounded))
    return positions[order], confidence[order]


def confidence_bins(confidence: Floats, control: tuple[Floats, Floats] | None = None) -> list[Row]:
    """Histogram of memorization confidence, nats: `low`, `high` and `crops` of every bin.

    Bins are a quarter of a nat wide, start at whole quarters and follow each other without a gap.

    Args:
        confidence: of memorized crops, float64 [n].
        control: of `given_by_control`: `expected_false` has how many crops of every bin control
            would have given; nan without it.
    """
    others, crops = (np.empty(0), np.empty(0)) if control is None else control
    own, false = (
        np.floor(np.round(each / BIN_NATS, CONFIDENCE_DECIMALS)).astype(np.int64)
        for each in (confidence, others)
    )
    places = np.concatenate([own, false])
    if not len(places):
        return []
    first, bins = int(places.min()), int(np.ptp(places)) + 1
    counts = np.bincount(own - first, minlength=bins)
    expected = np.bincount(false - first, weights=crops, minlength=bins)
    if control is None:
        expected = np.full(bins, np.nan)
    return [
        {
            "low": (first + n) * BIN_NATS,
            "high": (first + n + 1) * BIN_NATS,
            "crops": int(counts[n]),
            "expected_false": float(expected[n]),
        }
        for n in range(bins)
    ]


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Divide, nan by zero."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def _ends(name: str, estimate: Estimate | None, value: float) -> Row:
    """A score and the ends of its interval, which are empty where there is none."""
    low, high = (np.nan, np.nan) if estimate is None else estimate.ends()
    return {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}
