"""The verdict: what each test's primary score and its checks say, in one of seven kinds (method).

One score a test is declared before: of two-model tests the symmetric score, of one-model tests the
gap adjusted for the reference. Checks look for what is not memory and would move that score. A
check that fails undoes it, one that is too weak or missing makes it weaker, and none makes it
stronger.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

Row = Mapping[str, Any]

PAIR = ("test", "target_model", "reference_model")
# Of {domain}_checks.csv.
COLUMNS = {
    **dict.fromkeys((*PAIR, "check", "score"), pl.String),
    **dict.fromkeys(("value", "value_low", "value_high", "bound"), pl.Float64),
    **dict.fromkeys(("outcome", "sentence"), pl.String),
}

MEMORIZES = "memorizes"
WEAKLY_CHECKED = "memorizes, checks too weak"
NOT_CLEAR = "not clear"
BELOW = "below 0: not memory"
NOT_SHOWN = "not shown"
UNDERPOWERED = "underpowered"
NOT_MEASURABLE = "not measurable"
KINDS = (
    MEMORIZES,
    WEAKLY_CHECKED,
    NOT_CLEAR,
    BELOW,
    NOT_SHOWN,
    UNDERPOWERED,
    NOT_MEASURABLE,
)

HOLDS, TOO_WEAK, FAILS, MISSING = "holds", "too weak", "fails", "missing"
# Of the score itself: it may be what a shift has made of it.
WITHIN = "within the bound"
# Names of the rows of a checks table that are no checks.
VERDICT, BESIDE = "verdict", "beside"
# How the names of the blind baseline's checks begin.
BLIND = "blind baseline"

LEVEL_OF_FAILURE = 0.01
# From the ends of a 95 % interval to those of a 99 % one, as for a normal distribution.
WIDER = 2.5758 / 1.9600
# A blind AUC has a scale of its own: its interval must lie within this of 0.5.
BLIND_BOUND = 0.05
# From here on control is too unlike for a regression within it to reach the members.
BLIND_MOST = 0.75


@dataclass(frozen=True)
class Score:
    """A score with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, row: Row | None, name: str) -> "Score | None":
        """The score of a row; None where the row or its score is missing."""
        if row is None or any(row.get(f"{name}{end}") is None for end in ("", "_low", "_high")):
            return None
        return cls(*(float(row[f"{name}{end}"]) for end in ("", "_low", "_high")))

    def __str__(self) -> str:
        """With its interval, in words."""
        low, high = number(self.low), number(self.high)
        return f"{number(self.value)}, 95 % interval {low} to {high}"

    def excludes(self, truth: float) -> bool:
        """Whether a value lies outside the interval, widened to 99 %."""
        low = self.value - (self.value - self.low) * WIDER
        high = self.value + (self.high - self.value) * WIDER
        return not low <= truth <= high


@dataclass(frozen=True)
class Check:
    """One thing that must be so for a score to mean memory."""

    name: str
    outcome: str
    sentence: str
    score: Score | None = None
    bound: float | None = None


@dataclass(frozen=True)
class Primary:
    """The one score that a test is judged by.

    Args:
        name: in words.
        score: with its interval; None where there are too few samples.
        samples: how many of each set it rests on.
        smallest: the least score that matters (`smallest` of the config).
        gain: what the score means, in words that the score's number completes.
    """

    name: str
    score: Score | None
    samples: int
    smallest: float
    gain: str


@dataclass(frozen=True)
class Verdict:
    """What one test says of one target model."""

    test: str
    target: str
    reference: str
    kind: str
    sentence: str
    primary: Primary
    checks: Sequence[Check] = ()
    beside: Sequence[tuple[str, Score | None]] = ()


def number(value: float) -> str:
    """A number with three decimals and a true minus sign."""
    return f"{value:.3f}".replace("-", "−")


def points(value: float) -> str:
    """A difference of fractions."""
    return f"{100 * value:.1f} percentage points".replace("-", "−")


def row_of(rows: Iterable[Row], **wanted: Any) -> Row | None:
    """The row with some values; None where there is none.

    That is the row pooled over replicates, if it has an interval, or else the first replicate's.
    """
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    pooled = [row for row in found if row["replicate"] == "pooled" and not row.get("no_interval")]
    return next(iter(pooled or found), None)


