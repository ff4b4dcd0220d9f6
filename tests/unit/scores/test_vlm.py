"""Scores, intervals and rows of the vision-language measurement, sample by sample."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from dejavu.config.replicates import replicates
from dejavu.scores import recovered
from dejavu.scores.intervals import Bootstrap
from dejavu.scores.recovered import Outcome, Setting
from dejavu.scores.vlm import (
    MEASURES,
    Tally,
    agreement_counts,
    agreements_of,
    difference_row,
    population_row,
    recall_rows,
    rows_of_test,
    tallies_of,
)

DRAW = Bootstrap(200, ("test",))


@st.composite
def outcomes(draw, most=25):
    """Target and reference outcomes of the same samples; some without truth or predictions."""
    size = draw(st.integers(2, most))
    truth = np.array(draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)))

    def side():
        predicted = np.array(draw(st.lists(st.integers(0, 5), min_size=size, max_size=size)))
        share = np.array(draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)))
        return Outcome(truth, predicted, np.minimum(share, np.minimum(truth, predicted)))

    return side(), side()


def random_outcomes(rng, samples, skill, noise=None, truth=None):
    """Outcomes whose samples recover each of their objects with a probability."""
    truth = rng.integers(1, 6, samples) if truth is None else truth
    correct = rng.binomial(truth, np.clip(skill, 0, 1))
    return Outcome(truth, correct + rng.integers(0, 4, samples), correct)


def ratios(outcome):
    """Precision and recall of the samples that have any truth, one at a time."""
    rows = zip(outcome.truth, outcome.predicted, outcome.correct, strict=True)
    pairs = [(c / p if p else 0.0, c / t) for t, p, c in rows if t > 0]
    return np.array(pairs).reshape(-1, 2).T


@given(outcomes())
def test_scores_equal_those_computed_sample_by_sample(sides):
    target, reference = sides
    row = population_row(Tally.of([target], [reference]), [0], DRAW)
    (precision, recall), (precision_g, recall_g) = ratios(target), ratios(reference)
    assert row["targets"] == len(precision)
    assert row["excluded"] == len(target.truth) - len(precision)
    if not len(precision):
        assert np.isnan(row["ppg"])
        return
    scored = target.truth > 0
    expected = {
        "ppg": np.mean(precision > precision_g) - np.mean(precision < precision_g),
        "prg": np.mean(recall > recall_g) - np.mean(recall < recall_g),
        "aucg": recall.mean() - recall_g.mean(),
        "precision_target": precision.mean(),
        "precision_reference": precision_g.mean(),
        "recall_target": recall.mean(),
        "recall_reference": recall_g.mean(),
        "predicted_target": target.predicted[scored].mean(),
        "predicted_reference": reference.predicted[scored].mean(),
    }
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, abs=1e-12), name
    wins, losses = int((precision > precision_g).sum()), int((precision < precision_g).sum())
    p_value = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert row["p_value"] == pytest.approx(p_value)
    for measure in MEASURES:
        assert row[f"{measure}_low"] <= row[f"{measure}_high"]


@given(outcomes())
def test_aucg_is_the_area_between_the_two_recall_distributions(sides):
    target, reference = sides
    recall, recall_g = ratios(target)[1], ratios(reference)[1]
    if not len(recall):
        return
    # Both distribution functions are constant between the recalls that occur.
    steps = np.unique(np.concatenate([[0.0, 1.0], recall, recall_g]))
    middles = (steps[1:] + steps[:-1]) / 2
    gap = [np.mean(recall_g <= x) - np.mean(recall <= x) for x in middles]
    area = float(np.sum(gap * np.diff(steps)))
    row = population_row(Tally.of([target], [reference]), [0], DRAW)
    assert row["aucg"] == pytest.approx(area, abs=1e-12)


@given(outcomes(), st.lists(st.integers(0, 25), max_size=3), st.randoms(use_true_random=False))
def test_tallies_of_shards_add_up_in_any_order(sides, cuts, random):
    target, reference = sides
    cuts = sorted(min(cut, len(target.truth)) for cut in cuts)
    parts = np.split(np.arange(len(target.truth)), cuts)
    random.shuffle(parts)
    shards = [Tally.of([target.of(part)], [reference.of(part)]) for part in parts]
    total = sum(shards[1:], start=shards[0])
    whole = Tally.of([target], [reference])
    assert_same(total, whole)
    assert (total.excluded, total.samples) == (whole.excluded, whole.samples)
    if whole.samples:
        rows = (population_row(tally, [0], DRAW) for tally in (total, whole))
        assert next(rows) == pytest.approx(next(rows), abs=1e-12)


def assert_same(first, second):
    """Two tallies count the same; sums differ by rounding at most."""
    assert first.outcomes.tolist() == second.outcomes.tolist()
    assert first.counts.tolist() == second.counts.tolist()
    np.testing.assert_allclose(first.sums, second.sums, atol=1e-12)


def test_only_chosen_samples_are_tallied():
    rng = np.random.default_rng(0)
    target, reference = (random_outcomes(rng, 40, 0.5, truth=np.arange(40) % 4) for _ in range(2))
    chosen = rng.random(40) < 0.5
    tally = Tally.of([target], [reference], chosen)
    expected = Tally.of([target.of(chosen)], [reference.of(chosen)])
    assert_same(tally, expected)
    assert tally.excluded == np.count_nonzero(chosen & (np.arange(40) % 4 == 0))


def plain_bootstrap(values, replications, rng):
    """Means of resampled samples."""
    rows = rng.integers(0, len(values), (replications, len(values)))
    return values[rows].mean(axis=1)


def measured(target, reference):
    """What PPG, PRG and AUCG are the means of."""
    (precision, recall), (precision_g, recall_g) = ratios(target), ratios(reference)
    return {
        "ppg": np.sign(precision - precision_g),
        "prg": np.sign(recall - recall_g),
        "aucg": recall - recall_g,
    }


def test_intervals_are_those_of_a_plain_bootstrap_over_samples():
    rng = np.random.default_rng(1)
    truth = rng.integers(1, 6, 300)
    target = random_outcomes(rng, 300, 0.6, truth=truth)
    reference = random_outcomes(rng, 300, 0.4, truth=truth)
    row = population_row(Tally.of([target], [reference]), [0], Bootstrap(6000, ("a",)))
    for measure, values in measured(target, reference).items():
        ends = np.quantile(plain_bootstrap(values, 6000, rng), [0.025, 0.975])
        found = [row[f"{measure}_low"], row[f"{measure}_high"]]
        np.testing.assert_allclose(found, ends, atol=0.05 * values.std())
        assert found[0] < row[measure] < found[1]


def test_calibrated_intervals_are_those_of_two_independent_bootstraps():
    rng = np.random.default_rng(2)
    truths = [rng.integers(1, 6, size) for size in (300, 150)]
    members, controls = (
        [random_outcomes(rng, len(truth), skill, truth=truth) for skill in (0.6, 0.4)]
        for truth in truths
    )
    row = difference_row(
        Tally.of([members[0]], [members[1]]),
        Tally.of([controls[0]], [controls[1]]),
        [0],
        Bootstrap(6000, ("b",)),
    )
    first, second = measured(*members), measured(*controls)
    for measure in MEASURES:
        assert row[measure] == pytest.approx(first[measure].mean() - second[measure].mean())
        draws = plain_bootstrap(first[measure], 6000, rng)
        draws = draws - plain_bootstrap(second[measure], 6000, rng)
        ends = np.quantile(draws, [0.025, 0.975])
        found = [row[f"{measure}_low"], row[f"{measure}_high"]]
        np.testing.assert_allclose(found, ends, atol=0.1 * draws.std())


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(3)
    truth = np.full(120, 2)
    covered = 0
    for trial in range(300):
        # Target better, equal or worse with probabilities 0.5, 0.3, 0.2: PPG is 0.3.
        sides = rng.choice([[2, 1], [1, 1], [1, 2]], 120, p=[0.5, 0.3, 0.2]).T
        target, reference = (Outcome(truth, truth, correct) for correct in sides)
        tally = Tally.of([target], [reference])
        row = population_row(tally, [0], Bootstrap(400, (trial,)))
        covered += row["ppg_low"] <= 0.3 <= row["ppg_high"]
    assert 0.91 <= covered / 300 <= 0.98


def test_a_set_minus_itself_is_drawn_twice_and_independently():
    made, sides, _ = tallies()
    row = difference_row(made["target"], made["target"], [0], Bootstrap(6000, ("c",)))
    deviations = {m: each.std() for m, each in measured(*(s[0] for s in sides["target"])).items()}
    for measure in MEASURES:
        assert row[measure] == 0
        expected = 2 * 1.96 * deviations[measure] * (2 / made["target"].samples) ** 0.5
        width = row[f"{measure}_high"] - row[f"{measure}_low"]
        assert width == pytest.approx(expected, rel=0.1)


@given(outcomes(), outcomes())
def test_adjusted_gap_is_the_regression_on_group_and_reference(first, second):
    row_of = Tally.of([first[0]], [first[1]]), Tally.of([second[0]], [second[1]])
    if min(tally.samples for tally in row_of) < 2:
        return
    row = difference_row(*row_of, [0], DRAW)
    for place, kind in enumerate(("precision", "recall")):
        (t1, g1), (t2, g2) = ((ratios(t)[place], ratios(g)[place]) for t, g in (first, second))
        within = np.concatenate([g1 - g1.mean(), g2 - g2.mean()])
        beta = 0.0
        if np.abs(within).max() > 1e-9:
            # Least squares of the target's result on group and reference.
            design = np.zeros((len(t1) + len(t2), 3))
            design[: len(t1), 0] = design[len(t1) :, 1] = 1
            design[:, 2] = np.concatenate([g1, g2])
            beta = np.linalg.lstsq(design, np.concatenate([t1, t2]), rcond=None)[0][2]
        gap = (t1.mean() - t2.mean()) - beta * (g1.mean() - g2.mean())
        variance = np.var(t1 - beta * g1, ddof=1) / len(t1)
        variance += np.var(t2 - beta * g2, ddof=1) / len(t2)
        name = f"adjusted_{kind}"
        assert row[f"{name}_beta"] == pytest.approx(beta, abs=1e-8)
        assert row[name] == pytest.approx(gap, abs=1e-8)
        assert row[f"{name}_low"] == pytest.approx(gap - 1.96 * variance**0.5, abs=1e-6)
        assert row[f"{name}_high"] == pytest.approx(gap + 1.96 * variance**0.5, abs=1e-6)


def tallies(seed=0, sizes=(80, 60, 50), seeds=1):
    """All tallies of a test, and the sides that they were made of."""
    rng = np.random.default_rng(seed)
    sides = {}
    for name, size in zip(("target", "control", "reference"), sizes, strict=True):
        truth = rng.integers(0, 5, size)
        sides[name] = [
            [random_outcomes(rng, size, skill + step * seed, truth=truth) for seed in range(seeds)]
            for skill, step in ((0.5, 0.2), (0.4, 0.0))
        ]
    half = rng.random(sizes[1]) < 0.5
    made = {name: Tally.of(*each) for name, each in sides.items()}
    made["first_half"] = Tally.of(*sides["control"], half)
    made["second_half"] = Tally.of(*sides["control"], ~half)
    return made, sides, half


def by_set(rows, replicate="0"):
    return {row["set"]: row for row in rows if row["replicate"] == replicate}


def test_two_model_tests_have_the_sets_and_values_of_the_method():
    made, sides, half = tallies()
    rows = by_set(rows_of_test(made, {"0": [0]}, DRAW))
    assert list(rows) == ["target", "control", "reference", "symmetric", "calibrated", "placebo"]
    values = {name: measured(*(each[0] for each in sides[name])) for name in sides}
    scored_half = half[sides["control"][0][0].truth > 0]
    for measure in MEASURES:
        means = {name: values[name][measure].mean() for name in values}
        for name, mean in means.items():
            assert rows[name][measure] == pytest.approx(mean)
        pooled = np.concatenate([values["target"][measure], values["reference"][measure]])
        assert rows["symmetric"][measure] == pytest.approx(pooled.mean())
        calibrated = means["target"] - means["control"]
        assert rows["calibrated"][measure] == pytest.approx(calibrated)
        control = values["control"][measure]
        placebo = control[scored_half].mean() - control[~scored_half].mean()
        assert rows["placebo"][measure] == pytest.approx(placebo)


def test_one_model_tests_have_the_check_on_non_members_instead():
    made, sides, _ = tallies()
    made["nonmember"] = made.pop("reference")
    rows = by_set(rows_of_test(made, {"0": [0]}, DRAW))
    assert list(rows) == ["target", "control", "calibrated", "placebo", "nonmember"]
    values = {name: measured(*(each[0] for each in sides[name])) for name in sides}
    for measure in MEASURES:
        gap = values["reference"][measure].mean() - values["control"][measure].mean()
        assert rows["nonmember"][measure] == pytest.approx(gap)


def test_rows_fill_the_columns_of_the_contract_and_no_others():
    made, _, _ = tallies()
    rows = by_set(rows_of_test(made, {"0": [0]}, DRAW))
    scores = {f"{m}{end}" for m in MEASURES for end in ("", "_low", "_high")}
    adjusted = {
        f"adjusted_{kind}{end}"
        for kind in ("precision", "recall")
        for end in ("", "_low", "_high", "_beta")
    }
    means = {
        f"{what}_{role}"
        for what in ("precision", "recall", "predicted")
        for role in ("target", "reference")
    }
    counts = {"targets", "excluded", "contaminated"}
    for name in ("calibrated", "placebo"):
        assert set(rows[name]) == {"replicate", "set"} | scores | adjusted
    for name in ("target", "control", "reference", "symmetric"):
        assert set(rows[name]) == {"replicate", "set", "p_value"} | scores | means | counts


def test_a_target_alone_gives_one_row():
    made, _, _ = tallies()
    rows = list(rows_of_test({"target": made["target"]}, {"0": [0]}, DRAW))
    assert [row["set"] for row in rows] == ["target"]


def test_an_empty_control_leaves_its_scores_empty_and_the_others_whole():
    made, _, _ = tallies()
    nothing = np.zeros(0, np.int64)
    empty = Outcome(nothing, nothing, nothing)
    made["control"] = Tally.of([empty], [empty])
    rows = by_set(rows_of_test(made, {"0": [0]}, DRAW))
    assert rows["control"]["targets"] == 0
    for row in (rows["control"], rows["calibrated"]):
        assert all(np.isnan(row[f"ppg{end}"]) for end in ("", "_low", "_high"))
    assert np.isnan(rows["calibrated"]["adjusted_precision"])
    assert np.isfinite(rows["target"]["ppg_low"])


def test_rows_do_not_depend_on_what_else_is_computed():
    made, _, _ = tallies()
    alone = next(rows_of_test({"target": made["target"]}, {"0": [0]}, DRAW))
    assert by_set(rows_of_test(made, {"0": [0]}, DRAW))["target"] == alone


def test_pooled_rows_are_means_over_replicates_with_a_crossed_bootstrap():
    made, sides, _ = tallies(seeds=3)
    rows = list(
        rows_of_test(made, replicates({"seeds": [4, 5, 6]}, {"seeds": [9]}), Bootstrap(6000, ()))
    )
    singles = [by_set(rows, seed) for seed in ("4", "5", "6")]
    pooled = by_set(rows, "pooled")
    for name in pooled:
        for measure in MEASURES:
            mean = np.mean([single[name][measure] for single in singles])
            assert pooled[name][measure] == pytest.approx(mean)
    for name in ("calibrated", "placebo"):
        mean = np.mean([single[name]["adjusted_recall"] for single in singles])
        assert pooled[name]["adjusted_recall"] == pytest.approx(mean)
    assert "p_value" in singles[0]["target"]
    assert "p_value" not in pooled["target"]

    # The same by hand: one draw of seeds, one of samples in each set, for both sets together.
    rng = np.random.default_rng(5)
    betas = np.array([single["calibrated"]["adjusted_recall_beta"] for single in singles])
    values, residuals = (
        {
            name: np.stack([of(t, g) for t, g in zip(*sides[name], strict=True)], axis=1)
            for name in ("target", "control")
        }
        for of in (
            lambda t, g: measured(t, g)["ppg"],
            lambda t, g: np.stack([ratios(t)[1], ratios(g)[1]], axis=1),
        )
    )
    draws = {("target", "ppg"): [], ("calibrated", "ppg"): [], ("calibrated", "adjusted"): []}
    for _ in range(6000):
        seeds = rng.integers(0, 3, 3)
        means = {}
        for name in ("target", "control"):
            rows = rng.integers(0, len(values[name]), len(values[name]))
            means[name] = values[name][rows][:, seeds].mean()
            chosen = residuals[name][rows][:, seeds]
            means[name, "adjusted"] = (chosen[:, :, 0] - betas[seeds] * chosen[:, :, 1]).mean()
        draws["target", "ppg"].append(means["target"])
        draws["calibrated", "ppg"].append(means["target"] - means["control"])
        gap = means["target", "adjusted"] - means["control", "adjusted"]
        draws["calibrated", "adjusted"].append(gap)
    for (name, measure), drawn in draws.items():
        column = "adjusted_recall" if measure == "adjusted" else measure
        ends = np.quantile(drawn, [0.025, 0.975])
        found = [pooled[name][f"{column}_low"], pooled[name][f"{column}_high"]]
        np.testing.assert_allclose(found, ends, atol=0.12 * np.std(drawn))


def test_seeds_that_agree_pool_to_the_interval_of_one_of_them():
    made, sides, _ = tallies()
    tripled = Tally.of(*(each * 3 for each in sides["target"]))
    one = population_row(made["target"], [0], Bootstrap(6000, ("x",)))
    pooled = population_row(tripled, [0, 1, 2], Bootstrap(6000, ("y",)))
    width = one["ppg_high"] - one["ppg_low"]
    assert pooled["ppg"] == pytest.approx(one["ppg"])
    assert pooled["ppg_low"] == pytest.approx(one["ppg_low"], abs=0.05 * width)
    assert pooled["ppg_high"] == pytest.approx(one["ppg_high"], abs=0.05 * width)


def test_agreement_counts_the_four_cases_and_a_half_is_right():
    truth = np.array([2, 2, 2, 2, 4])
    first = Outcome(truth, np.full(5, 2), np.array([1, 2, 0, 0, 1]))
    second = Outcome(truth, np.array([2, 3, 1, 1, 1]), np.array([1, 1, 1, 0, 1]))
    # Precision of the first .5 1 0 0 .5, of the second .5 .33 1 0 1; recall ends with .25 twice.
    assert agreement_counts(first, second, "precision").tolist() == [2, 1, 1, 1]
    assert agreement_counts(first, second, "recall").tolist() == [2, 0, 1, 2]


@given(outcomes())
def test_distributions_of_recall_are_those_of_the_samples(sides):
    target, reference = sides
    (_, recall), (_, recall_g) = ratios(target), ratios(reference)
    tally = Tally.of([target], [reference])
    rows = list(recall_rows(tally))
    for row in rows:
        assert row["at_most_target"] == pytest.approx(np.mean(recall <= row["recall"]))
        assert row["at_most_reference"] == pytest.approx(np.mean(recall_g <= row["recall"]))
    shown = [row["recall"] for row in rows]
    assert shown == (sorted({0.0, 1.0, *recall, *recall_g}) if len(recall) else [])


SETTINGS = [Setting(10, "all", objects) for objects in ("all", "unnamed")]
CUTS = {"target": (0, 7, 20), "control": (0, 20)}


@pytest.fixture
def counted(tmp_path):
    """Files of two models' shards, the outcomes in them by model, set and setting, and the halves.

    The models' names are `a` and `g`; each set has 20 samples.
    """
    rng = np.random.default_rng(0)
    files, outcomes = {}, {}
    first_half = np.arange(20) % 3 == 0
    for name, cuts in CUTS.items():
        truth = {each.objects: rng.integers(0, 4, 20).astype(np.int32) for each in SETTINGS}
        for model in ("a", "g"):
            for each in SETTINGS:
                correct = rng.integers(0, truth[each.objects] + 1).astype(np.int32)
                predicted = correct + rng.integers(0, 3, 20).astype(np.int32)
                outcomes[model, name, each] = Outcome(truth[each.objects], predicted, correct)
            files[model, "t2i", name] = []
            for low, high in pairwise(cuts):
                rows = slice(low, high)
                files[model, "t2i", name].append(str(tmp_path / f"{model}{name}{low}.parquet"))
                recovered.write(
                    files[model, "t2i", name][-1],
                    np.arange(20)[rows],
                    first_half[rows] if name == "control" else None,
                    np.zeros(20, np.float32)[rows],
                    {objects: counts[rows] for objects, counts in truth.items()},
                    {each: outcomes[model, name, each].predicted[rows] for each in SETTINGS},
                    {each: outcomes[model, name, each].correct[rows] for each in SETTINGS},
                )
    return files, outcomes, first_half


def side(model):
    return {"models": [model], "query": "t2i"}


def test_tallies_hold_the_samples_of_each_part_under_each_setting(counted):
    files, outcomes, first_half = counted
    sets = {"target": "target", "control": "control"}
    sets |= dict.fromkeys(("first_half", "second_half"), "control")
    parts = {
        part: {"set": name, "target": side("a"), "reference": side("g")}
        for part, name in sets.items()
    }
    left_out = np.array([3, 11])
    found = tallies_of(parts, SETTINGS, files, left_out)
    kept = ~np.isin(np.arange(20), left_out)
    chosen = {"first_half": kept & first_half, "second_half": kept & ~first_half}
    for setting in SETTINGS:
        assert set(found[setting]) == set(parts)
        for part, name in sets.items():
            rows = chosen.get(part, kept)
            target, reference = (outcomes[model, name, setting].of(rows) for model in ("a", "g"))
            tally, scored = found[setting][part], target.truth > 0
            assert tally.samples == scored.sum() and tally.excluded == (~scored).sum()
            assert tally.contaminated == 2
            gaps = np.sign(target.precision - reference.precision)[scored]
            assert tally.mean(tally.values("ppg"))[0] == pytest.approx(gaps.mean())
            aucg = (target.recall - reference.recall)[scored].mean()
            assert tally.mean(tally.values("aucg"))[0] == pytest.approx(aucg)


def test_agreements_add_up_over_the_shards(counted):
    files, outcomes, _ = counted
    pair = {"first": {"model": "a", "query": "t2i"}, "second": {"model": "g", "query": "t2i"}}
    found = agreements_of(pair, SETTINGS, files, np.array([5]))
    kept = np.arange(20) != 5
    for setting in SETTINGS:
        sides = [outcomes[model, "target", setting].of(kept) for model in ("a", "g")]
        scored = sides[0].truth > 0
        for kind in ("precision", "recall"):
            first, second = (getattr(one, kind)[scored] >= 0.5 for one in sides)
            cases = [first & second, first & ~second, ~first & second, ~first & ~second]
            assert found[setting, kind].tolist() == [case.sum() for case in cases]
