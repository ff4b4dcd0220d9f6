"""Levels of groups against plain least squares, and what is told of their differences."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from dejavu.files.parquet import write_parquet
from dejavu.scores import families, grouping, groups, intervals
from dejavu.scores.groups import Bins, Gap, Spread, Sums
from dejavu.scores.intervals import Levels, Moments
from dejavu.scores.judged import Comparison, Judged
from dejavu.scores.recovered import Outcome


def outcome(random, n, rate):
    predicted = random.integers(1, 6, n)
    return Outcome(np.full(n, 5), predicted, random.binomial(predicted, rate))


def pair(random, n, memory=0.0):
    """Target and reference that share how easy a sample is."""
    ease = random.beta(2, 2, n)
    return outcome(random, n, 0.2 + 0.4 * ease + memory), outcome(random, n, ease)


def summed(pairs, levels, clusters=None):
    """Sums of levels, of shards of any size."""
    known = {}
    for place in np.array_split(np.arange(len(levels)), 3):
        own = None if clusters is None else clusters[place]
        sides = tuple(side.of(place) for side in pairs)
        groups.sums_of(sides, np.arange(len(place)), levels[place], own, known)
    return known


def least_squares(members, controls):
    """Difference of t beyond what control's line says, from the samples."""
    (t, g), (u, h) = members, controls
    slope = np.polyfit(h, u, 1)[0]
    return t.mean() - u.mean() - slope * (g.mean() - h.mean())


def test_a_levels_gap_is_that_of_its_samples_alone():
    random = np.random.default_rng(1)
    members, controls = pair(random, 900, 0.1), pair(random, 800)
    of_members, of_controls = random.integers(0, 4, 900), random.integers(0, 4, 800)
    sums = summed(members, of_members), summed(controls, of_controls)
    for level in range(4):
        gap = Gap.of_sums("x", sums[0][level], sums[1][level])
        chosen = of_members == level, of_controls == level
        values = [
            tuple(side.precision[own] for side in several)
            for several, own in zip((members, controls), chosen, strict=True)
        ]
        assert (gap.members, gap.controls) == tuple(int(own.sum()) for own in chosen)
        assert gap.value == pytest.approx(least_squares(*values))
        assert gap.means == pytest.approx([side.mean() for side in values[0]])
        known, places = np.unique(values[1][1], return_inverse=True)
        u = values[1][0]
        columns = [np.bincount(places, weights) for weights in (np.ones(len(u)), u, u * u)]
        alone = intervals.adjusted_gap(
            Moments.of(*values[0]), Moments.of(*values[1]), Levels(known, *columns)
        )
        assert gap.estimate.ends() == pytest.approx(alone.ends())


def test_captions_of_an_image_widen_a_levels_interval_and_move_nothing():
    random = np.random.default_rng(2)
    once, controls = pair(random, 200, 0.1), pair(random, 300)
    twice = [Outcome(*(np.repeat(column, 2) for column in side.columns)) for side in once]
    levels = np.zeros(400, np.int64)
    control = summed(controls, np.zeros(300, np.int64))[0]
    # Shards of the helper must not cut an image.
    images = np.repeat(np.arange(200), 2)
    known = {}
    groups.sums_of(tuple(twice), np.arange(400), levels, images, known)
    one = Gap.of_sums("x", summed(once, levels[:200])[0], control)
    two = Gap.of_sums("x", known[0], control)
    assert two.value == pytest.approx(one.value)
    assert two.own_variance == pytest.approx(one.own_variance, rel=0.05)


def test_a_sample_of_two_levels_counts_in_both_and_one_of_none_in_none():
    random = np.random.default_rng(3)
    sides = pair(random, 40)
    known = {}
    groups.sums_of(sides, np.array([0, 1, 1, 2]), np.array([5, 5, 7, 7]), None, known)
    groups.sums_of(sides, np.empty(0, np.int64), np.empty(0, np.int64), None, known)
    assert {level: sums.samples for level, sums in known.items()} == {5: 2, 7: 2}
    t = sides[0].precision
    assert known[7].moments.totals[1] == pytest.approx(t[1] + t[2])