def kind_of(score: Score | None, outcomes: Iterable[str], smallest: float) -> str:
    """The one kind that a primary score and the outcomes of its checks allow.

    A failing or missing check never gives a stronger kind than the same score without it.
    """
    outcomes = set(outcomes)
    if score is None or FAILS in outcomes:
        return NOT_MEASURABLE
    if score.high < 0:
        return BELOW
    if score.low <= 0:
        return NOT_SHOWN if score.high <= smallest else UNDERPOWERED
    if MISSING in outcomes or WITHIN in outcomes:
        return NOT_CLEAR
    return WEAKLY_CHECKED if TOO_WEAK in outcomes else MEMORIZES


def samples_needed(primary: Primary) -> int:
    """Samples of each set with which an interval around 0 would end at `smallest`.

    The width of an interval falls with the root of the number of samples.
    """
    assert primary.score is not None
    half = (primary.score.high - primary.score.low) / 2
    needed = primary.samples * (half / primary.smallest) ** 2
    return max(primary.samples + 1, math.ceil(needed))


def judged(
    test: str,
    target: str,
    reference: str,
    primary: Primary,
    checks: Sequence[Check],
    beside: Sequence[tuple[str, Score | None]] = (),
) -> Verdict:
    """The verdict of a primary score and its checks, in words."""
    kind = kind_of(primary.score, (check.outcome for check in checks), primary.smallest)
    by_outcome = {
        outcome: " and ".join(check.name for check in checks if check.outcome == outcome)
        for outcome in (FAILS, TOO_WEAK, MISSING, WITHIN)
    }
    told = f"the {primary.name} is {primary.score}"
    gain = f"{primary.gain} ({primary.name}: {primary.score})"
    if kind == NOT_MEASURABLE and primary.score is None:
        sentence = f"there is no {primary.name}: too few samples are left to score."
    elif kind == NOT_MEASURABLE:
        sentence = (
            f"{told}, but it can't be read as memory: the check of {by_outcome[FAILS]} fails."
        )
    elif kind == UNDERPOWERED:
        sentence = (
            f"{told}; a score of {primary.smallest:g} could be there and not be seen. About"
            f" {samples_needed(primary):,} samples of each set would tell, instead of"
            f" {primary.samples:,}."
        )
    elif kind == NOT_SHOWN:
        assert primary.score is not None
        sentence = f"{told}: memory is not shown, and is at most {number(primary.score.high)}."
    elif kind == BELOW:
        sentence = (
            f"{told}, below 0: the target infers less of what it was trained on, which is no"
            " memory."
        )
    elif kind == NOT_CLEAR and by_outcome[WITHIN]:
        within, *_ = [check for check in checks if check.outcome == WITHIN]
        sentence = (
            f"{told}, which is not above {number(within.bound or 0.0)}: as much may come of the"
            f" {within.name}."
        )
    elif kind == NOT_CLEAR:
        sentence = f"{gain}, but the check of {by_outcome[MISSING]} is missing."
    elif kind == WEAKLY_CHECKED:
        sentence = f"{gain}; the check of {by_outcome[TOO_WEAK]} is too weak to rule out a bias."
    else:
        sentence = f"{gain}."
    sentence = sentence[:1].upper() + sentence[1:]
    return Verdict(test, target, reference, kind, sentence, primary, tuple(checks), tuple(beside))


def near_zero(
    name: str, row: Row, column: str, primary: Score | None, size: float | None = None
) -> Check:
    """A check whose score is 0 where nothing but memory moves the primary score.

    It holds if its 95 % interval contains 0 and lies within half of the primary score, fails if
    its 99 % interval excludes 0 (p < .01), and is too weak in between.

    Args:
        name: of the check.
        row: of the table of scores.
        column: of the check's score.
        primary: the score that is checked.
        size: what the primary score comes to in the check's own unit, where that is another; the
            smaller of the two counts.
    """
    score = Score.of(row, column)
    sizes = (primary.value if primary else 0.0, size)
    bound = min(abs(each) for each in sizes if each is not None) / 2
    if score is None:
        return Check(name, TOO_WEAK, "There are too few samples for an interval.", None, bound)
    if row["p_value"] is not None and row["p_value"] < LEVEL_OF_FAILURE:
        return Check(name, FAILS, f"At {score}, it differs from 0 at 99 %.", score, bound)
    half = f"±{number(bound)}, half of the score"
    half += "" if size is None else " as a difference of means"
    if not score.low <= 0 <= score.high:
        outcome, told = TOO_WEAK, "differs from 0 at 95 % and not at 99 %"
    elif -bound <= score.low and score.high <= bound:
        outcome, told = HOLDS, f"is 0 within {half}"
    else:
        outcome, told = TOO_WEAK, f"reaches beyond {half}"
    return Check(name, outcome, f"At {score}, it {told}.", score, bound)


