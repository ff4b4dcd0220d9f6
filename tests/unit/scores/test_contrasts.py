"""Contrasts of a sweep's points, against loops over samples, regressions and bootstraps."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats

import vision_contrasts
import vlm_contrasts
from dejavu.config import layout
from dejavu.config.points import ordered
from dejavu.files.parquet import read_parquet, write_parquet
from dejavu.scores import recovered, vision, vlm
from dejavu.scores.contrasts import ENDS, NEIGHBOURS, TREND, contrasts, correct_pairs, rows_of
from dejavu.scores.families import holm
from dejavu.scores.judged import Comparison, Judged
from dejavu.scores.tallies import paired_tallies
from tests.unit.scores.regressions import explicit

NOTHING = np.empty(0, np.int64)
SETTING = recovered.Setting(10, "top10", "all")
STEPS = (0.0, 0.1, 0.25, 0.3)
POINTS = [{"text_mask": value} for value in STEPS]
SIZES = {"target": (150, 90), "reference": (80, 130), "control": (160, 60)}
SEEDS = 3


def told(asked):
    return [(each.contrast, each.along, dict(each.first), dict(each.last)) for each in asked]


# What is compared


def test_points_along_a_key_are_compared_with_their_neighbours_at_the_ends_and_by_a_slope():
    values = [{"k": 10}, {"k": 1}, {"k": 100}]
    found = list(contrasts(values, ["k"]))
    assert told(found) == [
        (NEIGHBOURS, "k", {"k": 1}, {"k": 10}),
        (NEIGHBOURS, "k", {"k": 10}, {"k": 100}),
        (ENDS, "k", {"k": 1}, {"k": 100}),
        (TREND, "k", {"k": 1}, {"k": 100}),
    ]
    assert [each.weights for each in found] == [(1, -1, 0), (-1, 0, 1), (0, -1, 1), (0, -0.5, 0.5)]
    assert [each.scale for each in found] == [2, 2, 2, 1]


def test_two_points_are_one_difference_and_words_have_no_slope():
    assert [each.contrast for each in contrasts([{"k": 1}, {"k": 2}], ["k"])] == [NEIGHBOURS]
    layers = [{"layer": name} for name in ("projector", "backbone", "layer3")]
    found = list(contrasts(layers, ["layer"]))
    assert [each.contrast for each in found] == [NEIGHBOURS, NEIGHBOURS, ENDS]
    assert found[0].last == {"layer": "backbone"}
    assert ordered([True, False, True]) == [True, False]


def test_in_a_grid_lines_differ_in_one_key_and_the_slope_is_the_mean_of_those_of_its_lines():
    points = [{"a": a, "b": b} for a in (3, 1, 2) for b in ("x", "y")]
    found = list(contrasts(points, ["a", "b"]))
    for each in found:
        if each.contrast != TREND:
            assert sum(each.first[key] != each.last[key] for key in ("a", "b")) == 1
            assert each.first[each.along] != each.last[each.along]
    counts = [(each.along, each.contrast) for each in found]
    assert {pair: counts.count(pair) for pair in counts} == {
        ("a", NEIGHBOURS): 4, ("a", ENDS): 2, ("a", TREND): 1, ("b", NEIGHBOURS): 3,
    }  # fmt: skip
    [trend] = [each for each in found if each.contrast == TREND]
    scores = np.random.default_rng(1).normal(size=6)
    slopes = [
        np.polyfit([3, 1, 2], [scores[2 * line + b] for line in range(3)], 1)[0] for b in (0, 1)
    ]
    assert np.dot(trend.weights, scores) == pytest.approx(np.mean(slopes))


def test_two_models_that_no_sweep_made_are_one_difference():
    [found] = contrasts([{"target_model": "a"}, {"target_model": "b"}], [])
    assert (found.contrast, found.along, found.weights) == (NEIGHBOURS, None, (-1, 1))


# Captions


@pytest.fixture
def captions(tmp_path, monkeypatch):
    """Recovered objects of every point's models on three sets, alike in luck.

    Returns the files, and precisions by model and set.
    """
    monkeypatch.chdir(tmp_path)
    models = {f"a{point}_s{seed}": point for point in range(4) for seed in range(SEEDS)}
    models |= {f"b{point}_s{seed}": point for point in range(4) for seed in range(SEEDS)}
    models["g"] = -1
    paths, known = [], {}
    for place, (name, sizes) in enumerate(SIZES.items()):
        for shard, size in enumerate(sizes):
            rng = np.random.default_rng([place, shard])
            samples = 1000 * (10 * place + shard) + np.arange(size)
            truth, predicted = rng.integers(0, 6, size), rng.integers(3, 6, size)
            luck = {letter: rng.random(size) for letter in "abg"}
            for model, point in models.items():
                learned = {"a": "target", "b": "reference"}.get(model[0]) == name
                skill = 0.3 + learned * (0.25 - 0.05 * point)
                own = np.where(rng.random(size) < 0.3, rng.random(size), luck[model[0]])
                correct = np.minimum(stats.binom.ppf(own, truth, skill).astype(int), predicted)
                query = "t2t" if model == "g" else "t2i"
                path = f"{model}/{query}/{name}/{layout.shard_name(shard)}.parquet"
                half = np.arange(size) % 2 == 0 if name == "control" else None
                recovered.write(
                    path, samples, half, np.zeros(size, np.float32), {"all": truth},
                    {SETTING: predicted}, {SETTING: correct},
                )  # fmt: skip
                paths.append(path)
                known.setdefault((model, name), []).append((correct / predicted)[truth > 0])
    return layout.shards_of(paths), {key: np.concatenate(each) for key, each in known.items()}


def tally(name, target, reference):
    def side(model):
        models = ["g"] * SEEDS if model == "g" else [f"{model}_s{seed}" for seed in range(SEEDS)]
        return {"models": models, "query": "t2t" if model == "g" else "t2i"}

    return {"set": name, "target": side(target), "reference": side(reference)}


def two_model(files, weights):
    """Tallies of both directions, one list a set."""
    sets = (("target", "ab"), ("reference", "ba"))
    return [
        paired_tallies(
            [tally(name, f"{own}{point}", f"{other}{point}") for point in range(4)],
            [SETTING] * 4, weights, files, NOTHING,
        )
        for name, (own, other) in sets
    ]  # fmt: skip


def one_model(files, weights):
    return [
        paired_tallies(
            [tally(name, f"a{point}", "g") for point in range(4)],
            [SETTING] * 4, weights, files, NOTHING,
        )
        for name in ("target", "control")
    ]  # fmt: skip


def signs(known, seed):
    """By set the sign of each sample's difference of precision at every point, [points, n]."""
    return [
        np.sign([known[f"{a}{p}_s{seed}", name] - known[f"{b}{p}_s{seed}", name] for p in range(4)])
        for name, (a, b) in (("target", "ab"), ("reference", "ba"))
    ]


