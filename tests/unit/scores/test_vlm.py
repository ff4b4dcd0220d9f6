"""Scores, intervals and rows of the vision-language measurement, sample by sample."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from dejavu.config.replicates import replicates
from dejavu.scores import families, intervals, recovered, tallies
from dejavu.scores.intervals import Levels, Moments
from dejavu.scores.recovered import Outcome, Setting
from dejavu.scores.tallies import KINDS, MEASURES, Asked, Part, Tally, parts_of_test, rows_of
from dejavu.scores.vlm import (
    agreement_counts,
    agreements_of,
    difference_row,
    recall_rows,
    recalls_of,
    rows_of_test,
    score_row,
)

ASKED = Asked("t2i", Setting(10, "all", "all"))


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
    row = score_row([Tally.of([target], [reference])], [0], "sign")
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
    row = score_row([Tally.of([target], [reference])], [0], "sign")
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
        rows = [score_row([tally], [0], "sign") for tally in (total, whole)]
        for row in rows:
            assert row.pop("no_interval") is None
        assert rows[0] == pytest.approx(rows[1], abs=1e-9)


def assert_same(first, second):
    """Two tallies count the same; sums differ by rounding at most."""
    for name in ("totals", "products", "predicted"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), atol=1e-9)
    assert (first.excluded, first.samples) == (second.excluded, second.samples)
    for kind in KINDS:
        for one, other in zip(first.levels[kind], second.levels[kind], strict=True):
            assert one.codes.tolist() == other.codes.tolist()
            np.testing.assert_allclose(one.sums, other.sums, atol=1e-9)


def test_only_chosen_samples_are_tallied():
    rng = np.random.default_rng(0)
    target, reference = (random_outcomes(rng, 40, 0.5, truth=np.arange(40) % 4) for _ in range(2))
    chosen = rng.random(40) < 0.5
    tally = Tally.of([target], [reference], chosen)
    expected = Tally.of([target.of(chosen)], [reference.of(chosen)])
    assert_same(tally, expected)
    assert tally.excluded == np.count_nonzero(chosen & (np.arange(40) % 4 == 0))


def measured(target, reference):
    """What PPG, PRG and AUCG are the means of."""
    (precision, recall), (precision_g, recall_g) = ratios(target), ratios(reference)
    return {
        "ppg": np.sign(precision - precision_g),
        "prg": np.sign(recall - recall_g),
        "aucg": recall - recall_g,
    }


def mean_of(values):
    return intervals.mean_of(len(values), values.sum(), (values**2).sum())


def adjusted_of(members, controls, place):
    """The adjusted gap from per-sample results, of precision (0) or recall (1)."""
    (t, g), (u, h) = ((ratios(a)[place], ratios(b)[place]) for a, b in (members, controls))
    known = np.unique(h)
    same = h == known[:, None]
    levels = Levels(known, same.sum(1), same @ u, same @ u**2)
    return intervals.adjusted_gap(Moments.of(t, g), Moments.of(u, h), levels)


@given(outcomes(), outcomes())
def test_intervals_are_those_of_the_samples(first, second):
    made = [Tally.of([target], [reference]) for target, reference in (first, second)]
    if min(tally.samples for tally in made) < 2:
        return
    values = measured(*first), measured(*second)
    row, gaps, found = difference_row(*made, [0])
    single, both = (score_row(several, [0], "interval") for several in (made[:1], made))
    for measure in MEASURES:
        one, other = (mean_of(each[measure]) for each in values)
        for held, estimate in (
            (single, one),
            (both, intervals.Average(one, other)),
            (row, intervals.Difference(one, other)),
        ):
            expected = [float(each) for each in (estimate.value, *estimate.ends())]
            got = [held[f"{measure}{end}"] for end in ("", "_low", "_high")]
            assert got == pytest.approx(expected, abs=1e-9)
        if measure == "ppg":
            p_value = intervals.p_value(intervals.Average(one, other))
            assert both["p_value"] == pytest.approx(float(p_value), abs=1e-6)
    for place, kind in enumerate(KINDS):
        expected = adjusted_of(first, second, place)
        got = [row[f"adjusted_{kind}{end}"] for end in ("", "_low", "_high", "_beta")]
        assert got == pytest.approx(
            [float(each) for each in (expected.value, *expected.ends(), expected.beta)], abs=1e-7
        )
    assert row["p_value"] == pytest.approx(float(adjusted_of(first, second, 0).p_value()), abs=1e-6)
    assert gaps == [found]


def tally_sets(seed=0, sizes=(80, 60, 50), seeds=1):
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


def parts_of(made):
    """Each tally as a part of the one setting, with its sums of products."""
    return {
        name: Part(
            {ASKED: tally},
            np.stack([tally.shared("precision", r, r) for r in range(len(tally.totals))]),
        )
        for name, tally in made.items()
    }


def rows_by_set(made, names=None, kind="two_model", replicate="0"):
    rows = [row for _, row in rows_of_test(parts_of(made), names or {"0": [0]}, kind)]
    return {row["set"]: row for row in rows if row["replicate"] == replicate}


def test_two_model_tests_have_the_sets_and_values_of_the_method():
    made, sides, half = tally_sets()
    rows = rows_by_set(made)
    assert list(rows) == [
        *("target", "control", "reference", "symmetric", "calibrated", "placebo", "nonmember")
    ]
    values = {name: measured(*(each[0] for each in sides[name])) for name in sides}
    scored_half = half[sides["control"][0][0].truth > 0]
    for measure in MEASURES:
        means = {name: values[name][measure].mean() for name in values}
        for name, mean in means.items():
            assert rows[name][measure] == pytest.approx(mean)
        # Each direction weighs one half, whatever the number of its samples.
        both = (means["target"] + means["reference"]) / 2
        assert rows["symmetric"][measure] == pytest.approx(both)
        calibrated = means["target"] - means["control"]
        assert rows["calibrated"][measure] == pytest.approx(calibrated)
        control = values["control"][measure]
        placebo = control[scored_half].mean() - control[~scored_half].mean()
        assert rows["placebo"][measure] == pytest.approx(placebo)
    counts = [rows[name]["targets"] for name in ("target", "reference", "symmetric")]
    assert counts[2] == counts[0] + counts[1]


def test_a_constant_difference_of_two_models_leaves_nothing_in_their_symmetric_score():
    """One model is the better one on every sample; sets are of different sizes."""
    made = {}
    for name, size, correct in (("target", 90, (2, 1)), ("reference", 10, (1, 2))):
        truth = np.full(size, 2)
        sides = [[Outcome(truth, truth, np.full(size, each))] for each in correct]
        made[name] = Tally.of(*sides)
    assert rows_by_set(made)["symmetric"]["ppg"] == pytest.approx(0)


def test_p_values_are_of_what_the_row_is_about():
    made, sides, _ = tally_sets()
    rows = rows_by_set(made)
    for name in ("target", "control", "reference"):
        values = measured(*(each[0] for each in sides[name]))["ppg"]
        wins, losses = int((values > 0).sum()), int((values < 0).sum())
        assert rows[name]["p_value"] == pytest.approx(binomtest(wins, wins + losses).pvalue)
    made["nonmember"] = made.pop("reference")
    alone = rows_by_set(made, kind="one_model")
    assert "p_value" not in alone["target"] and "p_value" not in alone["control"]
    for name in ("calibrated", "placebo", "nonmember"):
        low, high = (alone[name][f"adjusted_precision_{end}"] for end in ("low", "high"))
        assert (alone[name]["p_value"] < 0.05) == (low > 0 or high < 0)


def test_a_model_alone_on_what_it_has_not_learned_is_compared_with_control():
    made, sides, _ = tally_sets()
    row = rows_by_set(made)["nonmember"]
    for place, kind in enumerate(KINDS):
        # On `reference` the target stands in the reference's place.
        own = ratios(sides["reference"][1][0])[place]
        control = ratios(sides["control"][0][0])[place]
        means = [
            intervals.mean_of(len(each), each.sum(), (each**2).sum(), 0.0)
            for each in (own, control)
        ]
        expected = intervals.Difference(*means)
        got = [row[f"adjusted_{kind}{end}"] for end in ("", "_low", "_high")]
        assert got == pytest.approx([own.mean() - control.mean(), *expected.ends()])
        assert row[f"adjusted_{kind}_beta"] == 0
    assert "ppg" not in row


def test_one_model_tests_have_the_check_on_non_members_against_the_reference():
    made, sides, _ = tally_sets()
    made["nonmember"] = made.pop("reference")
    rows = rows_by_set(made, kind="one_model")
    assert list(rows) == ["target", "control", "calibrated", "placebo", "nonmember"]
    values = {name: measured(*(each[0] for each in sides[name])) for name in sides}
    for measure in MEASURES:
        gap = values["reference"][measure].mean() - values["control"][measure].mean()
        assert rows["nonmember"][measure] == pytest.approx(gap)


def test_rows_fill_the_columns_of_the_contract_and_no_others():
    made, _, _ = tally_sets()
    rows = rows_by_set(made)
    ends = ("", "_low", "_high")
    scores = {f"{measure}{end}" for measure in MEASURES for end in ends}
    adjusted = {f"adjusted_{kind}{end}" for kind in KINDS for end in (*ends, "_beta")}
    means = {
        f"{what}_{role}"
        for what in ("precision", "recall", "predicted")
        for role in ("target", "reference")
    }
    counts = {"targets", "excluded", "contaminated"}
    always = {"replicate", "set", "p_value", "no_interval"}
    family = {"calibrated": {"p_family", "simultaneous_low", "simultaneous_high"}}
    for name in ("calibrated", "placebo"):
        assert set(rows[name]) == always | scores | adjusted | family.get(name, set())
    for name in ("target", "control", "reference"):
        assert set(rows[name]) == always | scores | means | counts
    assert set(rows["symmetric"]) == always | scores | means | counts | {"p_family"}
    assert set(rows["nonmember"]) == always | adjusted


def test_a_target_alone_gives_one_row():
    made, _, _ = tally_sets()
    assert list(rows_by_set({"target": made["target"]})) == ["target"]


def test_an_empty_control_leaves_its_scores_empty_and_the_others_whole():
    made, _, _ = tally_sets()
    nothing = np.zeros(0, np.int64)
    empty = Outcome(nothing, nothing, nothing)
    made["control"] = Tally.of([empty], [empty])
    rows = rows_by_set(made)
    assert rows["control"]["targets"] == 0
    for row in (rows["control"], rows["calibrated"]):
        assert all(np.isnan(row[f"ppg{end}"]) for end in ("", "_low", "_high"))
        assert row["no_interval"] == "too few samples"
    assert np.isnan(rows["calibrated"]["adjusted_precision"])
    assert np.isfinite(rows["target"]["ppg_low"])


def pooled_of(values, weights=(1.0,)):
    """Hillis's interval from values [samples, replicates] of independent sets."""
    estimates, centres, covariance = 0.0, 0.0, 0.0
    for weight, each in zip(weights, values, strict=True):
        n, seeds = each.shape
        estimates = estimates + weight * each.mean(axis=0)
        extended = np.concatenate([each, np.ones((1, seeds)), -np.ones((1, seeds))])
        centre = extended.mean(axis=0)
        centres = centres + weight * centre
        deviations = extended - centre
        found = [
            (deviations[:, a] * deviations[:, b]).sum() / (n + 2) ** 2
            for a, b in combinations(range(seeds), 2)
        ]
        covariance += weight**2 * max(np.mean(found), 1 / (n + 2) ** 2)
    between, seeds = centres.var(ddof=1), len(centres)
    whole = between + seeds * covariance
    freedom = whole**2 / (between**2 / (seeds - 1))
    half = intervals.quantile(0.05, freedom) * math.sqrt(whole / seeds)
    most = sum(map(abs, weights))
    low, high = centres.mean() - half, centres.mean() + half
    return estimates.mean(), max(low, -most), min(high, most)