def blind_check(name: str, rows: Sequence[Row], is_needed: bool) -> list[Check]:
    """Whether two sets can be told apart without the model, by rows of {domain}_blind.csv.

    None is asked for where one source gave both sets, by a keyed hash of the ids.
    """
    scored = [(row, Score.of(row, "auc")) for row in rows]
    known = [(row, auc) for row, auc in scored if auc is not None]
    if not known:
        told = "The sets come from different sources, and nothing tells whether they are alike."
        return [Check(name, MISSING, told)] if is_needed else []
    row, auc = max(known, key=lambda each: abs(each[1].value - 0.5))
    told = f"{row['encoder']} alone tells the two sets apart with an AUC of {auc}"
    if auc.excludes(0.5):
        outcome, told = FAILS, f"{told}: other than chance at 99 %."
    elif 0.5 - BLIND_BOUND <= auc.low <= 0.5 <= auc.high <= 0.5 + BLIND_BOUND:
        outcome, told = HOLDS, f"{told}: chance, within ±{BLIND_BOUND:g}."
    else:
        outcome, told = TOO_WEAK, f"{told}: not chance within ±{BLIND_BOUND:g}, nor other at 99 %."
    return [Check(name, outcome, told, auc, BLIND_BOUND)]


def shift_checks(
    name: str,
    rows: Sequence[Row],
    bound: float,
    primary: Score | None,
    is_needed: bool,
    is_watched: bool,
) -> list[Check]:
    """Whether a score lies above what a shift that a blind encoder sees may have made of it.

    An encoder that tells the sets apart may miss a part of what differs: something must tell of
    that, too. And where it tells them apart too well, nothing within control tells what members
    would have been. Sets of one source that are not told apart need no bound.

    Args:
        name: of the set.
        rows: of {domain}_blind.csv.
        bound: the bias bound.
        primary: the score.
        is_needed: whether the sets come from different sources.
        is_watched: whether null models, or samples of the members' source that the target did not
            learn from, are measured, too.
    """
    checks, is_asked = [], is_needed
    for check in blind_check(f"{BLIND} of {name}", rows, is_needed):
        auc = check.score
        if auc is None:
            return [check]
        told = check.sentence.partition(":")[0]
        if auc.low > BLIND_MOST or auc.high < 1 - BLIND_MOST:
            outcome, told = FAILS, f"{told}: too unlike to adjust for."
        elif check.outcome != FAILS:
            checks.append(check)
            continue
        elif is_watched:
            outcome, told = HOLDS, f"{told}: the bias bound tells what of it."
        else:
            outcome = MISSING
            told += ": what it does not see of the difference, a null model must tell."
        is_asked = True
        checks.append(Check(check.name, outcome, told, auc, BLIND_MOST - 0.5))
    if not is_asked:
        return checks
    name = f"shift of {name}"
    told = f"What the encoder sees of it may have moved the score by {number(bound)}"
    if primary is None or primary.low > bound:
        told += " at most, and the score's interval is above."
        return [*checks, Check(name, HOLDS, told, None, bound)]
    told += ", and the interval reaches below that."
    return [*checks, Check(name, WITHIN, told, None, bound)]


def null_checks(rows: Sequence[Row], column: str, primary: Score | None) -> list[Check]:
    """The checks on models that learned nothing of the target's, and so have a score of 0.

    Args:
        rows: of one test, setting and reference.
        column: of the score.
        primary: the score that the checks stand for.
    """
    names = dict.fromkeys(row["null_model"] for row in rows if row["set"] == "null")
    found = ((name, row_of(rows, set="null", null_model=name)) for name in names)
    return [near_zero(f"null model {name}", row, column, primary) for name, row in found if row]


def contrasts(rows: Sequence[Row], column: str) -> list[tuple[str, Score | None]]:
    """What stands beside a verdict: the target's score less that of each null model."""
    names = dict.fromkeys(row["null_model"] for row in rows if row["set"] == "contrast")
    return [
        (
            f"adjusted gap minus that of {name}",
            Score.of(row_of(rows, set="contrast", null_model=name), column),
        )
        for name in names
    ]