def change(sides, scale):
    """Root mean square of the sums that are not 0."""
    changed = [value for side in sides for value in np.ravel(side) if abs(value) > 1e-9]
    return np.sqrt(sum(value**2 for value in changed) / len(changed)) if changed else scale


def mean_with_pseudo_samples(values, most):
    """Mean, and the ends of its interval with two pseudo-samples, by loops."""
    n = len(values) + 2
    centre = sum(values) / n
    variance = (
        sum((value - centre) ** 2 for value in values)
        + (most - centre) ** 2
        + (-most - centre) ** 2
    )
    half = 1.959963984540054 * np.sqrt(variance) / n
    return np.mean(values), centre - half, centre + half


def average(first, second):
    value = (first[0] + second[0]) / 2
    low, high = (np.hypot(first[0] - first[i], second[0] - second[i]) / 2 for i in (1, 2))
    return value, value - low, value + high


def test_differences_and_slopes_of_ppg_are_those_of_the_samples_own(captions):
    files, known = captions
    asked = list(contrasts(POINTS, ["text_mask"]))
    tallies = two_model(files, [each.weights for each in asked])
    for place, each in enumerate(asked):
        for seed in range(SEEDS):
            row = vlm.contrast_of_sets([side[place] for side in tallies], [seed], each.scale)
            sides = [np.dot(each.weights, side) for side in signs(known, seed)]
            most = change(sides, each.scale)
            expected = average(*(mean_with_pseudo_samples(side, most) for side in sides))
            found = [row[f"ppg{end}"] for end in ("", "_low", "_high")]
            assert found == pytest.approx(expected, abs=1e-12)
            assert (row["p_value"] < 0.05) == (found[1] > 0 or found[2] < 0)
            assert row["no_interval"] is None


