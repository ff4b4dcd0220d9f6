"""The verdict in plain language: what the headline rows and their checks say (method: §3).

Two-model tests are judged by the symmetric score, one-model tests by the adjusted gap, which has
the most power; both with their 95 % intervals. Checks look at the score that the verdict rests on,
at 99 %: placebo (one half of control against the other) and, for captions, non-members must be
consistent with 0. A test whose checks fail measures nothing, whatever its score.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]

PAIR = ("test", "target_model", "reference_model")

MEMORIZES, NOT_SHOWN, UNCLEAR, FAILED = (
    "memorizes",
    "no memorization shown",
    "not clear",
    "not measurable",
)
HOLDS, FAILS, NOT_CHECKED = "holds", "fails", "not checked"
# From the ends of a 95 % interval to those of a 99 % one, as for a normal distribution.
WIDER = 2.5758 / 1.9600
# A blind classifier's AUC counts as clearly above 0.5 if its interval is above this.
CLEARLY_BLIND = 0.55


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

    @property
    def near_zero(self) -> bool:
        """Whether 0 is inside the interval, widened to 99 %."""
        low = self.value - (self.value - self.low) * WIDER
        high = self.value + (self.high - self.value) * WIDER
        return low <= 0 <= high


@dataclass(frozen=True)
class Check:
    """One thing that must hold for a score to mean memory."""

    name: str
    status: str
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """What one test says of one target model."""

    test: str
    target: str
    reference: str
    kind: str
    sentence: str
    score: Score | None
    checks: Sequence[Check] = field(default_factory=tuple)


def number(value: float) -> str:
    """A number with three decimals and a true minus sign."""
    return f"{value:.3f}".replace("-", "−")


def points(value: float) -> str:
    """A difference of fractions."""
    return f"{100 * value:.1f} percentage points".replace("-", "−")


def row_of(rows: Iterable[Row], **wanted: Any) -> Row | None:
    """The row with some values: the pooled one, or the only one; None where there is none."""
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    pooled = [row for row in found if row["replicate"] == "pooled"]
    return next(iter(pooled or found), None)


def vlm_verdicts(
    rows: Sequence[Row], kinds: Mapping[str, str], headline: Row, blind: Sequence[Row] = ()
) -> list[Verdict]:
    """Judge every test of vlm_ppg.csv.

    Args:
        rows: of the table.
        kinds: `two_model` or `one_model`, by test.
        headline: query, k, predict and objects of the rows that are judged.
        blind: rows of vlm_blind.csv, if there is one.
    """
    return [
        (_vlm_two_model if kind == "two_model" else _vlm_one_model)(
            [row for row in rows if row["test"] == test], test, headline, blind
        )
        for test, kind in kinds.items()
    ]


def _vlm_two_model(rows: Sequence[Row], test: str, headline: Row, blind: Sequence[Row]) -> Verdict:
    row = row_of(rows, set="symmetric", **headline) or {}
    score = Score.of(row, "ppg")
    placebo = Score.of(row_of(rows, set="placebo", **headline), "ppg")
    control = Score.of(row_of(rows, set="control", **headline), "ppg")
    target, reference = row.get("target_model", ""), row.get("reference_model", "")
    gain = (
        "On captions that only one of the two models was trained on, that model recovers objects"
        f" more precisely than the other {points(score.value)} more often than the reverse"
        if score
        else ""
    )
    checks = [_near_zero("placebo", placebo), _leaning(control, "captions")]
    return _judged(test, target, reference, "symmetric PPG", score, gain, checks)


def _vlm_one_model(rows: Sequence[Row], test: str, headline: Row, blind: Sequence[Row]) -> Verdict:
    raw = row_of(rows, set="target", **headline) or {}
    target, reference = raw.get("target_model", ""), raw.get("reference_model", "")
    calibrated = row_of(rows, set="calibrated", **headline)
    score, ppg = Score.of(calibrated, "adjusted_precision"), Score.of(calibrated, "ppg")
    if calibrated is None:
        return _uncalibrated(test, target, reference, "PPG", Score.of(raw, "ppg"))
    checks = [
        _near_zero(name, Score.of(row_of(rows, set=set_name, **headline), "adjusted_precision"))
        for name, set_name in (("placebo", "placebo"), ("non-members", "nonmember"))
    ]
    checks.append(blind_check(blind))
    gain = (
        f"On its training captions, {target} recovers objects with a precision that is"
        f" {points(score.value)} higher than on captions that no model saw, less what {reference}"
        f" explains; the calibrated PPG is {ppg}"
        if score
        else ""
    )
    return _judged(test, target, reference, "adjusted gap of precision", score, gain, checks)


def vision_verdicts(rows: Sequence[Row], blind: Sequence[Row] = ()) -> list[Verdict]:
    """Judge every target of vision_dejavu.csv against every reference, over all crops."""
    rows = [row for row in rows if row["confident"] == 1]
    pairs = dict.fromkeys(tuple(row[name] for name in PAIR) for row in rows)
    return [
        (_vision_two_model if test == "two_model" else _vision_one_model)(
            [row for row in rows if tuple(row[name] for name in PAIR) == (test, target, reference)],
            target,
            reference,
            blind,
        )
        for test, target, reference in pairs
    ]


def _vision_two_model(
    rows: Sequence[Row], target: str, reference: str, blind: Sequence[Row]
) -> Verdict:
    score = Score.of(row_of(rows, set="symmetric"), "dejavu")
    checks = [
        _near_zero("placebo", Score.of(row_of(rows, set="placebo"), "dejavu")),
        _leaning(Score.of(row_of(rows, set="control"), "dejavu"), "pictures"),
    ]
    gain = (
        f"From the background alone, a model infers the label of {points(score.value)} more of the"
        " pictures that it was trained on than its twin, which never saw them"
        if score
        else ""
    )
    return _judged("two_model", target, reference, "symmetric score", score, gain, checks)


def _vision_one_model(
    rows: Sequence[Row], target: str, reference: str, blind: Sequence[Row]
) -> Verdict:
    calibrated = row_of(rows, set="calibrated")
    if calibrated is None:
        raw = Score.of(row_of(rows, set="target"), "dejavu")
        return _uncalibrated("one_model", target, reference, "score", raw)
    score = Score.of(calibrated, "adjusted_accuracy")
    checks = [
        _near_zero("placebo", Score.of(row_of(rows, set="placebo"), "adjusted_accuracy")),
        blind_check(blind),
    ]
    gain = (
        f"From the background alone, {target} infers the label of {points(score.value)} more of its"
        f" training pictures than of pictures that no model saw, less what {reference} explains;"
        f" the calibrated score is {Score.of(calibrated, 'dejavu')}"
        if score
        else ""
    )
    return _judged("one_model", target, reference, "adjusted gap", score, gain, checks)


def _judged(
    test: str,
    target: str,
    reference: str,
    name: str,
    score: Score | None,
    gain: str,
    checks: list[Check],
) -> Verdict:
    """The verdict that a score and its checks allow."""
    failed = [check.name for check in checks if check.status == FAILS]
    if score is None:
        kind, sentence = FAILED, f"There is no {name}: too few samples are left to score."
    elif failed:
        kind = FAILED
        sentence = (
            f"The {name} is {score}, but it can't be read as memory: the check of"
            f" {' and '.join(failed)} fails."
        )
    elif score.low > 0:
        kind, sentence = MEMORIZES, f"{gain} ({name}: {score})."
    elif score.high < 0:
        kind = NOT_SHOWN
        sentence = (
            f"The {name} is {score}, below 0: the target infers less of what it was trained on,"
            " which is no memory."
        )
    else:
        kind = NOT_SHOWN
        sentence = f"The {name} is {score}: it can't be told from 0."
    return Verdict(test, target, reference, kind, sentence, score, tuple(checks))


def _uncalibrated(test: str, target: str, reference: str, name: str, raw: Score | None) -> Verdict:
    """A one-model test without control, whose raw score may be anything."""
    sentence = (
        f"There is no control set, so nothing is calibrated. The raw {name} is {raw}; it compares"
        f" the strength of {target} and {reference} and may reflect the reference and not memory."
        " Give the config a control set: samples of the same distribution that no model saw."
    )
    missing = Check("control", FAILS, "There is no control set.")
    return Verdict(test, target, reference, FAILED, sentence, raw, (missing,))


def _near_zero(name: str, score: Score | None) -> Check:
    if score is None:
        return Check(name, NOT_CHECKED, f"There is no {name} row.")
    said = "is consistent with 0" if score.near_zero else "differs from 0"
    status = HOLDS if score.near_zero else FAILS
    return Check(name, status, f"At {score} it {said} at 99 %.")


def _leaning(score: Score | None, what: str) -> Check:
    """What the two models' difference is where neither can remember anything."""
    if score is None:
        return Check("control", NOT_CHECKED, "There is no control set.")
    if score.near_zero:
        said = f"On {what} that neither saw, the two models are alike: {score}."
    else:
        said = (
            f"On {what} that neither saw, one model is the better one: {score}. The symmetric score"
            " cancels that, a raw score does not."
        )
    return Check("control", HOLDS, said)


