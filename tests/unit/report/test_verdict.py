"""The verdict: one kind for every case, and no check that fails or lacks makes it stronger."""

import itertools

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.report import verdict
from dejavu.report.verdict import (
    BELOW,
    FAILS,
    HOLDS,
    KINDS,
    MEMORIZES,
    MISSING,
    NOT_CLEAR,
    NOT_MEASURABLE,
    NOT_SHOWN,
    TOO_WEAK,
    UNDERPOWERED,
    WEAKLY_CHECKED,
    WITHIN,
    Score,
)

HEADLINE = {"query": "t2i", "k": 10, "predict": "top10", "objects": "all"}
TESTS = {
    "two": {"kind": "two_model", "target": "net", "reference": "other"},
    "one": {"kind": "one_model", "target": "net", "reference": "text"},
}
ONE_SOURCE = dict.fromkeys(("target", "reference", "public", "control"), "world")
SMALLEST = {"gap": 0.02, "ppg": 0.05}
OUTCOMES = (HOLDS, TOO_WEAK, FAILS, MISSING, WITHIN)
# From what says nothing to what says most.
STRENGTH = [NOT_MEASURABLE, NOT_CLEAR, WEAKLY_CHECKED, MEMORIZES]
YES, NO, WIDE = (0.3, 0.2, 0.4), (0.0, -0.01, 0.01), (0.02, -0.2, 0.24)


def score(name, value, low, high):
    """The three columns of a score."""
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def vlm_row(test, set_name, ppg=NO, adjusted=None, p_value=0.5, **others):
    """A row of vlm_ppg.csv at the headline setting."""
    facts = {"test": test, "set": set_name, "replicate": "0", "target_model": "net", **HEADLINE}
    facts |= {"reference_model": TESTS[test]["reference"], "targets": 1000, "p_value": p_value}
    facts |= {"no_interval": None, **score("ppg", *ppg)}
    return {**facts, **score("adjusted_precision", *(adjusted or (None,) * 3)), **others}


def vlm_rows(symmetric=YES, adjusted=YES, nonmember=(0.0, -0.05, 0.05), p_value=0.9):
    """Rows of a two-model and a one-model test; `p_value` of non-members."""
    return [
        vlm_row("two", "target"),
        vlm_row("two", "symmetric", symmetric),
        vlm_row("two", "nonmember", NO, nonmember, p_value),
        vlm_row("one", "target", (-0.4, -0.5, -0.3)),
        vlm_row("one", "calibrated", YES, adjusted),
        vlm_row("one", "nonmember", NO, nonmember, p_value),
    ]


def judged(rows, sources=ONE_SOURCE, blind=()):
    """Verdicts of the tests of captions."""
    return verdict.vlm_verdicts(rows, TESTS, HEADLINE, sources, SMALLEST, blind)


def kinds(*args, **named):
    """The kinds of both verdicts."""
    return [each.kind for each in judged(*args, **named)]


def blind_row(second, *auc):
    """A row of a blind table."""
    return {
        "encoder": "minilm",
        "first_set": "target",
        "second_set": second,
        **score("auc", *auc),
    }


@pytest.mark.parametrize(
    ("interval", "kind"),
    [
        ((0.3, 0.2, 0.4), MEMORIZES),
        ((0.3, 0.0, 0.6), UNDERPOWERED),
        ((0.0, -0.01, 0.02), NOT_SHOWN),
        ((0.0, -0.01, 0.021), UNDERPOWERED),
        ((-0.1, -0.2, 0.0), NOT_SHOWN),
        ((-0.1, -0.2, -0.001), BELOW),
        ((0.0, 0.0, 0.0), NOT_SHOWN),
    ],
)
def test_without_a_blemish_the_interval_decides(interval, kind):
    assert verdict.kind_of(Score(*interval), [HOLDS, HOLDS], 0.02) == kind
    assert verdict.kind_of(Score(*interval), [], 0.02) == kind


