"""Vision scores against explicit sorting, explicit resamples and hand-worked numbers."""

import math
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dejavu.scores import vision
from dejavu.scores.judged import Comparison, Judged
from dejavu.scores.vision import (
    Bootstrap,
    accuracy,
    agreement,
    best_classes,
    confidence_bins,
    confident_count,
    correlation_row,
    difference_row,
    memorized,
    quadrants,
    rows_of_pair,
    score_row,
)

BOOTSTRAP = Bootstrap(2000, ("test",))


def judged(correct, confidence=None, tiebreak=None, samples=None, entropy=None):
    correct = np.array(correct, dtype=bool)
    zeros = np.zeros(len(correct))
    return Judged(
        np.arange(len(correct)) if samples is None else np.array(samples),
        correct,
        zeros if confidence is None else np.array(confidence, dtype=float),
        zeros if tiebreak is None else np.array(tiebreak, dtype=float),
        zeros if entropy is None else np.array(entropy, dtype=float),
    )


def random_judged(crops, rate, rng, samples=None):
    """Predictions with many ties of confidence, right more often where they are sure."""
    confidence = rng.integers(-3, 1, crops) / 3
    correct = rng.random(crops) < rate + 0.2 * confidence
    return judged(correct, confidence, rng.integers(0, 3, crops), samples)


def random_comparison(crops, target, reference, seed=0, replicates=1):
    rng = np.random.default_rng(seed)
    samples = rng.permutation(10 * crops)[:crops]
    return Comparison(
        tuple(random_judged(crops, target, rng, samples) for _ in range(replicates)),
        tuple(random_judged(crops, reference, rng, samples) for _ in range(replicates)),
    )


def sorted_positions(one):
    """The method's order of confidence, by Python's sort."""
    return sorted(
        range(len(one.samples)),
        key=lambda i: (-round(float(one.confidence[i]), 9), -one.tiebreak[i], one.samples[i]),
    )


@pytest.mark.parametrize(
    ("crops", "fraction", "count"),
    [(300, 0.05, 15), (100, 0.29, 29), (300, 1, 300), (19, 0.05, 0), (49, 0.2, 9), (0, 1.0, 0)],
)
def test_confident_subsets_are_rounded_down_as_decimals(crops, fraction, count):
    assert confident_count(crops, fraction) == count


def test_equal_confidences_go_to_the_higher_tiebreak_then_the_lower_sample():
    one = judged(
        [1, 0, 0, 1, 0],
        confidence=[-0.5, -0.5 + 1e-11, -0.5, -0.1, -0.9],
        tiebreak=[2, 1, 2, 0, 9],
        samples=[30, 10, 20, 40, 50],
    )
    assert one.order.tolist() == [3, 2, 0, 1, 4]
    assert accuracy(one, 0.4) == 0.5
    assert accuracy(one, 0.6) == 2 / 3
    assert math.isnan(accuracy(one, 0.1))


@settings(deadline=None)
@given(st.integers(1, 30), st.sampled_from([0.05, 0.2, 0.5, 0.9]), st.integers(0, 99))
def test_bootstrap_of_a_subset_chooses_it_anew_in_every_resample(crops, fraction, seed):
    comparison = random_comparison(crops, 0.7, 0.4, seed)
    target = comparison.targets[0]
    count = confident_count(crops, fraction)
    if not count:
        assert math.isnan(score_row(comparison, fraction, BOOTSTRAP)["dejavu_low"])
        return
    drawn = vision._redraw(crops, 20, np.random.default_rng(seed))
    assert (drawn.sum(axis=1) == crops).all()
    accuracies = vision._accuracy_draws(target, drawn, count)
    for row, value in zip(drawn, accuracies, strict=True):
        resample = chain.from_iterable([i] * row[i] for i in sorted_positions(target))
        assert value == pytest.approx(target.correct[list(resample)[:count]].mean())