def test_levels_with_too_few_samples_say_so():
    random = np.random.default_rng(4)
    many = Sums.of(*pair(random, 60), None)
    few = Sums.of(*pair(random, groups.LEAST - 1), None)
    gaps = [
        Gap.of_sums(*each)
        for each in (("a", many, many), ("b", few, many), ("c", many, None), ("d", None, many))
    ]
    first, second, third = groups.rows_of(gaps, "precision", True, False)
    assert first["adjusted_low"] <= first["adjusted"] <= first["adjusted_high"]
    assert first["p_value"] == first["q_value"] and "heterogeneity" not in first
    assert second["no_interval"] == third["no_interval"] == "fewer than 15 samples"
    assert np.isfinite(second["adjusted"]) and np.isnan(third["adjusted"])
    for row, sums in ((first, many), (second, few), (third, many)):
        shown = [row[f"precision_{role}"] for role in ("target", "reference")]
        assert shown == pytest.approx(list(sums.means))


def test_a_level_has_an_interval_from_15_independent_samples_on():
    random = np.random.default_rng(15)
    for n, is_known in ((14, False), (15, True)):
        sums = [Sums.of(*pair(random, size), None) for size in (n, 60)]
        assert (Gap.of_sums("x", *sums).estimate is not None) == is_known
        sides = crops(random, 60, 1, np.zeros(60)), crops(random, n, 1, np.zeros(n))
        assert (Gap.of_crops("x", *sides).estimate is not None) == is_known
        # Five captions of an image are worth less than five images.
        images = np.repeat(np.arange(n), 5)
        known: dict[int, Sums] = {}
        rows, levels = np.arange(5 * n), np.zeros(5 * n, np.int64)
        groups.sums_of(pair(random, 5 * n), rows, levels, images, known)
        assert (Gap.of_sums("x", known[0], sums[1]).estimate is not None) == is_known


def test_spread_is_the_textbooks():
    values, variances = np.array([0.1, 0.3, 0.5]), np.array([0.01, 0.02, 0.04])
    spread = Spread.of(values, values, variances)
    weights = np.array([100, 50, 25])
    mean = (weights * values).sum() / 175
    q = (weights * (values - mean) ** 2).sum()
    between = (q - 2) / (175 - (weights**2).sum() / 175)
    assert spread.heterogeneity == pytest.approx(q)
    assert spread.between == pytest.approx(between)
    # With two degrees of freedom the tail is exponential.
    assert spread.p_value == pytest.approx(np.exp(-q / 2))
    weights = 1 / (variances + between)
    mean = (weights * values).sum() / weights.sum()
    share = between / (between + 0.02)
    assert spread.shrunk[1] == pytest.approx(share * 0.3 + (1 - share) * mean)
    values = np.array([0.2, 0.21])
    alike = Spread.of(values, values, np.array([0.01, 0.01]))
    assert alike.between == 0 and alike.shrunk == pytest.approx(0.205)
    alone = Spread.of(values[:1], values[1:], variances[:1])
    assert alone.shrunk == pytest.approx(values[:1]) and np.isnan(alone.heterogeneity)


def test_what_all_levels_have_in_common_is_no_difference_of_theirs():
    values, variances = np.array([0.1, 0.3, 0.5]), np.array([0.01, 0.02, 0.04])
    alone = Spread.of(values, values, variances)
    together = Spread.of(values, values, np.diag(variances) + 0.03)
    assert together.heterogeneity == pytest.approx(alone.heterogeneity)
    assert together.between == pytest.approx(alone.between)
    assert together.shrunk == pytest.approx(alone.shrunk)
    # Of two estimates Q is the square of their difference over its variance.
    covariance = np.array([[0.02, 0.012], [0.012, 0.05]])
    values = np.array([0.1, 0.6])
    q = 0.25 / (0.02 + 0.05 - 2 * 0.012)
    assert Spread.of(values, values, covariance).heterogeneity == pytest.approx(q)


def test_levels_that_are_alike_are_not_shrunk_towards_0():
    random = np.random.default_rng(12)
    members, controls = (Sums.of(*pair(random, 16, memory), None) for memory in (0.4, 0.0))
    gaps = [Gap.of_sums(name, members, controls) for name in "abcd"]
    for row in groups.rows_of(gaps, "precision", True, False):
        assert row["shrunk"] == pytest.approx(row["adjusted"])
    [row] = groups.rows_of(gaps[:1], "precision", True, False)
    assert row["shrunk"] == pytest.approx(row["adjusted"])


