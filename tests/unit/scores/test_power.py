"""80 % power is 80 %: in worlds of known truth, so many of their samples find the score."""

import numpy as np
import pytest

from dejavu.scores import intervals, power
from dejavu.scores.intervals import Average, Difference, Moments
from dejavu.scores.judged import Comparison, Judged
from dejavu.scores.power import Side
from dejavu.scores.recovered import Outcome
from dejavu.scores.tallies import Tally

EXPERIMENTS = 4000
ASKED = {"ppg": 0.02, "gap": 0.01}


def outcome(random, n, rate):
    truth, predicted = random.integers(1, 8, n), random.integers(0, 11, n)
    return Outcome(truth, predicted, random.binomial(np.minimum(truth, predicted), rate))


def tallies(random, sizes, clusters=None):
    """A tally of each set, and the outcomes of target and reference that it is made of."""
    found, known = {}, {}
    for name, n in sizes.items():
        target, reference = outcome(random, n, 0.6), outcome(random, n, 0.4)
        found[name] = Tally.of([target], [reference], clusters=clusters)
        known[name] = target.precision, reference.precision
    return found, known


def test_variances_are_the_textbooks_and_sizes_follow_from_them():
    random = np.random.default_rng(3)
    found, known = tallies(random, {"target": 700, "reference": 500, "control": 300})
    rows = {(row["set"], row["score"]): row for row in power.vlm_rows(found, 0, "two_model", ASKED)}
    assert set(rows) == {
        ("target", "ppg"), ("symmetric", "ppg"), ("calibrated", "ppg"),
        ("calibrated", "adjusted_precision"),
    }  # fmt: skip
    signs = {name: np.sign(t - g) for name, (t, g) in known.items()}
    untied = {name: (sign != 0).mean() - sign.mean() ** 2 for name, sign in signs.items()}
    (t, g), (u, h) = known["target"], known["control"]
    beta = np.polyfit(h, u, 1)[0]
    expected = {
        ("target", "ppg"): (700, untied["target"], None, None),
        ("symmetric", "ppg"): (700, untied["target"], 500, untied["reference"]),
        ("calibrated", "ppg"): (700, untied["target"], 300, untied["control"]),
        ("calibrated", "adjusted_precision"): (
            700, np.var(t - beta * g), 300, np.var(u - beta * h),
        ),
    }  # fmt: skip
    for key, (n, variance, m, other) in expected.items():
        row, half = rows[key], 0.5 if key[0] == "symmetric" else 1
        assert (row["first_samples"], row.get("second_samples")) == (n, m)
        assert row["first_variance"] == pytest.approx(variance)
        whole = variance / n
        if m:
            assert row["second_variance"] == pytest.approx(other)
            whole += other / m
        assert row["smallest_detectable"] == pytest.approx(half * 2.801585 * np.sqrt(whole))
        asked = ASKED["ppg" if key[1] == "ppg" else "gap"]
        assert row["asked"] == asked
        both = variance + (other or 0)
        assert row["samples_needed"] == int(np.ceil((half * 2.801585 / asked) ** 2 * both))


def test_captions_of_one_image_count_as_what_they_are_worth():
    random = np.random.default_rng(4)
    each = outcome(random, 400, 0.6), outcome(random, 400, 0.4)
    once = Tally.of([each[0]], [each[1]])
    twice = [Outcome(*(np.repeat(c, 2) for c in side.columns)) for side in each]
    clustered = Tally.of([twice[0]], [twice[1]], clusters=np.repeat(np.arange(400), 2))
    [one], [two] = (
        power.vlm_rows({"target": tally}, 0, "two_model", ASKED) for tally in (once, clustered)
    )
    assert two["first_samples"] == 2 * one["first_samples"]
    assert two["first_variance"] == pytest.approx(2 * one["first_variance"])
    assert two["smallest_detectable"] == pytest.approx(one["smallest_detectable"])


def test_what_is_needed_is_what_tells():
    sides = [Side(900, 0.7), Side(400, 0.5)]
    score = power.smallest_detectable(sides)
    needed = power.samples_needed(sides, score)
    same = [Side(needed, side.variance) for side in sides]
    fewer = [Side(needed - 1, side.variance) for side in sides]
    assert power.smallest_detectable(same) <= score < power.smallest_detectable(fewer)


def test_nothing_is_told_of_sets_without_samples():
    empty = outcome(np.random.default_rng(0), 0, 0.5)
    tally = Tally.of([empty], [empty])
    for row in power.vlm_rows({"target": tally, "control": tally}, 0, "two_model", ASKED):
        assert np.isnan(row["smallest_detectable"]) and row["samples_needed"] is None


def rejected(estimates):
    """Part of experiments whose 95 % interval excludes 0."""
    low, high = estimates.ends()
    return float(np.mean((low > 0) | (high < 0)))


def drawn(random, n, wins, losses):
    """PPG of subsamples of a world with that share of wins and of losses."""
    counts = random.multinomial(n, [wins, losses, 1 - wins - losses], EXPERIMENTS)
    return intervals.mean_of(n, counts[:, 0] - counts[:, 1], counts[:, 0] + counts[:, 1])