def test_pooled_rows_are_means_over_three_seeds_with_hilliss_interval():
    made, sides, _ = tally_sets(seeds=3)
    names = replicates({"seeds": [4, 5, 6]}, {"seeds": [9]})
    singles = [rows_by_set(made, names, replicate=seed) for seed in ("4", "5", "6")]
    pooled = rows_by_set(made, names, replicate="pooled")
    values = {
        name: {
            measure: np.stack(
                [measured(t, g)[measure] for t, g in zip(*sides[name], strict=True)], axis=1
            )
            for measure in MEASURES
        }
        for name in sides
    }
    for measure in MEASURES:
        for name, several, weights in (
            ("target", ("target",), (1.0,)),
            ("symmetric", ("target", "reference"), (0.5, 0.5)),
            ("calibrated", ("target", "control"), (1.0, -1.0)),
        ):
            expected = pooled_of([values[each][measure] for each in several], weights)
            got = [pooled[name][f"{measure}{end}"] for end in ("", "_low", "_high")]
            assert got == pytest.approx(expected, abs=1e-9)
            mean = np.mean([single[name][measure] for single in singles])
            assert pooled[name][measure] == pytest.approx(mean)
    for name in ("calibrated", "placebo"):
        mean = np.mean([single[name]["adjusted_recall"] for single in singles])
        assert pooled[name]["adjusted_recall"] == pytest.approx(mean)
        row = pooled[name]
        assert (row["p_value"] < 0.05) == (
            row["adjusted_precision_low"] > 0 or row["adjusted_precision_high"] < 0
        )