@pytest.mark.parametrize("fraction", [1.0, 0.2])
def test_score_is_the_difference_of_each_predictors_own_confident_accuracies(fraction):
    comparison = random_comparison(300, 0.8, 0.4)
    row = score_row(comparison, fraction, BOOTSTRAP)
    means = [
        one.correct[sorted_positions(one)[: row["crops"]]].mean()
        for one in (comparison.targets[0], comparison.references[0])
    ]
    assert [row["accuracy_target"], row["accuracy_reference"]] == pytest.approx(means)
    assert row["dejavu"] == pytest.approx(means[0] - means[1])
    assert row["dejavu_low"] < row["dejavu"] < row["dejavu_high"]
    assert ("p_value" in row) == (fraction == 1)


def test_interval_over_all_crops_is_that_of_a_paired_mean():
    comparison = random_comparison(2000, 0.7, 0.5)
    row = score_row(comparison, 1.0, BOOTSTRAP)
    gap = comparison.target_correct[:, 0] * 1.0 - comparison.reference_correct[:, 0]
    half = 1.96 * gap.std() / math.sqrt(2000)
    assert row["dejavu_high"] - row["dejavu_low"] == pytest.approx(2 * half, rel=0.08)


def test_both_kinds_of_bootstrap_agree_where_the_subset_is_nearly_all():
    comparison = random_comparison(1000, 0.7, 0.5)
    whole = score_row(comparison, 1.0, BOOTSTRAP)
    nearly = score_row(comparison, 0.999, BOOTSTRAP)
    for name in ("dejavu", "dejavu_low", "dejavu_high"):
        assert nearly[name] == pytest.approx(whole[name], abs=0.006)


def test_p_value_is_the_exact_two_sided_binomial():
    wins, losses = 7, 2
    comparison = Comparison(
        (judged([1] * wins + [0] * losses + [1, 0]),), (judged([0] * wins + [1] * losses + [1, 0]),)
    )
    tail = sum(math.comb(9, k) for k in range(7, 10)) / 2**9
    assert score_row(comparison, 1.0, BOOTSTRAP)["p_value"] == pytest.approx(2 * tail)
    tied = Comparison((judged([1, 0]),), (judged([1, 0]),))
    assert score_row(tied, 1.0, BOOTSTRAP)["p_value"] == 1


def test_calibrated_subtracts_control_and_the_adjusted_gap_weighs_the_reference():
    members = random_comparison(400, 0.8, 0.5, seed=1)
    controls = random_comparison(300, 0.6, 0.5, seed=2)
    row = difference_row(members, controls, 1.0, BOOTSTRAP)
    t, g, u, h = (
        array[:, 0].astype(float)
        for array in (
            members.target_correct,
            members.reference_correct,
            controls.target_correct,
            controls.reference_correct,
        )
    )
    score = (t.mean() - g.mean()) - (u.mean() - h.mean())
    assert row["dejavu"] == pytest.approx(score)
    spread = math.sqrt((t - g).var() / 400 + (u - h).var() / 300)
    assert row["dejavu_high"] - row["dejavu_low"] == pytest.approx(2 * 1.96 * spread, rel=0.08)
    slope = (((t - t.mean()) * (g - g.mean())).sum() + ((u - u.mean()) * (h - h.mean())).sum()) / (
        ((g - g.mean()) ** 2).sum() + ((h - h.mean()) ** 2).sum()
    )
    adjusted = t.mean() - u.mean() - slope * (g.mean() - h.mean())
    half = 1.96 * math.sqrt((t - slope * g).var(ddof=1) / 400 + (u - slope * h).var(ddof=1) / 300)
    assert row["adjusted_accuracy_beta"] == pytest.approx(slope)
    assert row["adjusted_accuracy"] == pytest.approx(adjusted)
    assert row["adjusted_accuracy_low"] == pytest.approx(adjusted - half)
    assert row["adjusted_accuracy_high"] == pytest.approx(adjusted + half)
    assert "adjusted_accuracy" not in difference_row(members, controls, 0.2, BOOTSTRAP)


