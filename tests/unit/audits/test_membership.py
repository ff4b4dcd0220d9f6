"""Signals of membership: areas, rates and their intervals against independent answers."""

import tracemalloc

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from dejavu.audits import membership
from dejavu.audits.membership import Signal


def signals():
    """Members' and controls' values: without ties, with many, and few of either."""
    random = np.random.default_rng(2)
    yield random.normal(0.7, 1, 3000), random.normal(0, 1, 2000)
    yield random.binomial(10, 0.5, 1500).astype(float), random.binomial(10, 0.4, 1100).astype(float)
    yield random.integers(0, 2, 250).astype(float), random.integers(0, 2, 130).astype(float)
    yield random.normal(0, 1, 40), random.normal(0, 1, 30)


def delong(members, controls):
    """Area and standard error by comparing every pair."""
    pairs = (members[:, None] > controls) + (members[:, None] == controls) / 2
    one, other = pairs.mean(axis=1), pairs.mean(axis=0)
    return pairs.mean(), np.sqrt(one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other))


@pytest.mark.parametrize("sides", signals())
def test_areas_and_rates_are_those_of_scikit_learn_and_of_all_pairs(sides):
    members, controls = sides
    # Shards come in any number, and one may be empty.
    signal = Signal.of(np.array_split(members, 3), [controls, np.empty(0)])
    row = membership.row_of(signal)
    labels = np.repeat([1, 0], [len(members), len(controls)])
    scores = np.concatenate(sides)
    area, error = delong(*sides)
    assert (row["members"], row["controls"]) == (len(members), len(controls))
    assert row["auc"] == pytest.approx(roc_auc_score(labels, scores))
    assert row["auc"] == pytest.approx(area)
    assert row["auc_high"] - row["auc"] == pytest.approx(1.959964 * error)
    assert row["auc"] - row["auc_low"] == pytest.approx(1.959964 * error)
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    for name, level in membership.RATES.items():
        if len(controls) * level < 1:
            assert name not in row
        else:
            assert row[name] == pytest.approx(tpr[fpr <= level + 1e-12].max())
            assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
    known = {round(float(x) * len(controls)): float(y) for x, y in zip(fpr, tpr, strict=True)}
    points = list(membership.curve(signal))
    assert points and all(0 < point["fpr"] <= 1 for point in points)
    for point in points:
        assert point["tpr"] == pytest.approx(known[round(point["fpr"] * len(controls))])


def test_nothing_is_told_where_a_side_is_empty():
    row = membership.row_of(Signal.of([], [np.zeros(5)]))
    assert row == {"members": 0, "controls": 5}
    assert list(membership.curve(Signal.of([np.zeros(5)], []))) == []


def test_intervals_cover_the_truth():
    random = np.random.default_rng(7)
    n, m, shift, rounds = 600, 2500, 1.0, 400
    truth = {"auc": norm.cdf(shift / np.sqrt(2))}
    truth |= {name: norm.sf(norm.isf(level) - shift) for name, level in membership.RATES.items()}
    held = dict.fromkeys(truth, 0)
    for _ in range(rounds):
        row = membership.row_of(Signal.of([random.normal(shift, 1, n)], [random.normal(0, 1, m)]))
        for name, value in truth.items():
            held[name] += row[f"{name}_low"] <= value <= row[f"{name}_high"]
    # Three standard errors of a coverage of .95 are .033.
    assert 0.917 <= held["auc"] / rounds <= 0.983
    # Bounded by two of the controls, the cut-off is covered more often.
    assert all(held[name] / rounds >= 0.93 for name in membership.RATES)


def test_the_area_of_a_signal_that_tells_nothing_is_a_half_within_its_interval():
    random = np.random.default_rng(9)
    rounds, held = 400, 0
    for _ in range(rounds):
        sides = random.binomial(6, 0.5, (2, 200)).astype(float)
        row = membership.row_of(Signal.of(*([side] for side in sides)))
        held += row["auc_low"] <= 0.5 <= row["auc_high"]
    assert 0.917 <= held / rounds <= 0.983


def test_a_sample_takes_no_more_than_64_bytes():
    random = np.random.default_rng(1)
    n = 200_000
    shards = [[random.random(n // 20) for _ in range(20)] for _ in range(2)]
    tracemalloc.start()
    signal = Signal.of(*shards)
    membership.row_of(signal)
    list(membership.curve(signal))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most / (2 * n) <= 64


def test_similarities_are_cosines_or_distances_row_by_row():
    random = np.random.default_rng(4)
    first, second = random.normal(size=(2, 5000, 7)).astype(np.float32)
    first[3] = 0
    cosines = membership.similarities(first, second, "cosine")
    expected = [
        a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) if np.any(a) else 0
        for a, b in zip(first.astype(float), second.astype(float), strict=True)
    ]
    assert cosines == pytest.approx(expected)
    distances = membership.similarities(first, second, "euclidean")
    assert distances == pytest.approx(-((first.astype(float) - second) ** 2).sum(axis=1))