def test_every_combination_gets_exactly_one_kind_and_blemishes_never_strengthen_it():
    intervals = [YES, NO, WIDE, (-0.3, -0.4, -0.2), None]
    seen = set()
    for interval in intervals:
        value = Score(*interval) if interval else None
        plain = verdict.kind_of(value, [], 0.02)
        for count in range(4):
            for outcomes in itertools.product(OUTCOMES, repeat=count):
                kind = verdict.kind_of(value, outcomes, 0.02)
                assert KINDS.count(kind) == 1
                seen.add(kind)
                for place in range(count):
                    for worse in OUTCOMES[1:]:
                        changed = (*outcomes[:place], worse, *outcomes[place + 1 :])
                        below = verdict.kind_of(value, changed, 0.02)
                        if outcomes[place] == HOLDS and kind in STRENGTH and below in STRENGTH:
                            assert STRENGTH.index(below) <= STRENGTH.index(kind)
                if kind in (MEMORIZES, WEAKLY_CHECKED, NOT_CLEAR):
                    assert plain == MEMORIZES
                assert (kind == NOT_MEASURABLE) == (value is None or FAILS in outcomes)
    assert seen == set(KINDS)


def test_the_verdict_tells_score_interval_and_what_it_means():
    two, one = judged(vlm_rows())
    assert (two.kind, one.kind) == (MEMORIZES, MEMORIZES)
    assert "30.0 percentage points" in two.sentence and "net" in one.sentence
    assert "0.300, 95 % interval 0.200 to 0.400" in two.sentence
    assert [check.outcome for check in (*two.checks, *one.checks)] == [HOLDS, HOLDS]


def test_smallest_is_that_of_the_score():
    """0.03 is below the least PPG that matters and above the least gap."""
    within = (0.0, -0.03, 0.03)
    assert kinds(vlm_rows(symmetric=within, adjusted=within)) == [NOT_SHOWN, UNDERPOWERED]
    two, one = judged(vlm_rows(symmetric=within, adjusted=within))
    assert "at most 0.030" in two.sentence
    # The half width 0.03 becomes 0.02 with 2.25 times as many samples.
    assert "2,250 samples of each set" in one.sentence and "instead of 1,000" in one.sentence


def test_below_zero_is_no_memory():
    [two, one] = judged(vlm_rows(symmetric=(-0.2, -0.3, -0.1)))
    assert (two.kind, one.kind) == (BELOW, MEMORIZES)
    assert "below 0" in two.sentence and "memorizes" not in two.sentence


def test_checks_hold_fail_or_are_too_weak():
    """The score is 0.3, so that a check must be known within 0.15; it fails at p < .01."""
    for interval, p_value, kind, outcome in (
        ((0.01, -0.1, 0.12), 0.9, MEMORIZES, HOLDS),
        ((0.01, -0.13, 0.16), 0.9, WEAKLY_CHECKED, TOO_WEAK),
        ((0.05, 0.01, 0.09), 0.02, WEAKLY_CHECKED, TOO_WEAK),
        ((0.05, 0.03, 0.07), 0.0099, NOT_MEASURABLE, FAILS),
        ((None, None, None), None, WEAKLY_CHECKED, TOO_WEAK),
    ):
        for each in judged(vlm_rows(nonmember=interval, p_value=p_value)):
            assert (each.kind, each.checks[0].outcome) == (kind, outcome)
            assert each.checks[0].bound == pytest.approx(0.15)


def test_non_members_of_a_two_model_test_are_bound_in_their_own_unit():
    """A PPG of .3 may be a difference of .04 in mean precision, which a check of .1 would hide."""
    for target, reference, bound, outcome in (
        (0.54, 0.5, 0.02, TOO_WEAK),
        (0.7, 0.5, 0.1, HOLDS),
        (0.9, 0.1, 0.15, HOLDS),
    ):
        rows = vlm_rows(nonmember=(0.01, -0.04, 0.05))
        rows[1] |= {"precision_target": target, "precision_reference": reference}
        two, one = judged(rows)
        assert (two.checks[0].bound, two.checks[0].outcome) == (pytest.approx(bound), outcome)
        assert one.checks[0].bound == pytest.approx(0.15)