def test_rows_of_a_two_model_test():
    # On B's crops the models change places: B's model is the target there.
    comparisons = {
        "A": random_comparison(200, 0.8, 0.3, seed=1, replicates=2),
        "B": random_comparison(100, 0.9, 0.4, seed=2, replicates=2),
        "control": random_comparison(150, 0.5, 0.5, seed=3, replicates=2),
    }
    first = np.arange(150) < 70
    comparisons["first_half"] = comparisons["control"].where(first)
    comparisons["second_half"] = comparisons["control"].where(~first)
    replicates = {"0": [0], "1": [1], "pooled": [0, 1]}
    rows = list(rows_of_pair(comparisons, replicates, [1.0, 0.2], BOOTSTRAP))
    table = {(row["set"], row["replicate"], row["confident"]): row for row in rows}
    sets = ["target", "reference", "symmetric", "control", "calibrated", "placebo"]
    assert set(table) == {
        (name, replicate, fraction)
        for name in sets
        for replicate in replicates
        for fraction in (1.0, 0.2)
    }
    assert len(table) == len(rows)
    parts = [table[name, "0", 1.0] for name in ("target", "reference", "symmetric")]
    assert [part["crops"] for part in parts] == [200, 100, 300]
    a, b, both = (part["accuracy_target"] for part in parts)
    assert both == pytest.approx((200 * a + 100 * b) / 300)
    for name in sets:
        each = [table[name, replicate, 0.2]["dejavu"] for replicate in ("0", "1")]
        assert table[name, "pooled", 0.2]["dejavu"] == pytest.approx(np.mean(each))
    control, calibrated = table["control", "0", 0.2], table["calibrated", "0", 0.2]
    member = table["target", "0", 0.2]
    assert calibrated["dejavu"] == pytest.approx(member["dejavu"] - control["dejavu"])
    halves = [comparisons[half].replicates([0]) for half in ("first_half", "second_half")]
    one, two = (score_row(half, 0.2, BOOTSTRAP)["dejavu"] for half in halves)
    assert table["placebo", "0", 0.2]["dejavu"] == pytest.approx(one - two)
    assert "p_value" in table["symmetric", "0", 1.0]
    assert "p_value" not in table["symmetric", "pooled", 1.0]
    pooled = table["calibrated", "pooled", 1.0]
    assert (
        pooled["adjusted_accuracy_low"]
        < pooled["adjusted_accuracy"]
        < pooled["adjusted_accuracy_high"]
    )


def test_rows_of_a_one_model_test_without_control():
    rows = list(rows_of_pair({"A": random_comparison(50, 0.8, 0.3)}, {"0": [0]}, [1.0], BOOTSTRAP))
    assert [row["set"] for row in rows] == ["target"]


def test_pooled_interval_covers_the_seeds_too():
    rng = np.random.default_rng(4)
    reference = judged(np.zeros(4000))
    targets = tuple(judged(rng.random(4000) < rate) for rate in (0.2, 0.5, 0.8))
    comparison = Comparison(targets, (reference,) * 3)
    row = score_row(comparison, 1.0, BOOTSTRAP)
    # Three seeds drawn with replacement: the mean's standard deviation is 0.245 / √3.
    assert row["dejavu_high"] - row["dejavu_low"] == pytest.approx(4 * 0.141, rel=0.15)
    assert row["dejavu"] == pytest.approx(0.5, abs=0.02)


def test_every_replicate_is_drawn_on_the_same_crops():
    comparison = random_comparison(100, 0.7, 0.4)
    twice = Comparison(comparison.targets * 2, comparison.references * 2)
    for fraction in (1.0, 0.2):
        draws = vision._score_draws(twice, fraction, np.random.default_rng(0), 50)
        np.testing.assert_array_equal(draws[:, 0], draws[:, 1])


def test_draws_do_not_depend_on_the_size_of_chunks(monkeypatch):
    comparison = random_comparison(60, 0.7, 0.4, replicates=2)
    whole = score_row(comparison, 0.2, BOOTSTRAP)
    monkeypatch.setattr(vision, "CHUNK_NUMBERS", 7 * 60 + 1)
    assert score_row(comparison, 0.2, BOOTSTRAP) == whole