def test_seeds_that_agree_pool_to_the_interval_of_one_of_them():
    made, sides, _ = tally_sets(sizes=(800, 600, 500))
    tripled = {
        name: Tally.of(*(each * 3 for each in sides[name])) for name in ("target", "control")
    }
    names = replicates({"seeds": [1, 2, 3]}, {"seeds": [1]})
    one, pooled = rows_by_set(made), rows_by_set(tripled, names, replicate="pooled")
    for name, score in (("target", "ppg"), ("calibrated", "adjusted_precision")):
        for end in ("", "_low", "_high"):
            assert pooled[name][f"{score}{end}"] == pytest.approx(
                one[name][f"{score}{end}"], abs=2e-3
            )


def test_two_seeds_are_pooled_without_an_interval():
    made, _, _ = tally_sets(seeds=2)
    names = replicates({"seeds": [1, 2]}, {"seeds": [1]})
    pooled = rows_by_set(made, names, replicate="pooled")
    for row in pooled.values():
        assert row["no_interval"] == "two seeds"
        assert np.isnan(row.get("ppg_low", np.nan)) and np.isnan(row.get("p_value", np.nan))
    assert np.isfinite(pooled["target"]["ppg"])
    assert rows_by_set(made, names, replicate="1")["target"]["no_interval"] is None