@pytest.mark.parametrize("shares_control", [False, True])
def test_where_all_levels_are_alike_heterogeneity_keeps_its_level(shares_control):
    random = np.random.default_rng(5)
    rounds, rejected = 400, 0
    for _ in range(rounds):
        sizes = random.integers(25, 90, 5)
        control = Sums.of(*pair(random, 120), None)
        gaps = []
        for place, n in enumerate(sizes):
            own = control if shares_control else Sums.of(*pair(random, 60), None)
            gaps.append(Gap.of_sums(str(place), Sums.of(*pair(random, n, 0.1), None), own))
        rejected += (
            groups.rows_of(gaps, "precision", True, shares_control)[0]["heterogeneity_p"] < 0.05
        )
    # Three and a half standard errors above .05.
    assert rejected / rounds <= 0.088


def test_heterogeneity_keeps_its_level_where_levels_lean_on_other_parts_of_control():
    random = np.random.default_rng(13)
    rounds, rejected = 300, 0
    for _ in range(rounds):
        # The reference does differently well, and the line of few controls is not known well.
        control = Sums.of(*steep(random, 100, 0.4), None)
        gaps = [
            Gap.of_sums(f"{rate}", Sums.of(*steep(random, 600, rate, 0.1), None), control)
            for rate in (0.2, 0.4, 0.6, 0.8)
        ]
        rejected += groups.rows_of(gaps, "precision", True, True)[0]["heterogeneity_p"] < 0.05
    assert rejected / rounds <= 0.094


def steep(random, n, rate, memory=0.0):
    """Target and reference; the target's chance follows what the reference recovers."""
    five = np.full(n, 5)
    g = random.binomial(5, rate, n)
    t = random.binomial(5, np.clip(0.2 + 0.12 * g + memory, 0, 1))
    return Outcome(five, five, t), Outcome(five, five, g)


def test_heterogeneity_of_crops_keeps_its_level_where_levels_have_other_classes():
    random = np.random.default_rng(14)
    rounds, rejected = 300, 0
    for _ in range(rounds):
        # Levels weigh other classes of the same controls.
        control = crops(random, 200, 8, np.zeros(200))
        gaps = []
        for level in range(4):
            members = crops(random, 400, 2, np.zeros(400))
            members = replace(members, classes=members.classes + 2 * level)
            gaps.append(Gap.of_crops(str(level), members, control))
        rejected += groups.rows_of(gaps, "accuracy", True, True)[0]["heterogeneity_p"] < 0.05
    assert rejected / rounds <= 0.094


def test_levels_in_which_nothing_is_right_differ_in_nothing():
    none = np.zeros(40, bool)
    side = Judged(np.arange(40), none, *(np.zeros(40) for _ in range(3)))
    same = Comparison((side,), (side,), np.zeros(40, np.int64))
    gaps = [Gap.of_crops(name, same, same) for name in "ab"]
    for shares_control in (False, True):
        row, _ = groups.rows_of(gaps, "accuracy", True, shares_control)
        assert (row["heterogeneity"], row["heterogeneity_p"]) == (0, 1)


def test_levels_that_differ_are_told_apart_and_shrunk_gaps_err_less():
    random = np.random.default_rng(6)
    truths = np.linspace(0, 0.3, 8)
    raw, shrunk, rejected = 0.0, 0.0, 0
    for _ in range(60):
        control = Sums.of(*pair(random, 400), None)
        gaps = [
            Gap.of_sums(f"{truth}", Sums.of(*pair(random, 40, truth), None), control)
            for truth in truths
        ]
        rows = groups.rows_of(gaps, "precision", True, True)
        rejected += rows[0]["heterogeneity_p"] < 0.05
        raw += sum((row["adjusted"] - truth) ** 2 for row, truth in zip(rows, truths, strict=True))
        shrunk += sum((row["shrunk"] - truth) ** 2 for row, truth in zip(rows, truths, strict=True))
    assert rejected >= 55 and shrunk < raw


