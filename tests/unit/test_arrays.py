"""Scores from arrays, against counting sample by sample (tests/workflow has a run's)."""

import subprocess
import sys
from collections import Counter

import numpy as np
import polars as pl
import pytest

from dejavu.arrays import caption_scores, crop_scores, voted_labels
from dejavu.errors import InputError
from tests.conftest import ROOT

NAMES = ["ball", "cat", "dog", "hat", "kite", "lamp", "rug"]
K = 4


def objects_of(rng, samples):
    return [list(rng.choice(NAMES, rng.integers(0, 4), replace=False)) for _ in range(samples)]


@pytest.fixture
def captions():
    """Objects by set, neighbours under both models, and the objects of public."""
    rng = np.random.default_rng(3)
    sizes = {"target": 60, "control": 50, "reference": 40}
    objects = {name: objects_of(rng, size) for name, size in sizes.items()}
    target, reference = (
        {name: np.argsort(rng.random((size, 30)))[:, :K] for name, size in sizes.items()}
        for _ in range(2)
    )
    return objects, target, reference, objects_of(rng, 30)


def precision(neighbors, truth, public, top):
    """Of one sample, counted: most votes first, then the nearest voter, then the name."""
    votes = Counter(name for row in neighbors for name in public[row])
    first = {
        name: min(n for n, row in enumerate(neighbors) if name in public[row]) for name in votes
    }
    best = sorted(votes, key=lambda name: (-votes[name], first[name], name))[:top]
    return len(set(best) & set(truth)) / len(best) if best else 0.0


@pytest.mark.parametrize(("predict", "top"), [("top1", 1), ("all", None)])
def test_captions_are_scored_as_counting_does(captions, predict, top):
    objects, target, reference, public = captions
    table = caption_scores(*captions, predict)
    assert table["set"].to_list() == [
        "target", "control", "reference", "symmetric", "calibrated", "nonmember",
    ]  # fmt: skip
    rows = {row["set"]: row for row in table.to_dicts()}
    ppg = {}
    for name, truths in objects.items():
        scored = [n for n, truth in enumerate(truths) if truth]
        t, g = (
            np.array([precision(side[name][n], truths[n], public, top) for n in scored])
            for side in (target, reference)
        )
        # On what the reference was trained on, the reference is looked at.
        first, second = (g, t) if name == "reference" else (t, g)
        ppg[name] = np.sign(first - second).mean()
        assert rows[name]["targets"] == len(scored) < len(truths)
        assert rows[name]["ppg"] == pytest.approx(ppg[name])
        assert rows[name]["precision_target"] == pytest.approx(first.mean())
        assert rows[name]["precision_reference"] == pytest.approx(second.mean())
    assert rows["symmetric"]["ppg"] == pytest.approx((ppg["target"] + ppg["reference"]) / 2)
    assert rows["calibrated"]["ppg"] == pytest.approx(ppg["target"] - ppg["control"])
    for row in rows.values():
        if row["ppg"] is not None:
            assert row["ppg_low"] < row["ppg"] < row["ppg_high"]


def test_a_name_that_stands_twice_in_a_sample_counts_once(captions):
    objects, target, reference, public = captions
    doubled = {name: [names * 2 for names in lists] for name, lists in objects.items()}
    twice = caption_scores(doubled, target, reference, [names * 2 for names in public])
    assert twice.equals(caption_scores(*captions))


def test_without_the_set_of_the_reference_a_test_is_of_one_model(captions):
    first = [{name: each[name] for name in ("target", "control")} for each in captions[:3]]
    table = caption_scores(*first, captions[3])
    assert table["set"].to_list() == ["target", "control", "calibrated"]
    # Which of two kinds of model wins more often on a set tells nothing.
    assert table["p_value"].is_null().to_list() == [True, True, False]


@pytest.fixture
def crops():
    """Labels by set, and what target and reference infer."""
    rng = np.random.default_rng(4)
    labels = {name: rng.choice(["a", "b", "c"], 90) for name in ("A", "control", "B")}

    def inferred(skill):
        return {
            name: np.where(rng.random(90) < skill, of_set, rng.choice(["a", "b", "z"], 90))
            for name, of_set in labels.items()
        }

    return labels, inferred(0.7), inferred(0.3)


