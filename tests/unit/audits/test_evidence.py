"""Lists of memorized samples: p- and q-values by brute force, rates on worlds of known truth."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.audits import evidence, regression
from dejavu.config.ranges import HASHES, ROWS_PER_SHARD
from dejavu.files.parquet import write_parquet
from dejavu.scores.families import benjamini_hochberg
from dejavu.scores.judged import Judged
from dejavu.scores.recovered import Recovered, Setting
from tests.certify import lists, trained

SCORES = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12).map(np.array)
WEIGHTS = st.integers(1, 5).map(float)


@given(scores=SCORES, calibration=SCORES, data=st.data())
def test_p_values_are_the_weight_of_calibrating_samples_that_score_as_high(
    scores, calibration, data
):
    own, others = (
        np.array(data.draw(st.lists(WEIGHTS, min_size=len(side), max_size=len(side))))
        for side in (scores, calibration)
    )
    found = evidence.p_values(scores, calibration, own, others)
    for score, weight, p in zip(scores, own, found, strict=True):
        above = sum(w for s, w in zip(calibration, others, strict=True) if s >= score)
        assert p == pytest.approx((above + weight) / (others.sum() + weight))


def test_equal_weights_count_calibrating_samples():
    found = evidence.p_values(
        np.array([5.0, 2.0, 0.0]), np.array([3.0, 2.0, 1.0, 2.0]), np.ones(3), np.ones(4)
    )
    assert found.tolist() == [1 / 5, 4 / 5, 1.0]


@given(p=st.lists(st.integers(1, 20), min_size=1, max_size=15).map(lambda n: np.array(n) / 20))
def test_a_sample_is_listed_at_a_rate_if_benjamini_and_hochberg_reject_it(p):
    q = benjamini_hochberg(p)
    for rate in (0.05, 0.1, 0.2, 0.5, 1.0):
        ranked = np.sort(p)
        passed = [k for k in range(1, len(p) + 1) if ranked[k - 1] * len(p) <= rate * k + 1e-12]
        cut = ranked[passed[-1] - 1] if passed else -1.0
        assert (q <= rate + 1e-12).tolist() == (p <= cut).tolist()


@pytest.mark.parametrize(("members", "calibrating", "rate"), [(1000, 199, 0.1), (7, 30, 0.05)])
def test_the_smallest_list_is_that_of_the_lowest_p_value(members, calibrating, rate):
    smallest = evidence.smallest_list(rate, np.ones(members), np.ones(calibrating))
    assert smallest == int(np.ceil(members / (rate * (calibrating + 1)) - 1e-9))
    for length in (smallest - 1, smallest):
        scores = np.repeat([1.0, -1.0], [length, members - length])
        p = evidence.p_values(scores, np.zeros(calibrating), np.ones(members), np.ones(calibrating))
        listed = np.count_nonzero(benjamini_hochberg(p) <= rate * evidence.MET)
        assert listed == (length if length == smallest else 0)


def test_with_too_few_calibrating_samples_there_is_no_smallest_list():
    assert evidence.smallest_list(0.1, np.ones(5), np.ones(8)) == 6
    assert evidence.smallest_list(0.1, np.ones(5), np.ones(9)) == 5


def test_a_third_of_control_teaches_and_all_captions_of_an_image_do_alike():
    ids = [f"image{number // 2}" for number in range(6000)]
    hashes = evidence.image_hashes(ids, 0)
    shard = evidence.Shard(np.arange(6000), hashes, hashes, np.zeros((6000, 1), np.float32))
    assert np.mean(shard.teaches) == pytest.approx(1 / 3, abs=0.03)
    assert np.array_equal(shard.teaches[::2], shard.teaches[1::2])
    # What is learned from is drawn independently of who teaches, or members would stand out.
    order = evidence.own_hashes([f"{each}#{n}" for n, each in enumerate(ids)], 0)
    assert np.mean(shard.teaches[np.argsort(order)[:2000]]) == pytest.approx(1 / 3, abs=0.04)


def of(features, chosen, weights=None):
    """Some of numbered samples, in two shards."""
    ids = [str(sample) for sample in range(len(features))]
    images = evidence.image_hashes(ids, 0)
    shard = evidence.Shard(
        np.arange(len(features)),
        images,
        evidence.own_hashes(ids, 0),
        features.astype(np.float32),
        weights,
    )
    half = np.arange(len(features)) < len(features) // 2
    return lambda blinded: (shard.where(chosen & half), shard.where(chosen & ~half))


def test_which_of_all_but_those_that_teach_are_members_changes_no_score():
    features = np.random.default_rng(0).normal(size=(240, 3))
    teaches = evidence.image_hashes([str(sample) for sample in range(240)], 0) < HASHES // 3
    features[teaches] -= 1
    found = []
    for some in (slice(0, 60), slice(60, 120)):
        members = np.isin(np.arange(240), np.flatnonzero(~teaches)[some])
        sides = evidence.weigh(of(features, members), of(features, ~members), None)
        samples, scores = (
            np.concatenate([getattr(side, name) for side in sides])
            for name in ("samples", "scores")
        )
        found.append(scores[np.argsort(samples)])
    assert found[0] == pytest.approx(found[1])
    assert found[0][teaches].mean() < found[0][~teaches].mean()


def test_too_few_controls_give_no_answer():
    features, members = np.random.default_rng(0).normal(size=(36, 2)), np.arange(36) < 30
    weighed, control = evidence.weigh(of(features, members), of(features, ~members), None)
    p = evidence.member_p_values(weighed, control)
    assert np.isnan(p).all()
    assert np.isnan(benjamini_hochberg(p)).all()


def test_weights_of_the_shards_are_those_of_the_p_values():
    rng = np.random.default_rng(1)
    features, weights, members = (
        rng.normal(size=(240, 2)),
        rng.uniform(0.5, 2, 240),
        np.arange(240) < 40,
    )
    weighed, control = evidence.weigh(
        of(features, members, weights), of(features, ~members, weights), None
    )
    calibrating = ~control.teaches
    others = weights[control.samples[calibrating]]
    p = evidence.member_p_values(weighed, control)
    for sample, score, found in zip(weighed.samples, weighed.scores, p, strict=True):
        above = others[control.scores[calibrating] >= score].sum()
        assert found == pytest.approx((above + weights[sample]) / (others.sum() + weights[sample]))


def test_crops_show_what_every_predictor_says():
    said = [
        Judged(
            np.arange(3), np.array([True, False, True]), *np.random.default_rng(n).random((3, 3))
        )
        for n in range(2)
    ]
    features = evidence.crop_features(said)
    assert features.shape == (3, 8)
    assert features[:, 4].tolist() == [1, 0, 1]
    assert features[:, 5] == pytest.approx(said[1].confidence)


def test_evidence_is_written_and_read_shard_by_shard(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    samples = np.array([0, 1, ROWS_PER_SHARD, ROWS_PER_SHARD + 5])
    weighed = evidence.Weighed(samples, np.array([1.0, 3, 2, 3]), np.ones(4), np.zeros(4, bool))
    paths = ["results/vlm/evidence/t/any/target/0000.parquet"]
    paths.append(paths[0].replace("0000", "0001"))
    # Three members tied at the top and nine controls below give a little more than 0.3 by division.
    q = np.array([0.4, 0.1, 3 * 0.1, 0.1])
    facts = {"test": "t", "features": "any"}
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    evidence.write(paths, weighed, facts, p=q / 2, q=q)
    assert evidence.by_facts(paths) == [(facts, paths)]
    assert evidence.read(paths[1:], ["sample"])["sample"].to_list() == samples[2:].tolist()
    # One row more than is listed at a time.
    monkeypatch.setattr(evidence, "ROWS_LISTED", 2)
    ids = [tmp_path / f"{shard}.parquet" for shard in range(2)]
    for shard, path in enumerate(ids):
        write_parquet(path, pa.table({"id": [f"{shard}/{row}" for row in range(6)]}))
    listed = pl.concat(evidence.listed(paths, ids, 0.3))
    assert listed["sample"].to_list() == [1, ROWS_PER_SHARD + 5, ROWS_PER_SHARD]
    assert listed["id"].to_list() == ["0/1", "1/5", "1/0"]
    assert listed["rank"].to_list() == [1, 2, 3]
    assert listed["q"].to_list() == [0.1, 0.1, 3 * 0.1]


@pytest.mark.slow
@pytest.mark.parametrize("shift", lists.SHIFTS)
@pytest.mark.parametrize("memory", ["none", "some"])
def test_lists_keep_their_rates(monkeypatch, memory, shift):
    monkeypatch.setattr(regression, "STRENGTHS", (0.1,))
    for found in lists.at_all_rates(memory, shift, 200, worlds=25):
        assert found.faults() == []


@given(pairs=st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=15))
def test_of_a_twin_those_count_that_are_as_low_as_some_that_is_listed(pairs):
    p, of_twin = np.array(pairs).T / 20
    q = benjamini_hochberg(p)
    for rate in (0.05, 0.2, 0.5):
        listed = [low for low, corrected in zip(p, q, strict=True) if corrected <= rate]
        counted = [each for each in of_twin if any(each <= low for low in listed)]
        found = trained.counts(p, [of_twin, p], rate)
        assert found == [len(listed), len(counted), len(listed)]


def test_a_row_has_the_mean_of_the_worlds_parts_and_0_of_no_list():
    # Two lists a world.
    worlds = [[[10, 1, 0], [10, 3, 0]], [[0, 0, 0], [0, 0, 0]], [[20, 10, 10], [20, 10, 2]]]
    found = trained.row("any", 0.1, np.array(worlds))
    first, second = (np.std(each, ddof=1) / np.sqrt(3) for each in ([0.2, 0, 0.5], [0, 0, 0.3]))
    parts = f"0.233 ± {first:.3f} | 0.500 | 0.100 ± {second:.3f} | 0.300"
    assert found == f"| `any` | 0.1 | 0.67 | 10.0 | {parts} |"


def test_the_score_tells_those_that_teach_from_all_others_each_once(monkeypatch):
    seen = {}

    def fit(rows, labels):
        seen.update(rows=rows, labels=labels)
        return regression.make_pipeline(regression.LogisticRegression()).fit(rows, labels)

    monkeypatch.setattr(regression, "fit", fit)
    features, members = np.arange(120.0)[:, None], np.arange(120) < 40
    _, control = evidence.weigh(of(features, members), of(features, ~members), None)
    assert sorted(seen["rows"][:, 0].tolist()) == list(range(120))
    taught = seen["rows"][seen["labels"] == 0][:, 0]
    assert sorted(taught.tolist()) == control.samples[control.teaches].tolist()


def test_captions_show_precision_and_recall_and_their_distance_where_it_is_asked_for():
    setting = Setting(10, "top10", "all")
    columns = {
        "sample": [1, 2],
        "distance": np.array([0.25, 0.5], np.float32),
        "truth.all": [4, 2],
        setting.column("predicted"): [2, 0],
        setting.column("correct"): [1, 0],
    }
    sides = [Recovered(pa.table(columns))] * 2
    known = evidence.caption_features(sides, [setting], familiar=False)
    assert known.tolist() == [[0.5, 0.25, 0.5, 0.25], [0, 0, 0, 0]]
    familiar = evidence.caption_features(sides, [setting], familiar=True)
    assert familiar[:, 4:].tolist() == [[0.25, 0.25], [0.5, 0.5]]
    assert familiar[:, :4].tolist() == known.tolist()


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_one_sample_far_from_all_others_spoils_no_list(sign):
    random = np.random.default_rng(16)
    sides = []
    for size, moved in ((200, 0.5), (150, 0.0)):
        blind = random.normal(size=(size, 3)) + moved
        # In what hardly varies but for that one its odds leave the numbers that there are.
        blind[:, 2] *= 1e-6
        blind[0, 2] = sign * 1e6 * (not sides)
        features = random.normal(size=(size, 2)).astype(np.float32)
        ids = [f"{len(sides)}.{number}" for number in range(size)]
        hashes = evidence.image_hashes(ids, 3), evidence.own_hashes(ids, 3)
        sides.append(
            evidence.Shard(np.arange(size), *hashes, features, blind=blind.astype(np.float32))
        )
    members, control = evidence.weigh(*((lambda _, own=own: [own]) for own in sides), 200)
    p = evidence.member_p_values(members, control)
    assert np.isfinite(members.weights).all() and np.isfinite(p).all()
    assert p.min() > 0 and p.max() <= 1


def test_captions_of_one_image_are_too_few_to_be_weighed():
    random = np.random.default_rng(17)
    sides = []
    for size, images in ((30, 1), (60, 60)):
        ids = [f"{len(sides)}.{number}" for number in range(size)]
        of_images = evidence.image_hashes([f"{n % images}" for n in range(size)], 3)
        features, vectors = random.normal(size=(2, size, 2)).astype(np.float32)
        hashes = of_images, evidence.own_hashes(ids, 3)
        sides.append(evidence.Shard(np.arange(size), *hashes, features, blind=vectors))
    shards = [(lambda _, own=own: [own]) for own in sides]
    for limit, is_known in ((None, True), (40, False)):
        members, control = evidence.weigh(*shards, limit)
        assert np.isfinite(evidence.member_p_values(members, control)).all() == is_known