def test_sentences_of_checks_say_why_they_are_too_weak():
    for interval, p_value, told in (
        ((0.05, 0.01, 0.09), 0.02, "differs from 0 at 95 % and not at 99 %"),
        ((0.01, -0.13, 0.16), 0.9, "reaches beyond ±0.150, half of the score"),
    ):
        for each in judged(vlm_rows(nonmember=interval, p_value=p_value)):
            assert told in each.checks[0].sentence
            assert each.sentence.endswith("non-members is too weak to rule out a bias.")


@pytest.mark.parametrize(
    ("auc", "kind", "outcome"),
    [
        ((0.5, 0.46, 0.54), MEMORIZES, HOLDS),
        ((0.5, 0.44, 0.56), WEAKLY_CHECKED, TOO_WEAK),
        ((0.53, 0.505, 0.555), WEAKLY_CHECKED, TOO_WEAK),
        ((0.53, 0.515, 0.545), NOT_MEASURABLE, FAILS),
        ((0.4, 0.37, 0.43), NOT_MEASURABLE, FAILS),
        (None, NOT_CLEAR, MISSING),
    ],
)
def test_sets_of_different_sources_need_a_blind_baseline(auc, kind, outcome):
    sources = {**ONE_SOURCE, "control": "later", "reference": "later"}
    blind = [blind_row(name, *auc) for name in ("control", "reference")] if auc else []
    for each in judged(vlm_rows(), sources, blind):
        assert each.kind == kind
        assert outcome in [check.outcome for check in each.checks]


def test_a_blind_baseline_judges_the_test_of_its_sets():
    blind = [blind_row("control", 0.8, 0.7, 0.9)]
    assert kinds(vlm_rows(), blind=blind) == [MEMORIZES, NOT_MEASURABLE]


@pytest.mark.parametrize(
    ("bound", "auc", "kind", "outcomes"),
    [
        (0.19, (0.6, 0.58, 0.62), MEMORIZES, [HOLDS, HOLDS, HOLDS]),
        (0.2, (0.6, 0.58, 0.62), NOT_CLEAR, [HOLDS, WITHIN, HOLDS]),
        (0.01, (0.8, 0.74, 0.86), MEMORIZES, [HOLDS, HOLDS, HOLDS]),
        (0.01, (0.8, 0.76, 0.84), NOT_MEASURABLE, [FAILS, HOLDS, HOLDS]),
        (0.01, (0.2, 0.16, 0.24), NOT_MEASURABLE, [FAILS, HOLDS, HOLDS]),
    ],
)
def test_a_score_lies_above_what_a_shift_may_have_made_of_it(bound, auc, kind, outcomes):
    """The interval begins at 0.2; an AUC decides only where it is far from chance."""
    rows = vlm_rows()
    for row in rows:
        if (row["test"], row["set"]) == ("one", "calibrated"):
            row |= {"bias_bound": bound, **score("adjusted_shift", 0.25, 0.1, 0.4)}
    two, one = judged(rows, blind=[blind_row("control", *auc)])
    assert (two.kind, one.kind) == (MEMORIZES, kind)
    assert [check.outcome for check in one.checks] == outcomes
    [shift] = [check for check in one.checks if check.name == "shift of control"]
    assert shift.bound == bound
    assert ("gap adjusted for the shift", Score(0.25, 0.1, 0.4)) in one.beside
    if kind == NOT_CLEAR:
        assert f"{bound:.3f}" in one.sentence and "shift of control" in one.sentence
        assert "memorizes" not in one.sentence