def test_crops_are_scored_as_counting_does(crops):
    labels, target, reference = crops
    table = crop_scores(*crops)
    assert sorted(table["set"]) == sorted(
        ["target", "control", "reference", "symmetric", "calibrated", "nonmember"]
    )
    rows = {row["set"]: row for row in table.to_dicts()}
    gap = {
        name: np.mean(target[name] == labels[name]) - np.mean(reference[name] == labels[name])
        for name in labels
    }
    assert rows["target"]["dejavu"] == pytest.approx(gap["A"])
    assert rows["control"]["dejavu"] == pytest.approx(gap["control"])
    assert rows["reference"]["dejavu"] == pytest.approx(-gap["B"])
    assert rows["symmetric"]["dejavu"] == pytest.approx((gap["A"] - gap["B"]) / 2)
    # Control weighs as the classes of A do.
    weighed = sum(
        np.mean(labels["A"] == c)
        * (np.mean((target["control"] == c)[own]) - np.mean((reference["control"] == c)[own]))
        for c in "abc"
        for own in [labels["control"] == c]
    )
    assert rows["calibrated"]["dejavu"] == pytest.approx(gap["A"] - weighed)
    numbers = {"a": 7, "b": 0, "c": 3, "z": 1}
    coded = [{k: [numbers[x] for x in v] for k, v in each.items()} for each in crops]
    same = crop_scores(*coded)
    assert same.select(pl.col(pl.Float64)).to_numpy() == pytest.approx(
        table.select(pl.col(pl.Float64)).to_numpy(), nan_ok=True
    )


def test_neighbours_vote_and_of_equals_the_nearer_voter_wins():
    neighbors = [[0, 1, 2, 3], [2, 0, 1, 3], [3, 2, 1, 0]]
    assert voted_labels(neighbors, ["x", "b", "b", "x"]).tolist() == ["x", "b", "x"]


def without(key, at, given):
    return [
        {k: v for k, v in each.items() if k != key} if n == at else each
        for n, each in enumerate(given)
    ]


def put(given, changed):
    return {**given, "target": changed}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda o, t, r, p: (*without("target", 0, (o, t, r)), p), "give target"),
        (lambda o, t, r, p: ({**o, "members": []}, t, r, p), "give target"),
        (lambda o, t, r, p: (*without("control", 2, (o, t, r)), p), "give both for the same"),
        (lambda o, t, r, p: (o, put(t, t["target"][1:]), r, p), "target of target: there are 59"),
        (lambda o, t, r, p: (o, t, put(r, r["target"] + 27), p), "of which there are 30"),
        (lambda o, t, r, p: (o, t, put(r, r["target"] - 1), p), r"row \d+: .* reach from -1"),
        (lambda o, t, r, p: (o, t, put(r, r["target"] * 1.0), p), "float64"),
        (lambda o, t, r, p: (o, t, put(r, r["target"][:, 0]), p), r"of shape \(60,\)"),
        (lambda o, t, r, p: (o, t, r, ["dog", *p[1:]]), "public, row 0"),
        (lambda o, t, r, p: (put(o, [[1]]), t, r, p), "objects of target, row 0"),
        (lambda o, t, r, p: (o, t, r, p, "top5"), "one of top1, top10, all"),
        (
            lambda o, t, r, p: (o, t, {name: rows[:, :3] for name, rows in r.items()}, p),
            "reference of target: there are 3 neighbours a sample, and 4 in target of target",
        ),
        (
            lambda o, t, r, p: (o, t, put(r, [[0, 1, 2, 3], [4, 5, 6, 4]] * 30), p),
            "reference of target, row 1: it names a row twice: name each once",
        ),
        (lambda o, t, r, p: (o, put(t, [[0, 1]] * 59 + [[1]]), r, p), "target of target: rows"),
        (lambda o, t, r, p: (put(o, [None] * 60), t, r, p), "objects of target, row 0: .* None"),
        (lambda o, t, r, p: (put(o, [1] * 60), t, r, p), "objects of target, row 0: .* not 1"),
        (lambda o, t, r, p: (o, t, r, [*p[:29], ["a\ud800"]]), "public, row 29: .* Unicode"),
        (lambda o, t, r, p: (o, t, r, None), "public: give a list"),
        (lambda o, t, r, p: (o, list(t.values()), r, p), "target is .*: give a mapping"),
        (lambda o, t, r, p: (None, t, r, p), "objects is None: give a mapping"),
    ],
)
def test_what_does_not_fit_is_one_sentence(captions, change, sentence):
    with pytest.raises(InputError, match=sentence):
        caption_scores(*change(*captions))


def test_labels_that_do_not_fit_are_one_sentence(crops):
    labels, target, reference = crops
    with pytest.raises(InputError, match="reference of B: there are 89 answers for 90 samples"):
        crop_scores(labels, target, {**reference, "B": reference["B"][:-1]})
    with pytest.raises(InputError, match=r"labels of A: .* shape \(45, 2\)"):
        crop_scores({**labels, "A": labels["A"].reshape(45, 2)}, target, reference)
    with pytest.raises(InputError, match="give A"):
        crop_scores({"target": []}, {"target": []}, {"target": []})