def test_all_settings_of_a_set_are_one_family():
    made = [tally_sets(seed)[0] for seed in range(4)]
    settings = [Asked("t2i", Setting(k, "all", "all")) for k in range(4)]
    parts = {}
    for name in ("target", "control", "reference"):
        found = dict(zip(settings, (each[name] for each in made), strict=True))
        size = 5 * len(settings)
        joint = np.zeros((1, size, size))
        for place, tally in enumerate(found.values()):
            block = slice(5 * place, 5 * place + 5)
            joint[0, block, block] = tally.shared("precision", 0, 0)
        parts[name] = Part(found, joint)
    rows = [row for _, row in rows_of_test(parts, {"0": [0]}, "two_model")]
    for name in ("symmetric", "calibrated"):
        family = [row for row in rows if row["set"] == name]
        expected = families.holm([row["p_value"] for row in family])
        assert [row["p_family"] for row in family] == pytest.approx(expected)
    for row in rows:
        assert ("simultaneous_low" in row) == (row["set"] == "calibrated")
        if "simultaneous_low" in row:
            # Of four independent gaps: the quantile is that of the largest of four.
            wider = row["simultaneous_high"] - row["simultaneous_low"]
            own = row["adjusted_precision_high"] - row["adjusted_precision_low"]
            assert 1.2 < wider / own < 1.4


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
    scored = target.truth > 0
    grouped = [
        tallies.Grouped.of(each.correct[scored], each.truth[scored], [np.ones(scored.sum())])
        for each in sides
    ]
    rows = list(recall_rows(grouped))
    for row in rows:
        assert row["targets"] == len(recall)
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