def vlm_verdicts(
    rows: Sequence[Row],
    tests: Mapping[str, Row],
    headline: Row,
    sources: Mapping[str, str],
    smallest: Mapping[str, float],
    blind: Sequence[Row] = (),
) -> list[Verdict]:
    """Judge every test of vlm_ppg.csv.

    Args:
        rows: of the table.
        tests: `kind`, `target` and `reference` by test.
        headline: query, k, predict and objects of the rows that are judged.
        sources: the source that each configured set is taken from.
        smallest: the least `gap` and `ppg` that matter.
        blind: rows of vlm_blind.csv, if there is one.
    """
    found = []
    for name, test in tests.items():
        of_test = [row for row in rows if row["test"] == name]
        sets = {
            set_name: row_of(of_test, set=set_name, **headline)
            for set_name in ("target", "symmetric", "calibrated", "nonmember")
        }
        pair = (name, test["target"], test["reference"])
        samples = int((sets["target"] or {}).get("targets") or 0)
        if test["kind"] == "two_model":
            primary = Primary(
                "symmetric PPG",
                score := Score.of(sets["symmetric"], "ppg"),
                samples,
                smallest["ppg"],
                "On captions that only one of the two models was trained on, that model recovers"
                f" objects more precisely than the other {said(score)} more often than the reverse",
            )
            checks = alike("target", "reference", sources, blind)
            # The check is a difference of mean precisions, which a PPG exceeds several times.
            size = gap_of_means(sets["symmetric"])
            checks += nonmembers(sets["nonmember"], "adjusted_precision", score, size)
            found.append(judged(*pair, primary, checks))
            continue
        raw, calibrated = Score.of(sets["target"], "ppg"), Score.of(sets["calibrated"], "ppg")
        primary = Primary(
            "adjusted gap of precision",
            score := Score.of(sets["calibrated"], "adjusted_precision"),
            samples,
            smallest["gap"],
            f"On its training captions, {test['target']} recovers objects with a precision that is"
            f" {said(score)} higher than on captions that no model saw, less what"
            f" {test['reference']} explains",
        )
        if "control" not in sources:
            found.append(uncalibrated(pair, primary, "PPG", raw))
            continue
        asked = [row for row in of_test if all(row[key] == headline[key] for key in headline)]
        others = nonmembers(sets["nonmember"], "adjusted_precision", score)
        nulls = null_checks(asked, "adjusted_precision", score)
        is_watched = bool(nulls) or (bool(others) and sources.get("reference") == sources["target"])
        checks = alike("target", "control", sources, blind, sets["calibrated"], score, is_watched)
        checks += others + nulls
        beside = [("calibrated PPG", calibrated), *shift_beside(sets["calibrated"])]
        beside += contrasts(asked, "adjusted_precision")
        found.append(judged(*pair, primary, checks, beside))
    return found


def vision_verdicts(
    rows: Sequence[Row],
    sources: Mapping[str, str],
    smallest: Mapping[str, float],
    blind: Sequence[Row] = (),
) -> list[Verdict]:
    """Judge every target of vision_dejavu.csv over all crops, and its one-model test once.

    The first reference of a one-model test decides; others are told beside it.

    Args:
        rows: of the table.
        sources: the source that each configured set is taken from.
        smallest: the least `gap` that matters.
        blind: rows of vision_blind.csv, if there is one.
    """
    rows = [row for row in rows if row["confident"] == 1 and row["top"] == 1]
    found: list[Verdict] = []
    pairs = dict.fromkeys(tuple(row[name] for name in PAIR) for row in rows if row["set"] != "null")
    for test, target, reference in pairs:
        of_pair = [
            row for row in rows if tuple(row[name] for name in PAIR) == (test, target, reference)
        ]
        sets = {
            name: row_of(of_pair, set=name)
            for name in ("target", "symmetric", "calibrated", "nonmember")
        }
        samples = int((sets["target"] or {}).get("crops") or 0)
        pair = (test, target, reference)
        if test == "two_model":
            primary = Primary(
                "symmetric score",
                score := Score.of(sets["symmetric"], "dejavu"),
                samples,
                smallest["gap"],
                f"From the background alone, a model infers the label of {said(score)} more of the"
                " pictures that it was trained on than its twin, which never saw them",
            )
            checks = alike("A", "B", sources, blind)
            checks += nonmembers(sets["nonmember"], "adjusted_accuracy", score)
            found.append(judged(*pair, primary, checks))
            continue
        if any((each.test, each.target) == (test, target) for each in found):
            continue
        primary = Primary(
            "adjusted gap",
            score := Score.of(sets["calibrated"], "adjusted_accuracy"),
            samples,
            smallest["gap"],
            f"From the background alone, {target} infers the label of {said(score)} more of its"
            f" training pictures than of pictures that no model saw, less what {reference}"
            " explains",
        )
        if "control" not in sources:
            raw = Score.of(sets["target"], "dejavu")
            found.append(uncalibrated(pair, primary, "score", raw))
            continue
        others = nonmembers(sets["nonmember"], "adjusted_accuracy", score)
        null_rows = [
            row
            for row in rows
            if row["set"] == "null" and (row["test"], row["reference_model"]) == (test, reference)
        ]
        nulls = null_checks(null_rows, "adjusted_accuracy", score)
        is_watched = bool(nulls) or (bool(others) and sources.get("B") == sources["A"])
        checks = alike("A", "control", sources, blind, sets["calibrated"], score, is_watched)
        checks += others + nulls
        beside = [*shift_beside(sets["calibrated"]), *contrasts(of_pair, "adjusted_accuracy")]
        beside += [
            (
                f"adjusted gap against {other}",
                Score.of(
                    row_of(
                        rows,
                        test=test,
                        target_model=target,
                        reference_model=other,
                        set="calibrated",
                    ),
                    "adjusted_accuracy",
                ),
            )
            for each_test, each_target, other in pairs
            if (each_test, each_target) == (test, target) and other != reference
        ]
        found.append(judged(*pair, primary, checks, beside))
    return found