def untied(wins, losses):
    return wins + losses - (wins - losses) ** 2


TOLERANCE = 3.5 * np.sqrt(0.8 * 0.2 / EXPERIMENTS) + 0.005


@pytest.mark.parametrize(("wins", "losses"), [(0.43, 0.37), (0.06, 0.03), (0.55, 0.40)])
def test_a_score_is_found_in_four_of_five_measurements(wins, losses):
    random = np.random.default_rng(11)
    [asked] = {wins - losses}
    n = power.samples_needed([Side(1, untied(wins, losses))], asked)
    assert rejected(drawn(random, n, wins, losses)) == pytest.approx(0.8, abs=TOLERANCE)
    # Calibrated: control has no memory, and as many samples.
    level = (wins + losses) / 2
    sides = [Side(1, untied(wins, losses)), Side(1, untied(level, level))]
    n = power.samples_needed(sides, asked)
    both = Difference(drawn(random, n, wins, losses), drawn(random, n, level, level))
    assert rejected(both) == pytest.approx(0.8, abs=TOLERANCE)
    # Symmetric: a mean of two such sets needs half of the samples in each.
    one = Side(1, untied(wins, losses), power.HALF)
    n = power.samples_needed([one, one], asked)
    both = Average(drawn(random, n, wins, losses), drawn(random, n, wins, losses))
    assert rejected(both) == pytest.approx(0.8, abs=TOLERANCE)


def test_an_adjusted_gap_is_found_in_four_of_five_subsamples():
    random = np.random.default_rng(5)
    truth, gap = 5, 0.03

    def world(n, memory):
        ease = random.beta(2, 2, n)
        g = random.binomial(truth, ease) / truth
        t = random.binomial(truth, 0.2 + memory + 0.5 * ease) / truth
        return t, g

    members, controls = world(200_000, gap), world(200_000, 0)
    beta = np.polyfit(controls[1], controls[0], 1)[0]
    sides = [power.of_residuals(Moments.of(*each), beta) for each in (members, controls)]
    n = power.samples_needed(sides, gap)
    assert 500 < n < 5000
    found, experiments = 0, 600
    for _ in range(experiments):
        one, other = (
            [values[random.integers(0, 200_000, n)] for values in each]
            for each in (members, controls)
        )
        known, places = np.unique(other[1], return_inverse=True)
        sums = [np.bincount(places, weights) for weights in (np.ones(n), other[0], other[0] ** 2)]
        levels = intervals.Levels(known, *sums)
        found += (
            intervals.adjusted_gap(Moments.of(*one), Moments.of(*other), levels).p_value() < 0.05
        )
    assert found / experiments == pytest.approx(0.8, abs=3.5 * np.sqrt(0.16 / experiments))


def judged(correct):
    n = len(correct)
    return Judged(np.arange(n), correct, np.zeros(n), np.zeros(n), np.zeros(n))


def comparison(random, n, classes):
    """Half of the crops, then those that the reference gets right."""
    target, reference = random.random((2, n)) < [[0.6], [0.3]]
    return Comparison((judged(target),), (judged(reference),), random.integers(0, classes, n))


def test_crops_weigh_as_in_the_scores():
    random = np.random.default_rng(8)
    parts = {
        name: comparison(random, n, 5) for name, n in (("A", 600), ("B", 400), ("control", 90))
    }
    rows = {
        (row["set"], row["score"]): row for row in power.vision_rows(parts, 0, "two_model", 0.02)
    }
    gaps = {
        name: each.target_correct[:, 0].astype(float) - each.reference_correct[:, 0]
        for name, each in parts.items()
    }
    symmetric = rows["symmetric", "dejavu"]
    variances = [np.var(gaps["A"]), np.var(gaps["B"])]
    assert [symmetric[f"{place}_variance"] for place in ("first", "second")] == pytest.approx(
        variances
    )
    smallest = 2.801585 / 2 * np.sqrt(variances[0] / 600 + variances[1] / 400)
    assert symmetric["smallest_detectable"] == pytest.approx(smallest)
    # Control's classes weigh as A's do; their mean has its variance over an effective number.
    shares = np.bincount(parts["A"].classes) / 600 / np.bincount(parts["control"].classes)
    weights = shares[parts["control"].classes]
    mean = weights @ gaps["control"]
    variance = weights @ (gaps["control"] - mean) ** 2 * (weights**2).sum()
    row = rows["calibrated", "dejavu"]
    assert row["second_samples"] == 90
    assert row["second_variance"] / 90 == pytest.approx(variance)
    assert rows["calibrated", "adjusted_accuracy"]["first_variance"] < row["first_variance"]


def test_samples_that_are_all_alike_tell_nothing_of_how_many_are_enough():
    row = power.row_of([Side(40, 0.0), Side(30, 1e-18)], 0.02)
    assert np.isnan(row["smallest_detectable"]) and row["samples_needed"] is None
    assert power.row_of([Side(40, 0.0), Side(30, 0.5)], 0.02)["samples_needed"] == 9_812