def test_parts_hold_the_samples_of_each_set_under_each_setting(counted, monkeypatch):
    files, outcomes, first_half = counted
    sets = {"target": "target", "control": "control"}
    sets |= dict.fromkeys(("first_half", "second_half"), "control")
    parts = {
        part: {"set": name, "target": side("a"), "reference": side("g")}
        for part, name in sets.items()
    }
    left_out = np.array([3, 11])
    comparison = {"query": "t2i", "tallies": parts}
    monkeypatch.setattr(tallies, "CHUNK", 6)
    found = parts_of_test([comparison], SETTINGS, files, left_out)
    kept = ~np.isin(np.arange(20), left_out)
    chosen = {"first_half": kept & first_half, "second_half": kept & ~first_half}
    assert set(found) == set(parts)
    for part, name in sets.items():
        features = []
        for setting in SETTINGS:
            rows = chosen.get(part, kept)
            target, reference = (outcomes[model, name, setting].of(rows) for model in ("a", "g"))
            tally = found[part].tallies["t2i", setting]
            expected = Tally.of([target], [reference])
            np.testing.assert_allclose(tally.totals, expected.totals, atol=1e-9)
            np.testing.assert_allclose(tally.products, expected.products, atol=1e-9)
            assert tally.excluded == expected.excluded
            assert tally.contaminated == (0 if part == "second_half" else 2)
            if part != "target":
                assert_same(tally, expected)
            every = rows_of([target], [reference], None)[0]
            features.append(every[:, 0, [0, 4, 5, 6, 7]])
        whole = np.concatenate(features, axis=1)
        np.testing.assert_allclose(found[part].joint[0], whole.T @ whole, atol=1e-9)


def test_captions_of_an_image_are_tallied_as_one_cluster(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    clusters = np.repeat(np.arange(9), rng.integers(1, 5, 9))
    n = len(clusters)
    truth = rng.integers(0, 4, n).astype(np.int32)
    sides = [random_outcomes(rng, n, 0.5, truth=truth) for _ in range(2)]
    setting = SETTINGS[0]
    files = {}
    for model, outcome in zip("ag", sides, strict=True):
        files[model, "t2i", "target"] = [str(tmp_path / f"{model}.parquet")]
        recovered.write(
            files[model, "t2i", "target"][0], np.arange(n), None, np.zeros(n, np.float32),
            {"all": truth}, {setting: outcome.predicted}, {setting: outcome.correct}, clusters,
        )  # fmt: skip
    comparison = {
        "query": "t2i",
        "tallies": {"target": {"set": "target", "target": side("a"), "reference": side("g")}},
    }
    monkeypatch.setattr(tallies, "CHUNK", 5)
    left_out = np.array([1])
    found = parts_of_test([comparison], [setting], files, left_out)
    tally = found["target"].tallies["t2i", setting]
    kept = ~np.isin(np.arange(n), left_out)
    expected = Tally.of(
        [sides[0].of(kept)], [sides[1].of(kept)], clusters=clusters[kept], is_control=False
    )
    assert tally.clustered
    np.testing.assert_allclose(tally.products, expected.products, atol=1e-9)
    scored = kept & (truth > 0)
    signs = np.sign(sides[0].precision - sides[1].precision)[scored]
    sums = [signs[clusters[scored] == number].sum() for number in range(9)]
    assert tally.products[0, 1, 0, 1] == pytest.approx(sum(each**2 for each in sums))
    # Wins and losses of captions of one image are no independent trials.
    row = score_row([tally], [0], "sign")
    assert row["p_value"] == pytest.approx(float(tally.mean(1, 0, -1.0).p_value()))


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


def test_recalls_are_counted_over_the_shards(counted):
    files, outcomes, _ = counted
    tally = {"set": "target", "target": side("a"), "reference": side("g")}
    found = recalls_of(tally, SETTINGS, files, np.array([5]))
    kept = np.arange(20) != 5
    for setting in SETTINGS:
        for model, grouped in zip("ag", found[setting], strict=True):
            recalls = ratios(outcomes[model, "target", setting].of(kept))[1]
            counted_ones = np.repeat(grouped.values, grouped.sums[:, 0].astype(int))
            assert sorted(counted_ones) == pytest.approx(sorted(recalls))