def test_overlapping_levels_have_no_heterogeneity():
    random = np.random.default_rng(7)
    sums = [Sums.of(*pair(random, 60), None) for _ in range(4)]
    gaps = [Gap.of_sums("a", sums[0], sums[1]), Gap.of_sums("b", sums[2], sums[3])]
    assert "heterogeneity" in groups.rows_of(gaps, "precision", True, False)[0]
    assert "heterogeneity" not in groups.rows_of(gaps, "precision", False, False)[0]


def test_q_values_are_those_of_scipy():
    from scipy.stats import false_discovery_control

    p_values = np.random.default_rng(8).random(30) ** 2
    found = families.benjamini_hochberg(p_values)
    assert found == pytest.approx(false_discovery_control(p_values))
    assert len(families.benjamini_hochberg([])) == 0


def crops(random, n, classes, memory):
    own = random.integers(0, classes, n)
    right = random.random((2, n)) < np.stack([0.3 + memory, 0.3 * np.ones(n)])
    empty = np.zeros(n)
    sides = [Judged(np.arange(n), each, empty, empty, empty) for each in right]
    return Comparison((sides[0],), (sides[1],), own)


def test_a_level_of_crops_weighs_controls_classes_as_the_members():
    random = np.random.default_rng(9)
    members, controls = (
        crops(random, 300, 6, np.full(300, 0.2)),
        crops(random, 200, 5, np.zeros(200)),
    )
    gap = Gap.of_crops("x", members, controls)
    # Members of a class without controls are left out.
    assert gap.members == int((members.classes < 5).sum()) and gap.controls == 200
    assert gap.value == pytest.approx(0.2, abs=0.12) and gap.estimate is not None
    alone = members.where(members.classes == 2), controls.where(controls.classes == 2)
    gap = Gap.of_crops("2", *alone)
    values = [
        (each.target_correct[:, 0].astype(float), each.reference_correct[:, 0].astype(float))
        for each in alone
    ]
    assert gap.value == pytest.approx(least_squares(*values))
    assert gap.means == pytest.approx([side.mean() for side in values[0]])


def test_a_class_without_controls_has_its_accuracies_and_no_gap():
    random = np.random.default_rng(11)
    members, controls = crops(random, 80, 1, np.zeros(80)), crops(random, 0, 1, np.zeros(0))
    [row] = groups.rows_of([Gap.of_crops("x", members, controls)], "accuracy", True, False)
    assert (row["members"], row["controls"]) == (80, 0)
    for role, side in (("target", members.targets), ("reference", members.references)):
        assert row[f"accuracy_{role}"] == pytest.approx(side[0].correct.mean())
    assert np.isnan(row["adjusted"]) and row["no_interval"] == "fewer than 15 samples"
    assert not groups.rows_of([Gap.of_crops("y", controls, members)], "accuracy", True, False)


def test_bins_are_quarters_of_the_members():
    values = np.random.default_rng(10).integers(1, 30, 1000)
    counts = dict(
        zip(*(each.tolist() for each in np.unique(values, return_counts=True)), strict=True)
    )
    bins = Bins.of(counts, whole=True)
    sizes = np.bincount(bins.places(values))
    assert len(sizes) == 4 and sizes.min() > 200
    assert bins.names()[0] == f"up to {int(bins.edges[0])}" and "and more" in bins.names()[-1]
    for name, place in zip(bins.names(), range(4), strict=True):
        held = values[bins.places(values) == place]
        if " to " in name and not name.startswith("up"):
            assert name == f"{held.min()} to {held.max()}"
    assert bins.places(np.array([np.nan, 1.0])).tolist() == [-1, 0]
    assert Bins.of({3.0: 5}, whole=True).names() == ["all"]
    assert Bins.of({3.0: 5}, whole=True).places(np.array([1, 3, 9])).tolist() == [0, 0, 0]
    assert Bins.of({}, whole=False).names() == ["all"]
    assert Bins.of({-0.5: 1, 0.25: 1}, whole=False).names() == ["up to −0.50", "above −0.50"]