@pytest.mark.parametrize("control", ["world", "another"])
@pytest.mark.parametrize(
    ("auc", "kinds_of"),
    [
        (
            (0.5, 0.48, 0.52),
            {"world": (MEMORIZES, [HOLDS]), "another": (NOT_CLEAR, [HOLDS, WITHIN])},
        ),
        (
            (0.6, 0.58, 0.62),
            {"world": (NOT_CLEAR, [MISSING, WITHIN]), "another": (NOT_CLEAR, [MISSING, WITHIN])},
        ),
    ],
)
def test_a_bound_is_asked_for_where_control_may_differ_and_a_witness_where_it_does(
    control, auc, kinds_of
):
    rows = [row for row in vlm_rows() if row["set"] != "nonmember"]
    for row in rows:
        if (row["test"], row["set"]) == ("one", "calibrated"):
            row |= {"bias_bound": 0.5, **score("adjusted_shift", 0.25, 0.1, 0.4)}
    sources = {**ONE_SOURCE, "control": control}
    _, one = judged(rows, sources, blind=[blind_row("control", *auc)])
    found = [check.outcome for check in one.checks if "control" in check.name]
    assert (one.kind, found) == kinds_of[control]


def test_null_models_must_have_no_score_and_are_told_beside():
    rows = vlm_rows()
    for interval, p_value, kind in (
        ((0.01, -0.1, 0.12), 0.9, MEMORIZES),
        ((0.01, -0.13, 0.16), 0.9, WEAKLY_CHECKED),
        ((0.05, 0.03, 0.07), 0.001, NOT_MEASURABLE),
    ):
        facts = {"null_model": "drawn", "target_model": "drawn"}
        null = vlm_row("one", "null", NO, interval, p_value, **facts)
        contrast = vlm_row("one", "contrast", NO, (0.28, 0.2, 0.36), null_model="drawn")
        decoy = {**null, "k": 100, **score("adjusted_precision", 1, 1, 1)}
        two, one = judged([*rows, decoy, null, contrast])
        assert (two.kind, one.kind) == (MEMORIZES, kind)
        assert one.checks[-1].name == "null model drawn"
        assert ("adjusted gap minus that of drawn", Score(0.28, 0.2, 0.36)) in one.beside


def test_without_control_a_one_model_test_measures_nothing_and_says_so():
    rows = [row for row in vlm_rows() if row["set"] in ("target", "symmetric")]
    sources = {name: "world" for name in ONE_SOURCE if name != "control"}
    two, one = judged(rows, sources)
    assert (two.kind, one.kind) == (MEMORIZES, NOT_MEASURABLE)
    assert "no control set" in one.sentence and "may reflect the reference" in one.sentence


def test_other_settings_are_not_looked_at_and_pooled_rows_come_first():
    rows = vlm_rows()
    decoys = [{**row, "k": 100, **score("ppg", -1, -1, -1)} for row in rows]
    several = [{**row, "replicate": str(seed)} for row in rows for seed in (1, 2)]
    pooled = [{**row, "replicate": "pooled"} for row in rows]
    for row in several:
        row |= score("ppg", 0, -1, 1) | score("adjusted_precision", 0, -1, 1)
    assert kinds(decoys + several + pooled) == [MEMORIZES, MEMORIZES]
    # Two seeds are pooled without an interval: the first one's is judged.
    for row in pooled:
        row |= {"no_interval": "two seeds"}
    assert kinds(decoys + several + pooled) == [UNDERPOWERED, UNDERPOWERED]


def test_a_score_that_is_missing_is_no_verdict():
    assert kinds(vlm_rows(symmetric=(None, None, None))) == [NOT_MEASURABLE, MEMORIZES]
    assert Score.of(None, "ppg") is None