def test_a_difference_is_that_of_both_symmetric_scores(captions):
    files, known = captions
    [asked, *_] = contrasts(POINTS, ["text_mask"])
    tallies = two_model(files, [asked.weights])
    row = vlm.contrast_of_sets([side[0] for side in tallies], [0, 1, 2], asked.scale)
    scores = np.mean(
        [[side.mean(axis=1) for side in signs(known, seed)] for seed in range(SEEDS)], axis=(0, 1)
    )
    assert row["ppg"] == pytest.approx(scores[1] - scores[0])


def test_bootstraps_over_samples_have_the_same_ends(captions):
    files, known = captions
    asked = [each for each in contrasts(POINTS, ["text_mask"]) if each.contrast != NEIGHBOURS]
    tallies = two_model(files, [each.weights for each in asked])
    rng = np.random.default_rng(5)
    for place, each in enumerate(asked):
        row = vlm.contrast_of_sets([side[place] for side in tallies], [0], each.scale)
        draws = np.zeros(4_000)
        for side in signs(known, 0):
            values = np.dot(each.weights, side)
            drawn = rng.integers(0, len(values), (len(draws), len(values)))
            draws += values[drawn].mean(axis=1) / 2
        width = np.diff(np.quantile(draws, [0.025, 0.975]))[0]
        assert row["ppg_high"] - row["ppg_low"] == pytest.approx(width, rel=0.07)
        assert row["ppg_low"] == pytest.approx(np.quantile(draws, 0.025), abs=0.1 * width)


def test_pairing_makes_intervals_shorter_than_those_of_independent_points(captions):
    files, known = captions
    [asked, *_] = contrasts(POINTS, ["text_mask"])
    row = vlm.contrast_of_sets(
        [side[0] for side in two_model(files, [asked.weights])], [0], asked.scale
    )
    apart = sum(np.var(each) / len(each) / 4 for side in signs(known, 0) for each in side[:2])
    assert row["ppg_high"] - row["ppg_low"] < 0.85 * 2 * 1.96 * np.sqrt(apart)


def test_differences_and_slopes_of_adjusted_gaps_are_the_gaps_of_the_samples_own(captions):
    files, known = captions
    asked = list(contrasts(POINTS, ["text_mask"]))
    tallies = one_model(files, [each.weights for each in asked])
    for place, each in enumerate(asked):
        row = vlm.contrast_of_gaps(*(side[place] for side in tallies), [1], each.scale)
        sides = [
            (
                np.dot(each.weights, [known[f"a{point}_s1", name] for point in range(4)]),
                known["g", name],
            )
            for name in ("target", "control")
        ]
        most = change([side[0] for side in sides], each.scale / 2)
        *expected, slope, p_value = explicit(*sides, (-most, most))
        names = [f"adjusted_precision{end}" for end in ("", "_low", "_high", "_beta")]
        assert [row[name] for name in names] == pytest.approx([*expected, slope], abs=1e-9)
        assert row["p_value"] == pytest.approx(p_value, abs=1e-9)


def test_seeds_are_pooled_by_their_own_differences(captions):
    files, known = captions
    [asked, *_] = contrasts(POINTS, ["text_mask"])
    tallies = [side[0] for side in two_model(files, [asked.weights])]
    row = vlm.contrast_of_sets(tallies, [0, 1, 2], asked.scale)
    values, parts = np.zeros(SEEDS), 0.0
    sides = list(zip(*(signs(known, seed) for seed in range(SEEDS)), strict=True))
    sums = [[np.dot(asked.weights, each) for each in side] for side in sides]
    most = change([each for side in sums for each in side], asked.scale)
    for side in sums:
        own = np.array([[*each, most, -most] for each in side])
        values += own.mean(axis=1) / 2
        deviations = (own - own.mean(axis=1, keepdims=True)) / own.shape[1]
        products = deviations @ deviations.T
        least = (most / own.shape[1]) ** 2
        parts += max(np.mean(products[np.triu_indices(SEEDS, 1)]), least) / 4
    between = values.var(ddof=1)
    whole = between + SEEDS * parts
    half = stats.t.ppf(0.975, whole**2 / (between**2 / (SEEDS - 1))) * np.sqrt(whole / SEEDS)
    found = [row["ppg_low"], row["ppg_high"]]
    assert found == pytest.approx([values.mean() - half, values.mean() + half], abs=1e-9)
    assert vlm.contrast_of_sets(tallies, [0, 1], 2)["no_interval"] == "two seeds"