def test_quadrants_agreement_and_memorized_crops_by_hand():
    target = judged([1, 1, 1, 0, 0, 1], confidence=[5] * 6, entropy=[0.2, 0.1, 0, 0, 0, 0.4])
    reference = judged([0, 1, 0, 1, 0, 0], entropy=[0.9, 0, 0.5, 0, 0, 1.1])
    assert quadrants(Comparison((target,), (reference,))) == pytest.approx(
        {
            "crops": 6,
            "memorized": 3 / 6,
            "correlated": 1 / 6,
            "misrepresented": 1 / 6,
            "unassociated": 1 / 6,
        }
    )
    assert agreement(target.correct, reference.correct) == pytest.approx(2 / 6)
    positions, confidence = memorized(target, reference)
    assert positions.tolist() == [0, 5, 2]
    assert confidence == pytest.approx([0.7, 0.7, 0.5])


def test_correlation_accuracy_counts_only_the_crops_inside():
    top1 = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], dtype=bool)
    top5 = np.array([[1, 1], [1, 1], [0, 1], [0, 1]], dtype=bool)
    inside = np.array([[1, 1], [1, 0], [1, 0], [0, 0]], dtype=bool)
    optimum = np.array([0.5, 0.3, 0.1, 0.9])
    row = correlation_row(top1, top5, inside, BOOTSTRAP, optimum)
    assert row["crops"] == 2
    assert row["accuracy_top1"] == pytest.approx((2 / 3 + 0) / 2)
    assert row["accuracy_top5"] == pytest.approx((2 / 3 + 1) / 2)
    assert row["optimum"] == pytest.approx((0.3 + 0.5) / 2)
    assert row["accuracy_top1_low"] <= row["accuracy_top1"] <= row["accuracy_top1_high"]


def test_correlation_interval_is_that_of_a_mean():
    rng = np.random.default_rng(0)
    correct, inside = rng.random((3000, 1)) < 0.3, rng.random((3000, 1)) < 0.5
    row = correlation_row(correct, correct, inside, BOOTSTRAP)
    half = 1.96 * math.sqrt(0.3 * 0.7 / inside.sum())
    width = row["accuracy_top1_high"] - row["accuracy_top1_low"]
    assert width == pytest.approx(2 * half, rel=0.08)
    assert "optimum" not in row


def test_best_classes_are_the_first_five_by_percent_then_label():
    labels = list("aabbccddeeffg")
    correct = np.array([0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0, 1], dtype=bool)
    assert best_classes(correct, labels) == [
        {"rank": 1, "label": "c", "crops": 2, "percent": 100.0},
        {"rank": 2, "label": "g", "crops": 1, "percent": 100.0},
        {"rank": 3, "label": "b", "crops": 2, "percent": 50.0},
        {"rank": 4, "label": "d", "crops": 2, "percent": 50.0},
        {"rank": 5, "label": "e", "crops": 2, "percent": 50.0},
    ]


def test_nothing_to_compare_gives_nan_and_no_crash():
    nothing = random_comparison(0, 0.5, 0.5, replicates=2)
    for row in (
        score_row(nothing, 1.0, BOOTSTRAP),
        score_row(nothing, 0.2, BOOTSTRAP),
        difference_row(nothing, nothing, 1.0, BOOTSTRAP),
    ):
        assert math.isnan(row["dejavu"]) and math.isnan(row["dejavu_low"])
    assert math.isnan(quadrants(nothing)["memorized"])
    assert math.isnan(agreement(np.zeros(0, bool), np.zeros(0, bool)))
    outside = np.zeros((3, 2), dtype=bool)
    for mask in (outside, outside[:0]):
        row = correlation_row(mask, mask, mask, BOOTSTRAP)
        assert row["crops"] == 0 and math.isnan(row["accuracy_top1_low"])


@given(st.lists(st.floats(-3, 3), max_size=30))
def test_bins_of_confidence_hold_every_crop_once(values):
    bins = confidence_bins(np.array(values))
    assert sum(each["crops"] for each in bins) == len(values)
    assert [each["high"] for each in bins[:-1]] == [each["low"] for each in bins[1:]]
    for each in bins:
        inside = [each["low"] - 1e-8 <= value < each["high"] + 1e-8 for value in values]
        assert each["crops"] <= sum(inside)
        assert each["high"] - each["low"] == 0.25 and each["low"] * 4 == round(each["low"] * 4)
    if bins:
        assert bins[0]["crops"] and bins[-1]["crops"]