def vision_rows(symmetric, adjusted, references=("resnet", "naive_bayes@1"), control=True):
    """Rows of vision_dejavu.csv for one target; the second reference says the reverse."""

    def row(test, reference, name, **scores):
        empty = score("dejavu", 0.4, 0.3, 0.5) | score("adjusted_accuracy", None, None, None)
        facts = {"test": test, "target_model": "net_a", "reference_model": reference}
        facts |= {
            "confident": 1.0,
            "top": 1,
            "set": name,
            "replicate": "0",
            "crops": 500,
            "p_value": 0.5,
        }
        return {**facts, "no_interval": None, **empty, **scores}

    rows = [row("two_model", "net_b", "target")]
    rows.append(row("two_model", "net_b", "symmetric", **score("dejavu", *symmetric)))
    for place, reference in enumerate(references):
        rows.append(row("one_model", reference, "target"))
        if control:
            told = adjusted if place == 0 else (-0.5, -0.6, -0.4)
            gap = score("adjusted_accuracy", *told)
            rows.append(row("one_model", reference, "calibrated", **gap))
    low = [{**each, "confident": 0.2, **score("dejavu", -1, -1, -1)} for each in rows]
    wrong = score("dejavu", -1, -1, -1) | score("adjusted_accuracy", -1, -1, -1)
    of_five = [{**each, "top": 5, **wrong} for each in rows]
    return low + of_five + rows


def test_vision_is_judged_over_all_crops_and_by_the_first_reference():
    sources = dict.fromkeys(("A", "B", "public", "control"), "folder")
    alone = dict.fromkeys(("A", "B", "public"), "folder")
    for symmetric, adjusted, given_sources, expected in (
        (YES, YES, sources, [MEMORIZES, MEMORIZES]),
        (NO, YES, sources, [NOT_SHOWN, MEMORIZES]),
        (YES, WIDE, sources, [MEMORIZES, UNDERPOWERED]),
        (YES, NO, alone, [MEMORIZES, NOT_MEASURABLE]),
        (YES, YES, {**sources, "control": "later"}, [MEMORIZES, NOT_CLEAR]),
        (YES, YES, {**sources, "B": "later"}, [NOT_CLEAR, MEMORIZES]),
    ):
        rows = vision_rows(symmetric, adjusted, control="control" in given_sources)
        found = verdict.vision_verdicts(rows, given_sources, SMALLEST)
        assert [each.kind for each in found] == expected
        assert [each.reference for each in found] == ["net_b", "resnet"]
    [(name, beside)] = verdict.vision_verdicts(vision_rows(YES, YES), sources, SMALLEST)[1].beside
    assert "naive_bayes@1" in name and beside.value == -0.5


@given(st.lists(st.sampled_from(OUTCOMES), max_size=3), st.sampled_from([YES, NO, WIDE]))
def test_the_table_holds_every_verdict_and_check_once(outcomes, interval):
    primary = verdict.Primary("gap", Score(*interval), 100, 0.02, "It knows")
    checks = [verdict.Check(f"check {place}", each, "") for place, each in enumerate(outcomes)]
    each = verdict.judged("one", "net", "text", primary, checks, [("other", None)])
    rows = verdict.rows_of([each])
    frame = pl.DataFrame(rows, schema=verdict.COLUMNS)
    assert frame["check"].to_list() == ["verdict", *(c.name for c in checks), "beside"]
    assert frame["outcome"].to_list() == [each.kind, *outcomes, None]
    assert frame["value_high"][0] == interval[2]
    assert each.sentence[0].isupper() and each.sentence.endswith(".")


def test_null_models_of_images_check_every_target_and_are_no_targets_themselves():
    sources = dict.fromkeys(("A", "B", "control"), "world")
    rows = [{**row, "null_model": None} for row in vision_rows(YES, YES)]
    [calibrated] = [
        row for row in rows if row["set"] == "calibrated" and row["reference_model"] == "resnet"
        and row["confident"] == 1 and row["top"] == 1
    ]  # fmt: skip
    null = {**calibrated, "set": "null", "target_model": "drawn", "null_model": "drawn"}
    null |= score("adjusted_accuracy", 0.0, -0.02, 0.02)
    contrast = {**calibrated, "set": "contrast", "null_model": "drawn"}
    far = {**null, "reference_model": "naive_bayes@1", "p_value": 0.0}
    found = verdict.vision_verdicts([*rows, null, far, contrast], sources, SMALLEST)
    assert {each.target for each in found} == {"net_a"}
    one = found[1]
    assert (one.checks[-1].name, one.checks[-1].outcome) == ("null model drawn", HOLDS)
    assert "adjusted gap minus that of drawn" in dict(one.beside)