def test_captions_of_one_image_are_one_cluster(captions):
    files, known = captions
    for name in ("target", "reference"):
        for path in {path for key, several in files.items() if key[2] == name for path in several}:
            read = read_parquet(path)
            clusters = pa.array(np.arange(len(read)) // 3)
            write_parquet(path, read.append_column("cluster", clusters))
    [asked, *_] = contrasts(POINTS, ["text_mask"])
    row = vlm.contrast_of_sets(
        [side[0] for side in two_model(files, [asked.weights])], [0], asked.scale
    )
    values = [np.dot(asked.weights, side) for side in signs(known, 0)]
    most, means = change(values, asked.scale), []
    for own, key in zip(values, (("a0_s0", "target"), ("b0_s0", "reference")), strict=True):
        shards = [recovered.Recovered.read(path) for path in files[key[0], "t2i", key[1]]]
        scored = [shard.scored(SETTING) for shard in shards]
        image = np.concatenate(
            [1000 * place + np.flatnonzero(each) // 3 for place, each in enumerate(scored)]
        )
        n = len(own) + 2
        centre = own.sum() / n
        deviations = [(own[image == each] - centre).sum() for each in np.unique(image)]
        squares = [deviation**2 for deviation in (*deviations, most - centre, -most - centre)]
        half = 1.959963984540054 * np.sqrt(sum(squares)) / n
        means.append((own.mean(), centre - half, centre + half))
    found = [row[f"ppg{end}"] for end in ("", "_low", "_high")]
    assert found == pytest.approx(average(*means), abs=1e-12)


def test_samples_that_are_left_out_are_in_no_contrast(captions):
    files, _ = captions
    [asked, *_] = contrasts(POINTS, ["text_mask"])
    whole = two_model(files, [asked.weights])[0][0]
    points = [tally("target", f"a{point}", f"b{point}") for point in range(4)]
    [less] = paired_tallies(points, [SETTING] * 4, [asked.weights], files, np.arange(10))
    truths = [recovered.Recovered.read(path) for path in files["a0_s0", "t2i", "target"]]
    lost = int(truths[0].scored(SETTING)[:10].sum())
    assert whole.tally.samples - less.tally.samples == lost


# Images


def judged(right):
    return Judged(np.arange(len(right)), np.asarray(right), *(np.zeros(len(right)),) * 3)


def crops(rng, size, learned, classes=4, points=3):
    """Some points' targets and references of three seeds, which find the same crops difficult."""
    of_crop, ease = np.arange(size) % classes, rng.normal(size=size)

    def predictor(skill):
        chance = stats.norm.cdf(stats.norm.ppf(skill) + ease + 0.2 * of_crop)
        return judged(rng.random(size) < chance)

    one = predictor(0.3)
    return [
        (
            Comparison(
                tuple(predictor(0.3 + learned * (0.3 - 0.1 * point)) for _ in range(SEEDS)),
                tuple(predictor(0.3) for _ in range(SEEDS)),
                of_crop,
            ),
            one,
        )
        for point in range(points)
    ]


def test_crops_of_two_directions_are_compared_one_by_one():
    rng = np.random.default_rng(7)
    sets = [[each for each, _ in crops(rng, size, 1)] for size in (300, 200)]
    asked = list(contrasts([{"k": value} for value in (1, 2, 3)], ["k"]))
    for each in asked:
        row = vision.contrast_of_sets(sets, each.weights, [1])
        sums = []
        for points in sets:
            gaps = [
                point.targets[1].correct.astype(int) - point.references[1].correct
                for point in points
            ]
            sums.append(np.dot(each.weights, gaps))
        most = change(sums, each.scale)
        means = [mean_with_pseudo_samples(values, most) for values in sums]
        found = [row[f"dejavu{end}"] for end in ("", "_low", "_high")]
        assert found == pytest.approx(average(*means), abs=1e-12)
        assert row["crops"] == 500
        pooled = vision.contrast_of_sets(sets, each.weights, [0, 1, 2])
        alone = [vision.contrast_of_sets(sets, each.weights, [seed]) for seed in range(SEEDS)]
        assert pooled["dejavu"] == pytest.approx(np.mean([row["dejavu"] for row in alone]))
        assert pooled["dejavu_low"] < pooled["dejavu"] < pooled["dejavu_high"]


def test_adjusted_gaps_of_crops_are_those_of_the_crops_own_differences():
    rng = np.random.default_rng(8)
    sets = [crops(rng, size, learned, classes=1) for size, learned in ((400, 1), (300, 0))]
    members, controls = (
        [
            Comparison(point.targets, (one,) * SEEDS, point.classes)
            for point, one in of_set
        ]
        for of_set in sets
    )  # fmt: skip
    for each in contrasts([{"k": value} for value in (1, 2, 3)], ["k"]):
        row = vision.contrast_of_gaps(list(zip(members, controls, strict=True)), each.weights, [2])
        sides = [
            (
                np.dot(each.weights, [point.targets[2].correct.astype(int) for point in side]),
                side[0].references[2].correct.astype(float),
            )
            for side in (members, controls)
        ]
        most = change([side[0] for side in sides], each.scale / 2)
        value, low, high, slope, _ = explicit(*sides, (-most, most))
        names = [f"adjusted_accuracy{end}" for end in ("", "_low", "_high", "_beta")]
        assert row[names[0]] == pytest.approx(value, abs=1e-12)
        # Pseudo-samples lie about means of classes there.
        assert [row[name] for name in names] == pytest.approx([value, low, high, slope], abs=8e-3)


def test_pseudo_crops_are_as_large_as_what_changes():
    rng = np.random.default_rng(10)
    sets = [crops(rng, size, learned, 1, 5) for size, learned in ((40, 0.5), (60, 0))]
    members, controls = (
        [Comparison(point.targets, (one,) * SEEDS, point.classes) for point, one in of_set]
        for of_set in sets
    )
    *_, trend = contrasts([{"k": value} for value in range(5)], ["k"])
    row = vision.contrast_of_gaps(
        list(zip(members, controls, strict=True)), trend.weights, [0]
    )  # fmt: skip
    sides = [
        (
            np.dot(trend.weights, [point.targets[0].correct.astype(int) for point in side]),
            side[0].references[0].correct.astype(float),
        )
        for side in (members, controls)
    ]
    width = row["adjusted_accuracy_high"] - row["adjusted_accuracy_low"]
    most = change([side[0] for side in sides], trend.scale / 2)
    assert most < 0.75 * trend.scale / 2
    expected, larger = (
        explicit(*sides, (-half, half)) for half in (most, trend.scale / 2)
    )  # fmt: skip
    assert width == pytest.approx(expected[2] - expected[1], rel=0.01)
    assert larger[2] - larger[1] > 1.02 * width


def test_a_difference_of_adjusted_gaps_is_that_of_both_tables_rows():
    rng = np.random.default_rng(9)
    sets = [crops(rng, size, learned) for size, learned in ((200, 1), (300, 0))]
    points = list(
        zip(
            *([Comparison(p.targets, (one,) * SEEDS, p.classes) for p, one in s] for s in sets),
            strict=True,
        )
    )
    row = vision.contrast_of_gaps(points, (-1, 0, 1), [0])
    scores = [vision.difference_row(*point, [0], 1)[0]["adjusted_accuracy"] for point in points]
    assert row["adjusted_accuracy"] == pytest.approx(scores[2] - scores[0], abs=1e-12)


# Rows


def test_differences_of_a_sweep_are_one_family_and_slopes_another():
    asked = list(contrasts(POINTS, ["text_mask"]))
    given = [0.01, 0.5, 0.02, 0.04, 0.03]

    def scored(place, chosen):
        return {"ppg": place + len(chosen), "p_value": given[place], "no_interval": None}

    replicates = {"0": [0], "1": [1], "pooled": [0, 1]}
    rows = list(rows_of(asked, replicates, "ppg", scored))
    assert [each.contrast for each, _ in rows[:5]] == [NEIGHBOURS] * 3 + [ENDS, TREND]
    assert [row["replicate"] for _, row in rows] == [r for r in replicates for _ in asked]
    for start in (0, 5, 10):
        family = [row for _, row in rows[start : start + 5]]
        assert [row["p_family"] for row in family[:4]] == pytest.approx(holm(given[:4]))
        assert family[4]["p_family"] == given[4]
    assert rows[-1][1]["difference"] == 6
    assert np.isnan(rows[-1][1]["difference_low"])


def row_of(sweep, replicate, p_value, along=None, kind="two_model"):
    facts = {"sweep": sweep, "kind": kind, "along": along, "replicate": replicate}
    return {**facts, "p_value": p_value, "p_family": p_value}


def test_pairs_of_a_config_are_one_family_of_each_kind_and_replicate():
    values = {"0": [0.01, 0.02, 0.03], "1": [0.5, np.nan, 0.001], "pooled": [0.2, 0.004, 0.01]}
    rows = [
        row_of(sweep, replicate, p_values[place])
        for place, sweep in enumerate(("a, b", "b, c", "c, d"))
        for replicate, p_values in values.items()
    ]
    others = [row_of("a, b", "0", 0.04, kind="one_model"), row_of("s", "0", 0.04, along="k")]
    correct_pairs([*rows, *others])
    for replicate, p_values in values.items():
        found = [row["p_family"] for row in rows if row["replicate"] == replicate]
        assert found == pytest.approx(holm(p_values), nan_ok=True)
    assert [row["p_family"] for row in others] == [0.04, 0.04]


def test_a_pair_of_one_seed_is_in_the_family_of_each_replicate_of_others():
    single = row_of("a, b", "0", 0.02)
    several = [row_of("b, c", name, p) for name, p in (("0", 0.5), ("1", 0.03), ("pooled", 0.01))]
    correct_pairs([single, *several])
    assert [row["p_family"] for row in several] == [0.5, 0.04, 0.02]
    assert single["p_family"] == 0.04


# Tables


def table(script, sweeps, **inputs):
    params = SimpleNamespace(plans=sweeps, digest="sweeps", tables_digest="tables")
    job = SimpleNamespace(
        input=SimpleNamespace(left_out=[], **inputs), params=params, output=["contrasts.csv"]
    )
    script.main(job)
    return pl.read_csv("contrasts.csv", infer_schema_length=None)


REPLICATES = {"0": [0], "1": [1], "2": [2], "pooled": [0, 1, 2]}


def entry(point, kind, setting=SETTING, **models):
    target = tally("target", f"a{point}", models.get("reference", f"b{point}"))
    other = "reference" if kind == "two_model" else "control"
    pair = (f"b{point}", f"a{point}") if kind == "two_model" else (f"a{point}", "g")
    return {
        "point": POINTS[point], "kind": kind, "fraction": 1, "setting": setting._asdict(),
        "replicates": REPLICATES, "tallies": {"target": target, other: tally(other, *pair)},
    }  # fmt: skip


def test_the_table_of_captions_has_every_contrast_of_every_kind_and_replicate(captions):
    files, _ = captions
    points = [entry(point, "two_model") for point in range(4)]
    points += [entry(point, "one_model", reference="g") for point in range(4)]
    sweep = {"sweep": "masking", "varied": ["text_mask"], "points": points}
    paths = [path for several in files.values() for path in several]
    found = table(vlm_contrasts, [sweep], recovered=paths)
    asked = list(contrasts(POINTS, ["text_mask"]))
    assert len(found) == 2 * 4 * len(asked)
    assert found["sweep"].unique().to_list() == ["masking"]
    two, one = (
        found.filter(replicate="pooled", contrast=TREND)
        .sort("kind", descending=True)
        .rows(named=True)
    )
    assert (two["score"], one["score"]) == ("ppg", "adjusted_precision")
    assert (two["from"], two["to"], two["along"]) == ("text_mask=0", "text_mask=0.3", "text_mask")
    sides = [side[4] for side in two_model(files, [each.weights for each in asked])]
    expected = vlm.contrast_of_sets(sides, [0, 1, 2], asked[4].scale)
    assert (two["difference"], two["p_value"]) == pytest.approx(
        (expected["ppg"], expected["p_value"])
    )
    assert two["samples"] == sum(side.tally.samples for side in sides)
    assert one["samples"] == sides[0].tally.samples


def test_samples_that_some_point_was_not_trained_on_are_left_out(captions):
    files, _ = captions
    paths = [path for several in files.values() for path in several]
    points = [entry(point, "two_model") for point in range(2)]
    sweep = {"sweep": "size", "varied": ["text_mask"], "points": points}
    half = {**sweep, "points": [{**each, "fraction": 0.5} for each in points]}
    whole, part = (table(vlm_contrasts, [each], recovered=paths).row(3, named=True) for each in
                   (sweep, half))  # fmt: skip
    shards = [[recovered.Recovered.read(path) for path in files[key]] for key in
              (("a0_s0", "t2i", "target"), ("b0_s0", "t2i", "reference"))]  # fmt: skip
    scored = [np.concatenate([shard.scored(SETTING) for shard in each]) for each in shards]
    assert whole["samples"] == sum(each.sum() for each in scored)
    assert part["samples"] == sum(each[: len(each) // 2].sum() for each in scored)


def test_gaps_that_are_adjusted_for_other_results_are_not_compared(captions):
    files, _ = captions
    points = [entry(0, "one_model", reference="g"), entry(1, "one_model", SETTING._replace(k=1))]
    sweep = {"sweep": "k", "varied": ["text_mask"], "points": points}
    paths = [path for several in files.values() for path in several]
    assert table(vlm_contrasts, [sweep], recovered=paths).is_empty()


def test_a_model_of_one_seed_is_compared_with_each_seed_of_another(captions):
    files, _ = captions
    points = [entry(point, "two_model") for point in range(2)]
    for side in points[1]["tallies"].values():
        for role in ("target", "reference"):
            side[role] = {**side[role], "models": side[role]["models"][:1]}
    points[1]["replicates"] = {"0": [0]}
    sweep = {"sweep": "a0, a1", "varied": [], "points": points}
    paths = [path for several in files.values() for path in several]
    found = table(vlm_contrasts, [sweep], recovered=paths)
    assert found["replicate"].to_list() == ["0", "1", "2", "pooled"]
    assert found["difference"].n_unique() == 4


def test_the_table_of_images_is_made_of_predictions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(11)
    sizes, first, paths, crops_of = {"A": 120, "B": 90, "control": 80}, 0, [], []
    learned, known = {"a": "A", "b": "B"}, {}
    for name, size in sizes.items():
        samples = np.arange(first, first + size)
        first += size
        crops_of.append(pl.DataFrame({"sample": samples, "label": [f"c{s % 3}" for s in samples]}))
        luck = rng.random(size)
        for model, skill in {"a1": 0.6, "a2": 0.4, "b1": 0.3, "b2": 0.3, "resnet": 0.3}.items():
            path = tmp_path / model / f"{name}.parquet"
            path.parent.mkdir(exist_ok=True)
            nothing = np.zeros(size)
            right = known[model, name] = luck < skill + 0.3 * (name == learned.get(model[0]))
            columns = {"sample": samples, "correct": right}
            columns |= dict.fromkeys(("confidence", "tiebreak", "entropy"), nothing)
            write_parquet(str(path), pa.table(columns))
            paths.append(str(path))
    monkeypatch.setattr(vision_contrasts, "read_crops", lambda _: pl.concat(crops_of))

    def sides(kind, point):
        def side(name, target, reference):
            return {"set": name, "targets": [target], "references": [reference]}

        own, other = f"a{point}", f"b{point}"
        if kind == "two_model":
            return {"A": side("A", own, other), "B": side("B", other, own)}
        return {name: side(name, own, "resnet") for name in ("A", "control")}

    points = [
        {
            "point": {"epochs": point}, "kind": kind, "fraction": 1, "replicates": {"0": [0]},
            "sides": sides(kind, point),
        }
        for kind in ("two_model", "one_model")
        for point in (1, 2)
    ]  # fmt: skip
    sweep = {"sweep": "epochs", "varied": ["epochs"], "points": points}
    found = table(vision_contrasts, [sweep], predictions=paths, A=[], B=[], control=[])
    two, one = found.sort("kind", descending=True).rows(named=True)
    assert (two["score"], one["score"]) == ("dejavu", "adjusted_accuracy")
    assert (two["samples"], one["samples"]) == (210, 120)
    gaps = {
        name: [np.mean(1.0 * known[f"{a}{k}", name] - known[f"{b}{k}", name]) for k in (1, 2)]
        for name, (a, b) in (("A", "ab"), ("B", "ba"))
    }
    assert two["difference"] == pytest.approx(np.mean([np.diff(each) for each in gaps.values()]))
    assert two["p_value"] == two["p_family"]