def test_copies_are_grouped_by_doublings():
    levels = groups.doublings(np.array([1, 2, 3, 4, 5, 8, 9, 16, 17]))
    assert levels.tolist() == [0, 1, 2, 2, 3, 3, 4, 4, 5]
    names = [groups.doubling_name(level) for level in range(5)]
    assert names == ["1", "2", "3 to 4", "5 to 8", "9 to 16"]


def test_captions_are_placed_by_their_words_objects_and_the_rarest_of_them(tmp_path):
    frame = pl.DataFrame(
        {
            "caption": ["a dog", "a dog  and one cat", "no thing", "a yak"] * 20,
            "objects": [["dog"], ["dog", "cat", "dog"], [], ["yak"]] * 20,
        }
    )
    public = pl.DataFrame({"caption": ["x"] * 3, "objects": [["dog", "cat"], ["dog"], ["dog"]]})
    paths = {}
    for name, rows in (("members", frame), ("public", public)):
        paths[name] = str(tmp_path / f"results/vlm/samples/{name}/0000.parquet")
        write_parquet(paths[name], rows.to_arrow())
    asked = ["object", "caption_length", "rarity"]
    captions = grouping.Captions.of(asked, [paths["members"]], [paths["public"]])
    assert captions.names("object") == ["dog", "cat", "yak"]
    assert captions.names("caption_length") == ["up to 2", "3 and more"]
    # A yak is in no public picture, a cat in one, a dog in three.
    assert captions.names("rarity") == ["up to 0", "1", "2 and more"]
    samples = np.array([3, 1, 0, 2])
    placed = captions.placed(paths["members"], samples)
    pairs = [tuple(map(int, each)) for each in zip(*placed["object"], strict=True)]
    assert sorted(set(pairs)) == [(0, 2), (1, 0), (1, 1), (2, 0)] and len(pairs) == 4
    assert dict(zip(*placed["caption_length"], strict=True)) == {0: 0, 1: 1, 2: 0, 3: 0}
    assert dict(zip(*placed["rarity"], strict=True)) == {0: 0, 1: 1, 2: 2}


def test_values_of_a_column_are_levels_where_enough_members_have_them(tmp_path):
    path = str(tmp_path / "results/vlm/records/target/0000.parquet")
    values = ["en", "de", None, "fr"] + ["en"] * 20 + ["de"] * 15
    write_parquet(path, pl.DataFrame({"column.language": values}).to_arrow())
    column = grouping.Column.of("language", [path])
    assert column.levels == ["en", "de"]
    placed = column.placed(path, np.array([3, 2, 1, 0]))
    assert (placed.rows.tolist(), placed.levels.tolist()) == ([2, 3], [1, 0])


def test_numbers_of_samples_place_those_that_have_one(tmp_path):
    path = str(tmp_path / "results/vlm/copies/0000.parquet")
    rows = {"sample": [7, 3, 5, 9], "copies": [1, 4, 4, 2], "is_first": [True, True, False, True]}
    write_parquet(path, pl.DataFrame(rows).to_arrow())
    copies = grouping.copies([path])
    placed = copies.place(np.array([9, 5, 3, 100]))
    assert (placed.rows.tolist(), placed.levels.tolist()) == ([0, 2], [1, 2])
    assert copies.names() == ["1", "2", "3 to 4"]
    path = str(tmp_path / "results/vlm/blind.parquet")
    sets = {"first_set": ["target"] * 8, "second_set": ["control"] * 8}
    odds = {"set": ["target"] * 4 + ["control"] * 4, "sample": [4, 3, 2, 1, 14, 13, 12, 11]}
    odds["log_odds"] = [0.4, 0.3, 0.2, 0.1, 9.0, 0.15, -9.0, 0.25]
    other = {**sets, "second_set": ["reference"] * 8, **odds}
    table = pl.concat([pl.DataFrame({**sets, **odds}), pl.DataFrame(other)])
    write_parquet(path, table.to_arrow())
    typical = grouping.typicality(path, ["target", "control"])
    assert typical.names() == ["up to 0.10", "0.10 to 0.20", "0.20 to 0.30", "above 0.30"]
    assert typical.place(np.array([1, 4, 11, 12, 99])).levels.tolist() == [0, 3, 2, 0]