@pytest.mark.parametrize(
    ("labels", "answers", "sentence"),
    [
        (["1", "2"], [1, 2], "target of A: there are numbers, and names in labels of A"),
        ([1, 2], ["1", "2"], "target of A: there are names, and numbers in labels of A"),
        ([1, 0], [True, False], "target of A: there are truth values"),
        (["1", "2"], [b"1", b"2"], "target of A, row 0: .*b'1'.* no bytes"),
        ([1, 2], [1, np.nan], "target of A, row 1: nan is no label"),
        ([1, 2], np.array([1, np.nan]), "target of A, row 1: .*nan.* is no label"),
        (["a", None], ["a", "b"], "labels of A, row 1: None is no label"),
        (["a", 1], ["a", "1"], "labels of A, row 1: 1 is one of numbers, and row 0 of names"),
        (["a", "b"], ["a", "\udc80"], "target of A, row 1: .* no valid Unicode"),
        (["a", "b"], [["a"], ["b", "c"]], "target of A: rows differ"),
    ],
)
def test_labels_that_can_never_be_right_are_one_sentence(labels, answers, sentence):
    with pytest.raises(InputError, match=sentence):
        crop_scores({"A": labels}, {"A": answers}, {"A": labels})


@pytest.mark.parametrize(
    ("neighbors", "public", "sentence"),
    [
        ([[0, 1], [2, 2]], ["a", "b", "c"], "neighbors, row 1: it names a row twice"),
        ([[0, 1], [2]], ["a", "b", "c"], "neighbors: rows differ"),
        ([[0, 1]], ["a", None], "public, row 1: None is no label"),
        ([[0, 1]], ["a", 1], "public, row 1: 1 is one of numbers"),
        (None, ["a"], "neighbors: give neighbours"),
        ([[0]], None, "public: give one label each"),
    ],
)
def test_votes_that_cannot_be_counted_are_one_sentence(neighbors, public, sentence):
    with pytest.raises(InputError, match=sentence):
        voted_labels(neighbors, public)


def test_one_set_is_enough_and_has_no_p_value(captions, crops):
    for whole, alone in (
        (
            caption_scores(*captions),
            caption_scores(*map(only("target"), captions[:3]), captions[3]),
        ),
        (crop_scores(*crops), crop_scores(*map(only("A"), crops))),
    ):
        [row], known = alone.to_dicts(), whole.row(0, named=True)
        assert row.pop("p_value") is None
        assert row == {name: known[name] for name in row}
        assert alone.schema["p_value"] == pl.Float64
        assert alone.schema["no_interval"] == pl.String


def only(name):
    return lambda by_set: {name: by_set[name]}


def test_sets_without_samples_or_truth_have_no_score():
    none = np.empty((0, 2), np.int64)
    for table in (
        caption_scores({"target": []}, {"target": none}, {"target": none}, []),
        caption_scores(*[{"target": each} for each in ([[]], [[0, 1]], [[1, 0]])], [[], []]),
        crop_scores(*[{"A": [], "control": []}] * 3),
    ):
        assert table["no_interval"].str.starts_with("too few").all()
        assert table.select(pl.col(pl.Float64)).null_count().row(0) == (len(table),) * sum(
            kind == pl.Float64 for kind in table.dtypes
        )
    one = crop_scores({"A": ["a"], "control": []}, *[{"A": ["a"], "control": []}] * 2)
    assert one["dejavu"].to_list() == [0, None, None]


def test_names_that_look_alike_are_the_same():
    composed, apart = "caf\u00e9", "cafe\u0301"
    sides = {"target": [[0]]}, {"target": [[1]]}
    [row] = caption_scores({"target": [[composed]]}, *sides, [[apart], ["tea"]]).to_dicts()
    assert (row["precision_target"], row["precision_reference"]) == (1, 0)
    [row] = crop_scores({"A": [composed]}, {"A": [apart]}, {"A": ["tea"]}).to_dicts()
    assert (row["accuracy_target"], row["accuracy_reference"]) == (1, 0)
    assert voted_labels([[0, 1, 2]], ["tea", composed, apart]).tolist() == [composed]


def test_scores_need_no_package_of_models_or_of_the_workflow():
    script = (
        "import sys, tomllib; import dejavu.arrays, dejavu.power;"
        "print(*sorted({'torch', 'snakemake', 'faiss', 'sklearn', 'PIL', 'yaml', 'altair',"
        " 'jsonschema', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT / "scripts")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == []
