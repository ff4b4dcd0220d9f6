"""The verdict: its words follow the numbers, and checks that fail come before any score."""

import pytest

from dejavu.report import verdict
from dejavu.report.verdict import (
    FAILED,
    FAILS,
    HOLDS,
    MEMORIZES,
    NOT_CHECKED,
    NOT_SHOWN,
    UNCLEAR,
    Score,
)

HEADLINE = {"query": "t2i", "k": 10, "predict": "top10", "objects": "all"}
KINDS = {"two": "two_model", "one": "one_model"}


def score(name, value, low, high):
    """The three columns of a score."""
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def vlm_row(test, set_name, ppg=(0.0, -0.05, 0.05), adjusted=None, **others):
    """A row of vlm_ppg.csv at the headline setting."""
    facts = {"test": test, "set": set_name, "replicate": "0", "target_model": "net", **HEADLINE}
    facts |= {"reference_model": "other", **score("ppg", *ppg)}
    adjusted = adjusted or (None, None, None)
    return {**facts, **score("adjusted_precision", *adjusted), **others}


def vlm_rows(
    symmetric=(0.3, 0.2, 0.4),
    adjusted=(0.05, 0.02, 0.08),
    placebo=(0.0, -0.02, 0.02),
    nonmember=(0.0, -0.02, 0.02),
):
    """Rows of a two-model and a one-model test."""
    nothing = (0.0, -0.05, 0.05)
    return [
        vlm_row("two", "target"),
        vlm_row("two", "control"),
        vlm_row("two", "symmetric", symmetric),
        vlm_row("two", "placebo", placebo, placebo),
        vlm_row("one", "target", (-0.4, -0.5, -0.3)),
        vlm_row("one", "control", (-0.7, -0.8, -0.6)),
        vlm_row("one", "calibrated", (0.3, 0.2, 0.4), adjusted),
        vlm_row("one", "placebo", nothing, placebo),
        vlm_row("one", "nonmember", nothing, nonmember),
    ]


def kinds(rows, blind=()):
    """The kinds of verdict of both tests."""
    return [each.kind for each in verdict.vlm_verdicts(rows, KINDS, HEADLINE, blind)]


def test_a_model_memorizes_if_its_score_is_surely_above_zero():
    two, one = verdict.vlm_verdicts(vlm_rows(), KINDS, HEADLINE)
    assert (two.kind, one.kind) == (MEMORIZES, MEMORIZES)
    assert "30.0 percentage points" in two.sentence
    assert "0.300, 95 % interval 0.200 to 0.400" in two.sentence
    assert "5.0 percentage points" in one.sentence and "0.050" in one.sentence
    assert [check.status for check in two.checks] == [HOLDS, HOLDS]
    assert [check.status for check in one.checks] == [HOLDS, HOLDS, NOT_CHECKED]


@pytest.mark.parametrize("interval", [(0.02, -0.01, 0.05), (0.0, 0.0, 0.0), (-0.2, -0.3, -0.1)])
def test_no_memorization_is_shown_unless_the_interval_is_above_zero(interval):
    rows = vlm_rows(symmetric=interval, adjusted=interval)
    verdicts = verdict.vlm_verdicts(rows, KINDS, HEADLINE)
    for each in verdicts:
        assert each.kind == NOT_SHOWN
        assert ("below 0" in each.sentence) == (interval[2] < 0)
        assert "memorizes" not in each.sentence


def test_a_failed_placebo_leaves_nothing_measured():
    assert kinds(vlm_rows(placebo=(0.1, 0.07, 0.13))) == [FAILED, FAILED]


def test_failed_non_members_leave_the_one_model_test_unmeasured():
    assert kinds(vlm_rows(nonmember=(0.1, 0.07, 0.13))) == [MEMORIZES, FAILED]


def test_checks_are_judged_at_99_percent():
    # The interval of 95 % leaves 0 out, that of 99 % does not.
    assert kinds(vlm_rows(placebo=(0.1, 0.01, 0.19))) == [MEMORIZES, MEMORIZES]
    assert Score(0.1, 0.01, 0.19).near_zero and not Score(0.1, 0.03, 0.17).near_zero
    assert Score(-0.1, -0.19, -0.01).near_zero and not Score(-0.1, -0.17, -0.03).near_zero


@pytest.mark.parametrize(
    ("auc", "kind", "status"),
    [
        ((0.5, 0.46, 0.54), MEMORIZES, HOLDS),
        ((0.53, 0.51, 0.55), MEMORIZES, HOLDS),
        ((0.7, 0.66, 0.74), FAILED, FAILS),
    ],
)
def test_a_blind_classifier_that_tells_the_sets_apart_undoes_calibration(auc, kind, status):
    blind = [{"encoder": "minilm", **score("auc", *auc)}]
    assert kinds(vlm_rows(), blind) == [MEMORIZES, kind]
    check = verdict.blind_check(blind)
    assert check.status == status
    assert ("no better than chance" in check.sentence) == (auc[1] < 0.5)


def test_without_control_a_one_model_test_measures_nothing_and_says_so():
    rows = [vlm_row("two", "target"), vlm_row("two", "symmetric", (0.3, 0.2, 0.4))]
    rows.append(vlm_row("one", "target", (0.9, 0.8, 1.0)))
    two, one = verdict.vlm_verdicts(rows, KINDS, HEADLINE)
    assert (two.kind, one.kind) == (MEMORIZES, FAILED)
    assert "no control set" in one.sentence and "may reflect the reference" in one.sentence
    assert [check.status for check in two.checks] == [NOT_CHECKED, NOT_CHECKED]


def test_other_settings_are_not_looked_at_and_pooled_rows_come_first():
    rows = vlm_rows()
    decoys = [{**row, "k": 100, **score("ppg", -1, -1, -1)} for row in rows]
    several = [{**row, "replicate": str(seed)} for row in rows for seed in (1, 2)]
    pooled = [{**row, "replicate": "pooled"} for row in rows]
    for row in several:
        row |= score("ppg", 0, -1, 1) | score("adjusted_precision", 0, -1, 1)
    assert kinds(decoys + several + pooled) == [MEMORIZES, MEMORIZES]


def test_a_score_that_is_missing_is_no_verdict():
    assert kinds(vlm_rows(symmetric=(None, None, None))) == [FAILED, MEMORIZES]
    assert Score.of(None, "ppg") is None


def vision_rows(symmetric, adjusted, control=True):
    """Rows of vision_dejavu.csv for one target."""
    nothing = score("dejavu", 0.0, -0.03, 0.03) | score("adjusted_accuracy", 0.0, -0.03, 0.03)

    def row(test, reference, name, **scores):
        empty = score("adjusted_accuracy", None, None, None)
        facts = {"test": test, "target_model": "net_a", "reference_model": reference}
        return {**facts, "confident": 1.0, "set": name, "replicate": "0", **empty, **scores}

    rows = [row("two_model", "net_b", "symmetric", **score("dejavu", *symmetric))]
    rows.append(row("one_model", "resnet", "target", **score("dejavu", 0.4, 0.3, 0.5)))
    if control:
        for test, reference in (("two_model", "net_b"), ("one_model", "resnet")):
            rows.append(row(test, reference, "control", **nothing))
            rows.append(row(test, reference, "placebo", **nothing))
        calibrated = score("dejavu", 0.4, 0.3, 0.5) | score("adjusted_accuracy", *adjusted)
        rows.append(row("one_model", "resnet", "calibrated", **calibrated))
    low = [{**each, "confident": 0.2, **score("dejavu", -1, -1, -1)} for each in rows]
    return low + rows


def test_vision_is_judged_over_all_crops_by_symmetric_and_adjusted_scores():
    yes, no = (0.3, 0.2, 0.4), (0.01, -0.02, 0.04)
    for symmetric, adjusted, control, expected in (
        (yes, yes, True, [MEMORIZES, MEMORIZES]),
        (no, yes, True, [NOT_SHOWN, MEMORIZES]),
        (yes, no, True, [MEMORIZES, NOT_SHOWN]),
        (yes, no, False, [MEMORIZES, FAILED]),
    ):
        verdicts = verdict.vision_verdicts(vision_rows(symmetric, adjusted, control))
        assert [each.kind for each in verdicts] == expected


@pytest.mark.parametrize(
    ("several", "together"),
    [
        ([MEMORIZES, MEMORIZES], MEMORIZES),
        ([MEMORIZES, FAILED], MEMORIZES),
        ([NOT_SHOWN, NOT_SHOWN], NOT_SHOWN),
        ([MEMORIZES, NOT_SHOWN], UNCLEAR),
        ([FAILED, FAILED], FAILED),
    ],
)
def test_a_target_gets_one_verdict_that_its_tests_agree_on(several, together):
    verdicts = [verdict.Verdict("t", "net", "other", kind, "", None) for kind in several]
    assert verdict.overall(verdicts) == [("net", together)]