def nonmembers(
    row: Row | None, column: str, primary: Score | None, size: float | None = None
) -> list[Check]:
    """The check on samples that the target did not learn from, where there are any."""
    return [] if row is None else [near_zero("non-members", row, column, primary, size)]


def gap_of_means(row: Row | None) -> float | None:
    """The difference of the two mean precisions of a row of vlm_ppg.csv; None without one."""
    names = ("precision_target", "precision_reference")
    target, reference = (None if row is None else row.get(name) for name in names)
    return None if target is None or reference is None else float(target - reference)


def alike(
    first: str,
    second: str,
    sources: Mapping[str, str],
    blind: Sequence[Row],
    calibrated: Row | None = None,
    primary: Score | None = None,
    is_watched: bool = False,
) -> list[Check]:
    """Whether two sets are of one distribution, as far as a blind classifier can tell.

    Args:
        first: set of the members.
        second: the other.
        sources: of the sets.
        blind: rows of {domain}_blind.csv.
        calibrated: of a one-model test the row of the score, which may have a bias bound.
        primary: the score.
        is_watched: whether something else tells of a shift that a bias bound misses.
    """
    rows = [row for row in blind if (row["first_set"], row["second_set"]) == (first, second)]
    is_needed = sources.get(first) != sources.get(second)
    bound = None if calibrated is None else calibrated.get("bias_bound")
    if bound is not None:
        return shift_checks(second, rows, float(bound), primary, is_needed, is_watched)
    return blind_check(f"{BLIND} of {second}", rows, is_needed)


def shift_beside(calibrated: Row | None) -> list[tuple[str, Score | None]]:
    """The gap that is adjusted for the shift, too, where there is one."""
    score = Score.of(calibrated, "adjusted_shift")
    return [] if score is None else [("gap adjusted for the shift", score)]


def uncalibrated(
    pair: tuple[str, str, str], primary: Primary, name: str, raw: Score | None
) -> Verdict:
    """A one-model test without control, whose raw score may be anything."""
    _, target, reference = pair
    sentence = (
        f"There is no control set, so nothing is calibrated. The raw {name} is {raw}; it compares"
        f" the strength of {target} and {reference} and may reflect the reference and not memory."
        " Give the config a control set: samples of the same distribution that no model saw."
    )
    missing = Check("control", FAILS, "There is no control set.")
    return Verdict(*pair, NOT_MEASURABLE, sentence, primary, (missing,))


def said(score: Score | None) -> str:
    """The size of a score in words."""
    return points(score.value) if score else ""


def rows_of(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """Rows of {domain}_checks.csv: of each test the verdict, its checks, what stands beside it."""
    found = []
    for each in verdicts:
        names = (each.test, each.target, each.reference)
        lines = [
            (
                VERDICT,
                each.primary.name,
                each.primary.score,
                each.primary.smallest,
                each.kind,
                each.sentence,
            ),
            *((c.name, c.name, c.score, c.bound, c.outcome, c.sentence) for c in each.checks),
            *((BESIDE, name, score, None, None, None) for name, score in each.beside),
        ]
        for check, name, score, bound, outcome, sentence in lines:
            ends = (score.value, score.low, score.high) if score else (None, None, None)
            found.append(
                {
                    **dict(zip(PAIR, names, strict=True)),
                    "check": check,
                    "score": name,
                    **dict(zip(("value", "value_low", "value_high"), ends, strict=True)),
                    "bound": bound,
                    "outcome": outcome,
                    "sentence": sentence,
                }
            )
    return found
