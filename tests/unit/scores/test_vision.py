"""Vision scores against explicit sorting, sums over crops and hand-worked numbers."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.scores import intervals, weighing
from dejavu.scores.judged import Comparison, Judged
from dejavu.scores.vision import (
    Score,
    Subset,
    agreement,
    best_classes,
    confidence_bins,
    confident_count,
    correlation_row,
    difference_row,
    expected_false,
    given_by_control,
    memorized,
    own_row,
    quadrants,
    rows_of_target,
    score_row,
)

Z = 1.959963984540054


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


def random_comparison(crops, target, reference, seed=0, replicates=1, classes=1):
    rng = np.random.default_rng(seed)
    samples = rng.permutation(10 * crops)[:crops]
    return Comparison(
        tuple(random_judged(crops, target, rng, samples) for _ in range(replicates)),
        tuple(random_judged(crops, reference, rng, samples) for _ in range(replicates)),
        rng.integers(0, classes, crops),
    )


def compared(target, reference):
    """Two predictors on crops of one class."""
    return Comparison((target,), (reference,), np.zeros(len(target.samples), np.int64))


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
    assert confident_count(weighing.equal_weights(crops), fraction) == count


def test_confident_subsets_of_weighed_crops_hold_their_part_of_the_weight():
    weights = np.array([0.1, 0.1, 0.3, 0.3, 0.2])
    for fraction, count in ((0.05, 0), (0.1, 1), (0.2, 2), (0.4, 2), (0.5, 3), (0.8, 4), (1, 5)):
        assert confident_count(weights, fraction) == count


def accuracy(one, fraction):
    return Subset.of(one, weighing.equal_weights(len(one.samples)), fraction).accuracy


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


@pytest.mark.parametrize("fraction", [1.0, 0.2])
def test_score_is_the_difference_of_each_predictors_own_confident_accuracies(fraction):
    comparison = random_comparison(300, 0.8, 0.4)
    row = score_row([comparison], [0], fraction, "sign")
    means = [
        one.correct[sorted_positions(one)[: row["crops"]]].mean()
        for one in (comparison.targets[0], comparison.references[0])
    ]
    assert [row["accuracy_target"], row["accuracy_reference"]] == pytest.approx(means)
    assert row["dejavu"] == pytest.approx(means[0] - means[1])
    assert row["dejavu_low"] < row["dejavu"] < row["dejavu_high"]
    assert ("p_value" in row) == (fraction == 1)


def test_interval_over_all_crops_is_that_of_wins_and_losses():
    comparison = random_comparison(60, 0.7, 0.5)
    gap = comparison.target_correct[:, 0] * 1.0 - comparison.reference_correct[:, 0]
    expected = intervals.mean_of(60, gap.sum(), np.abs(gap).sum()).ends()
    row = score_row([comparison], [0], 1.0, "sign")
    assert [row["dejavu_low"], row["dejavu_high"]] == pytest.approx(expected)


def test_confident_intervals_know_what_crops_the_two_subsets_share():
    """Two predictors with the same order: the correlation is that of their results."""
    rng = np.random.default_rng(0)
    g = rng.random(500) < 0.5
    t = np.where(rng.random(500) < 0.8, g, rng.random(500) < 0.5)
    confidence = -np.arange(500.0)
    comparison = compared(judged(t, confidence), judged(g, confidence))
    row = score_row([comparison], [0], 0.2, "no")
    t, g = t[:100].astype(float), g[:100].astype(float)
    sides = intervals.Proportion(t.mean(), 100), intervals.Proportion(g.mean(), 100)
    expected = intervals.Difference(*sides, np.corrcoef(t, g)[0, 1]).ends()
    assert [row["dejavu_low"], row["dejavu_high"]] == pytest.approx(expected)
    apart = compared(judged(t, confidence[:100]), judged(g, -confidence[:100]))
    one, other = (
        Subset.of(judge, weighing.equal_weights(100), 0.2)
        for judge in (apart.targets[0], apart.references[0])
    )
    assert one.parts @ other.parts == 0


def test_subsets_of_fewer_than_15_crops_have_no_interval_and_say_so():
    for crops, missing in ((74, "fewer than 15 crops"), (75, None)):
        row = score_row([random_comparison(crops, 0.7, 0.4)], [0], 0.2, "interval")
        assert row["no_interval"] == missing
        assert math.isnan(row["dejavu_low"]) == (missing is not None)
        assert math.isnan(row["p_value"]) == (missing is not None)
        assert math.isfinite(row["dejavu"])
    assert score_row([random_comparison(3, 0.7, 0.4)], [0], 1.0, "sign")["no_interval"] is None


def test_p_value_is_the_exact_two_sided_binomial():
    wins, losses = 7, 2
    comparison = compared(
        judged([1] * wins + [0] * losses + [1, 0]), judged([0] * wins + [1] * losses + [1, 0])
    )
    tail = sum(math.comb(9, k) for k in range(7, 10)) / 2**9
    assert score_row([comparison], [0], 1.0, "sign")["p_value"] == pytest.approx(2 * tail)
    tied = compared(judged([1, 0]), judged([1, 0]))
    assert score_row([tied], [0], 1.0, "sign")["p_value"] == 1


def test_each_direction_of_a_symmetric_score_weighs_one_half():
    one, other = random_comparison(200, 0.8, 0.5, seed=1), random_comparison(60, 0.7, 0.2, seed=2)
    row = score_row([one, other], [0], 1.0, "interval")
    means = [intervals.mean_of(*counts_of(each)) for each in (one, other)]
    expected = intervals.Average(*means)
    assert row["dejavu"] == pytest.approx(float(expected.value))
    assert [row["dejavu_low"], row["dejavu_high"]] == pytest.approx(
        [float(end) for end in expected.ends()]
    )
    assert row["crops"] == 260


def counts_of(comparison):
    gap = comparison.target_correct[:, 0] * 1.0 - comparison.reference_correct[:, 0]
    return comparison.crops, gap.sum(), np.abs(gap).sum()


@pytest.mark.parametrize("fraction", [1.0, 0.3])
def test_control_is_weighed_by_the_members_classes(fraction):
    """As if control's crops were copied until its classes have the members' shares."""
    members = random_comparison(300, 0.8, 0.5, seed=1, classes=3)
    controls = random_comparison(300, 0.6, 0.5, seed=2, classes=3)
    members = members.where(np.isin(np.arange(300), np.concatenate([
        np.flatnonzero(members.classes == number)[: 20 * (number + 1)] for number in range(3)
    ])))  # fmt: skip
    controls = controls.where(np.isin(np.arange(300), np.concatenate([
        np.flatnonzero(controls.classes == number)[:60] for number in range(3)
    ])))  # fmt: skip
    copies = np.repeat(np.arange(180), controls.classes + 1)
    copied = [
        Judged(
            one.samples[copies],
            one.correct[copies],
            one.confidence[copies],
            one.tiebreak[copies],
            one.entropy[copies],
        )
        for one in (controls.targets[0], controls.references[0])
    ]
    row, _, _ = difference_row(members, controls, [0], fraction)
    means = [
        side[0] - side[1]
        for side in (
            [accuracy(each[0], fraction) for each in (members.targets, members.references)],
            [accuracy(each, fraction) for each in copied],
        )
    ]
    # A subset of copies may end amid the copies of a crop.
    assert row["dejavu"] == pytest.approx(means[0] - means[1], abs=1e-9 if fraction == 1 else 0.02)
    assert (row["crops"], row["unmatched"]) == (int(120 * fraction), 0)
    assert ("adjusted_accuracy" in row) == (fraction == 1)


def test_classes_without_control_leave_both_sides_and_are_counted():
    members = random_comparison(100, 0.8, 0.5, seed=1, classes=4)
    controls = random_comparison(50, 0.6, 0.5, seed=2, classes=4)
    controls = controls.where(controls.classes != 2)
    row, _, _ = difference_row(members, controls, [0], 1.0)
    left = members.where(members.classes != 2)
    assert row["unmatched"] == 100 - left.crops > 0
    assert row["crops"] == left.crops
    again, _, _ = difference_row(left, controls, [0], 1.0)
    assert {**row, "unmatched": 0} == again


def test_the_adjusted_gap_is_that_of_the_weighed_crops():
    members = random_comparison(200, 0.8, 0.5, seed=1, classes=3)
    controls = random_comparison(150, 0.6, 0.5, seed=2, classes=3)
    row, _, _ = difference_row(members, controls, [0], 1.0)
    results = [
        tuple(each[0].correct.astype(float) for each in (side.targets, side.references))
        for side in (members, controls)
    ]
    _, weights = weighing.class_weights(members.classes, controls.classes)
    gap = weighing.adjusted_gap(*results, controls.classes, weights)
    ends = ("", "_low", "_high", "_beta")
    assert [row[f"adjusted_accuracy{end}"] for end in ends] == pytest.approx(
        [float(each) for each in (gap.value, *gap.ends(), gap.beta)]
    )
    assert row["p_value"] == pytest.approx(float(gap.p_value()))


def test_a_target_alone_is_compared_on_what_it_has_not_learned():
    others = random_comparison(80, 0.5, 0.5, seed=3)
    controls = random_comparison(60, 0.5, 0.5, seed=4)
    row = own_row(Comparison(others.targets, (), others.classes), controls, [0])
    sides = [each.targets[0].correct for each in (others, controls)]
    expected = intervals.Difference(*(intervals.Proportion(s.mean(), len(s)) for s in sides))
    assert row["adjusted_accuracy"] == pytest.approx(sides[0].mean() - sides[1].mean())
    assert [row["adjusted_accuracy_low"], row["adjusted_accuracy_high"]] == pytest.approx(
        [float(end) for end in expected.ends()]
    )
    assert row["adjusted_accuracy_beta"] == 0


def parts_of(replicates=1):
    a, b, control = (
        random_comparison(*each, replicates=replicates)
        for each in ((200, 0.8, 0.3, 1), (100, 0.7, 0.3, 2), (150, 0.4, 0.3, 3))
    )
    half = np.arange(150) % 2 == 0
    return {
        **{"A": a, "B": b, "control": control},
        **{"first_half": control.where(half), "second_half": control.where(~half)},
        "nonmember": Comparison(b.references, (), b.classes),
    }


def table_of(parts, replicates, fractions, test="two_model"):
    rows = rows_of_target({"b": parts}, {"b": replicates}, fractions, test)
    return {(row["set"], row["replicate"], row["confident"]): row for _, row in rows}


def test_rows_of_a_two_model_test():
    parts = parts_of(3)
    replicates = {"0": [0], "1": [1], "2": [2], "pooled": [0, 1, 2]}
    table = table_of(parts, replicates, [1.0, 0.2])
    sets = ["target", "reference", "symmetric", "control", "calibrated", "placebo"]
    assert list(table) == [
        (name, replicate, fraction)
        for replicate in replicates
        for fraction in (1.0, 0.2)
        for name in ([*sets, "nonmember"] if fraction == 1 else sets)
    ]
    of_sets = [table[name, "0", 1.0] for name in ("target", "reference", "symmetric")]
    assert [row["crops"] for row in of_sets] == [200, 100, 300]
    a, b, both = (row["accuracy_target"] for row in of_sets)
    assert both == pytest.approx((a + b) / 2)
    for name in sets:
        each = [table[name, replicate, 0.2]["dejavu"] for replicate in ("0", "1", "2")]
        assert table[name, "pooled", 0.2]["dejavu"] == pytest.approx(np.mean(each))
    for name in ("symmetric", "calibrated"):
        family = [table[name, "0", fraction] for fraction in (1.0, 0.2)]
        known = [row["p_value"] for row in family if "p_value" in row]
        assert family[0]["p_family"] == pytest.approx(family[0]["p_value"] * len(known))
    assert "p_family" not in table["placebo", "0", 1.0]
    for replicate in replicates:
        row = table["calibrated", replicate, 1.0]
        # One reference alone: the family is the row itself.
        for end in ("low", "high"):
            assert row[f"simultaneous_{end}"] == pytest.approx(
                row[f"adjusted_accuracy_{end}"], abs=4e-3
            )


def test_raw_rows_of_one_model_tests_have_no_p_value():
    parts = parts_of()
    del parts["B"]
    table = table_of(parts, {"0": [0]}, [1.0], "one_model")
    assert [name for name, *_ in table] == [
        *("target", "control", "calibrated", "placebo", "nonmember")
    ]
    for name in ("target", "control"):
        assert "p_value" not in table[name, "0", 1.0]
    alone = table_of({"A": parts["A"]}, {"0": [0]}, [1.0], "one_model")
    assert [name for name, *_ in alone] == ["target"]


def test_references_of_a_target_are_one_family():
    parts, replicates = parts_of(), {"0": [0]}
    pairs = {"x": parts, "y": parts}
    rows = list(rows_of_target(pairs, dict.fromkeys(pairs, replicates), [1.0], "one_model"))
    calibrated = [row for _, row in rows if row["set"] == "calibrated"]
    # The same twice: a family of two p-values, and a largest of two equal gaps.
    for row in calibrated:
        assert row["p_family"] == pytest.approx(2 * row["p_value"])
        for end in ("low", "high"):
            assert row[f"simultaneous_{end}"] == pytest.approx(
                row[f"adjusted_accuracy_{end}"], abs=4e-3
            )


def test_pooled_interval_covers_the_seeds_too():
    rng = np.random.default_rng(4)
    reference = judged(np.zeros(4000))
    targets = tuple(judged(rng.random(4000) < rate) for rate in (0.2, 0.5, 0.8))
    comparison = Comparison(targets, (reference,) * 3, np.zeros(4000, np.int64))
    row = score_row([comparison], [0, 1, 2], 1.0, "interval")
    # Three seeds whose standard deviation is .3: Student's t with 2 degrees of freedom.
    half = 4.303 * 0.3 / math.sqrt(3)
    assert row["dejavu_high"] == pytest.approx(min(1, 0.5 + half), rel=0.05)
    assert row["dejavu"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("fraction", [1.0, 0.25])
def test_pooled_interval_is_hilliss(fraction):
    comparison = random_comparison(120, 0.7, 0.4, replicates=3)
    row = score_row([comparison], [0, 1, 2], fraction, "interval")
    weights = weighing.equal_weights(120)
    scores = [Score.of(comparison, replicate, weights, fraction) for replicate in range(3)]
    count = int(120 * fraction)
    values = np.array([score.value for score in scores])
    # What a crop adds: 1 / count times the deviation of its result in either subset.
    parts = np.zeros((3, 120))
    for replicate in range(3):
        for sign, side in ((1, comparison.targets), (-1, comparison.references)):
            one = side[replicate]
            chosen = sorted_positions(one)[:count]
            right = one.correct[chosen].astype(float)
            parts[replicate, chosen] += sign * (right - right.mean()) / count
    centres = count * values / (count + 2)
    products = [
        count**2 * parts[a] @ parts[b]
        + count * (values[a] - centres[a]) * (values[b] - centres[b])
        + (1 - centres[a]) * (1 - centres[b])
        + (1 + centres[a]) * (1 + centres[b])
        for a, b in combinations(range(3), 2)
    ]
    covariance = max(np.mean(products), 1) / (count + 2) ** 2
    expected = intervals.pooled(values, centres, covariance, most=1)
    assert row["dejavu"] == pytest.approx(values.mean())
    assert [row["dejavu_low"], row["dejavu_high"]] == pytest.approx(expected.ends())


def test_two_seeds_are_pooled_without_an_interval():
    table = table_of(parts_of(2), {"0": [0], "1": [1], "pooled": [0, 1]}, [1.0])
    for (_, replicate, _), row in table.items():
        assert row["no_interval"] == ("two seeds" if replicate == "pooled" else None)
        if replicate == "pooled":
            assert all(math.isnan(value) for name, value in row.items() if name.endswith("_low"))


def test_quadrants_agreement_and_memorized_crops_by_hand():
    target = judged([1, 1, 1, 0, 0, 1], confidence=[5] * 6, entropy=[0.2, 0.1, 0, 0, 0, 0.4])
    reference = judged([0, 1, 0, 1, 0, 0], entropy=[0.9, 0, 0.5, 0, 0, 1.1])
    members = compared(target, reference)
    control = compared(judged([1, 0, 1, 1, 0]), judged([0, 0, 1, 1, 1]))
    row = quadrants([(members, control)], [0])
    assert row == pytest.approx(
        {
            "crops": 6,
            "memorized": 3 / 6,
            "correlated": 1 / 6,
            "misrepresented": 1 / 6,
            "unassociated": 1 / 6,
            "expected_false": 6 / 5,
        }
    )
    both = quadrants([(members, control), (control, None)], [0])
    assert both["crops"] == 11 and both["memorized"] == pytest.approx((3 / 6 + 1 / 5) / 2)
    assert math.isnan(both["expected_false"])
    assert agreement(target.correct, reference.correct) == pytest.approx(2 / 6)
    positions, confidence = memorized(target, reference)
    assert positions.tolist() == [0, 5, 2]
    assert confidence == pytest.approx([0.7, 0.7, 0.5])


def test_false_entries_are_those_of_control_at_the_same_confidence():
    nothing = np.zeros(8)
    members = Comparison((judged(nothing),), (judged(nothing),), np.array([0] * 6 + [1] * 2))
    # Class 0 has 4 crops in control, of which 3 look memorized; class 1 has 1, which does.
    target = judged([1, 1, 1, 0, 1], entropy=[0] * 5)
    reference = judged([0, 0, 0, 0, 0], entropy=[0.9, 0.5, 0.3, 0, 0.5])
    control = Comparison((target,), (reference,), np.array([0, 0, 0, 0, 1]))
    found = expected_false(np.array([1.2, 0.9, 0.5, 0.4, 0.1]), members, control)
    # A crop of class 0 stands for 6 / 4 members, that of class 1 for 2.
    assert found == pytest.approx([0, 1.5, 1.5 + 1.5 + 2, 5, 6.5])
    assert np.isnan(expected_false(np.array([1.0]), members, None)).all()
    bins = confidence_bins(np.array([0.6, 0.1, 0.55]), given_by_control(members, control))
    assert [row["crops"] for row in bins] == [1, 0, 2, 0]
    assert [row["expected_false"] for row in bins] == pytest.approx([0, 1.5, 3.5, 1.5])
    assert bins[-1]["high"] == 1.0


def test_correlation_accuracy_counts_only_the_crops_inside():
    top1 = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], dtype=bool)
    top5 = np.array([[1, 1], [1, 1], [0, 1], [0, 1]], dtype=bool)
    inside = np.array([[1, 1], [1, 0], [1, 0], [0, 0]], dtype=bool)
    optimum = np.array([0.5, 0.3, 0.1, 0.9])
    row = correlation_row(top1, top5, inside, optimum)
    assert row["crops"] == 2
    assert row["accuracy_top1"] == pytest.approx((2 / 3 + 0) / 2)
    assert row["accuracy_top5"] == pytest.approx((2 / 3 + 1) / 2)
    assert row["optimum"] == pytest.approx((0.3 + 0.5) / 2)
    assert row["no_interval"] == "two seeds"


def test_correlation_interval_is_that_of_the_crops_inside():
    rng = np.random.default_rng(0)
    correct, inside = rng.random((300, 1)) < 0.3, rng.random((300, 1)) < 0.5
    row = correlation_row(correct, correct, inside)
    right = int((correct & inside).sum())
    expected = intervals.proportion(right, int(inside.sum()))
    assert [row["accuracy_top1_low"], row["accuracy_top1_high"]] == pytest.approx(expected)
    assert "optimum" not in row


def test_correlation_of_three_seeds_has_a_wider_interval_than_that_of_one():
    rng = np.random.default_rng(0)
    correct = np.stack([rng.random(400) < rate for rate in (0.2, 0.3, 0.4)], axis=1)
    inside = np.ones_like(correct)
    row = correlation_row(correct, correct, inside)
    low, high = intervals.proportion(int(correct[:, 1].sum()), 400)
    assert row["accuracy_top1_high"] - row["accuracy_top1_low"] > 2 * (high - low)
    assert row["accuracy_top1"] == pytest.approx(correct.mean())


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
        score_row([nothing], [0], 1.0, "sign"),
        score_row([nothing], [0], 0.2, "sign"),
        difference_row(nothing, nothing, [0], 1.0)[0],
    ):
        assert math.isnan(row["dejavu"]) and math.isnan(row["dejavu_low"])
        assert row["no_interval"] == "too few crops"
    assert math.isnan(quadrants([(nothing, nothing)], [0])["memorized"])
    assert math.isnan(agreement(np.zeros(0, bool), np.zeros(0, bool)))
    outside = np.zeros((3, 2), dtype=bool)
    for mask in (outside, outside[:0]):
        row = correlation_row(mask, mask, mask)
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
        assert all(math.isnan(each["expected_false"]) for each in bins)