def blind_check(rows: Sequence[Row]) -> Check:
    """Whether target and control can be told apart without the model, from {domain}_blind.csv."""
    name = "blind baseline"
    if not rows:
        return Check(name, NOT_CHECKED, "No blind baseline was asked for.")
    worst = max(rows, key=lambda row: row["auc_low"])
    auc = Score.of(worst, "auc")
    told = f"{worst['encoder']} alone tells training samples from control with an AUC of {auc}"
    if auc is None:
        return Check(name, NOT_CHECKED, "The blind baseline has no interval.")
    if auc.low > CLEARLY_BLIND:
        return Check(name, FAILS, f"{told}: calibration compares different distributions.")
    if auc.low > 0.5:
        return Check(name, HOLDS, f"{told}: slightly better than chance; keep that in mind.")
    return Check(name, HOLDS, f"{told}, no better than chance.")


def overall(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """For each target model the kind of verdict that its tests together allow."""
    kinds: dict[str, list[str]] = {}
    for verdict in verdicts:
        kinds.setdefault(verdict.target, []).append(verdict.kind)
    found = []
    for target, several in kinds.items():
        sound = {kind for kind in several if kind != FAILED}
        kind = sound.pop() if len(sound) == 1 else (UNCLEAR if sound else FAILED)
        found.append((target, kind))
    return found
