"""Sample-level scores from shards, against plain sorts and means of all samples at once."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.scores import gaps, recovered
from dejavu.scores.recovered import Outcome, Recovered

pytestmark = pytest.mark.slow

SETTINGS = recovered.settings([1, 10], ["top10"], ["all", "unnamed"])
COUNTS = st.integers(0, 4)


@st.composite
def rows(draw):
    """Truths by objects, distance, and for each side and setting predicted and correct counts."""
    truth = {objects: draw(COUNTS) for objects in ("all", "unnamed")}
    counts = {}
    for role in ("target", "reference"):
        for setting in SETTINGS:
            predicted = draw(COUNTS)
            counts[role, setting] = predicted, min(draw(COUNTS), predicted, truth[setting.objects])
    return truth, draw(st.sampled_from([0.0, 0.25, 0.5])), counts


def shard(found, number, role):
    """One shard of rows as a file holds it."""

    def column(values, kind=np.int32):
        return np.array(list(values), kind)

    columns = {
        "sample": np.arange(len(found)) + 100 * number,
        "distance": column((row[1] for row in found), np.float32),
    }
    for objects in ("all", "unnamed"):
        columns[f"truth.{objects}"] = column(row[0][objects] for row in found)
    for setting in SETTINGS:
        for place, what in enumerate(("predicted", "correct")):
            counts = (row[2][role, setting][place] for row in found)
            columns[setting.column(what)] = column(counts)
    return Recovered(pa.table(columns))


SHARDS = st.lists(st.lists(rows(), max_size=12), min_size=1, max_size=4)


def scored(shards, setting):
    """Number and counts of all samples with a truth, in order."""
    return [
        (100 * number + place, row)
        for number, found in enumerate(shards)
        for place, row in enumerate(found)
        if row[0][setting.objects]
    ]


def surplus(row, setting):
    return row[2]["target", setting][1] - row[2]["reference", setting][1]


def harmonic(precision, recall):
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@given(SHARDS)
def test_gaps_over_the_first_records_equal_those_of_a_plain_sort(shards):
    read = list(pairs(shards))
    result = {}
    for setting, order, row in gaps.gaps(lambda: iter(read), SETTINGS):
        result.setdefault((setting, order), []).append(row)
    for setting in SETTINGS:
        everything = scored(shards, setting)
        sort_keys = {
            "min_distance": lambda row: row[1],
            "correct": lambda row, setting=setting: -row[2]["target", setting][1],
            "gap": lambda row, setting=setting: -surplus(row, setting),
        }
        for order, key in sort_keys.items():
            if not everything:
                assert (setting, order) not in result
                continue
            ordered = sorted(everything, key=lambda each, key=key: (key(each[1]), each[0]))
            found = result[setting, order]
            size = len(ordered)
            assert [row["top"] for row in found] == [
                -(-size // 1000),
                -(-size // 100),
                *(-(-size * n // 20) for n in range(1, 21)),
            ]
            shares = [0.001, 0.01, *(n / 20 for n in range(1, 21))]
            assert [row["fraction"] for row in found] == pytest.approx(shares)
            for row in found:
                means = {}
                for role in ("target", "reference"):
                    first = [
                        (*each[2][role, setting], each[0][setting.objects])
                        for _, each in ordered[: row["top"]]
                    ]
                    means[role] = (
                        np.mean([right / size if size else 0 for size, right, _ in first]),
                        np.mean([right / true for _, right, true in first]),
                    )
                t, r = means["target"], means["reference"]
                assert row["precision_gap"] == pytest.approx(t[0] - r[0], abs=1e-12)
                assert row["recall_gap"] == pytest.approx(t[1] - r[1], abs=1e-12)
                assert row["fscore_gap"] == pytest.approx(harmonic(*t) - harmonic(*r), abs=1e-12)


def pairs(shards):
    """Target and reference of every shard."""
    for number, found in enumerate(shards):
        yield tuple(shard(found, number, role) for role in ("target", "reference"))


@given(SHARDS, st.integers(1, 9))
def test_the_largest_gaps_are_the_first_of_a_plain_sort(shards, most):
    found = gaps.largest(pairs(shards), SETTINGS, most)
    assert list(found) == SETTINGS
    for setting, best in found.items():
        everything = scored(shards, setting)
        expected = sorted(everything, key=lambda each: (-surplus(each[1], setting), each[0]))
        assert best.samples.tolist() == [sample for sample, _ in expected[:most]]
        for role, outcome in (("target", best.target), ("reference", best.reference)):
            counts = [(row[0][setting.objects], *row[2][role, setting]) for _, row in expected]
            columns = (each.tolist() for each in outcome.columns)
            assert list(zip(*columns, strict=True)) == counts[:most]


@given(SHARDS, SHARDS, st.integers(1, 9))
def test_false_entries_are_what_control_gives_at_the_same_surplus(shards, others, most):
    listed = gaps.largest(pairs(shards), SETTINGS, most)
    control = gaps.largest(pairs(others), SETTINGS, 0)
    for setting, best in listed.items():
        members, controls = (
            [surplus(row, setting) for _, row in scored(each, setting)] for each in (shards, others)
        )
        found = gaps.expected_false(best, control[setting])
        assert len(found) == len(best.samples)
        if not controls:
            assert np.isnan(found).all()
            continue
        ordered = sorted(members, reverse=True)
        for rank, value in enumerate(ordered[:most], 1):
            higher, equal = (
                [sum(test(each) for each in side) for side in (members, controls)]
                for test in (lambda each, v=value: each > v, lambda each, v=value: each == v)
            )
            share = (rank - higher[0]) / equal[0]
            expected = len(members) / len(controls) * (higher[1] + share * equal[1])
            assert found[rank - 1] == pytest.approx(expected)


@given(SHARDS, st.integers(1, 9))
def test_what_both_recover_is_told_by_the_worse_of_the_two(shards, most):
    for setting in SETTINGS:
        expected = []
        for sample, row in scored(shards, setting):
            sides = [row[2][role, setting] for role in ("target", "reference")]
            correct = min(right for _, right in sides)
            if correct:
                precision = min(right / predicted for predicted, right in sides)
                expected.append((-correct, -precision, sample))
        found = gaps.recovered_by_both(pairs(shards), setting, most)
        assert found.dtype == np.int64
        assert found.tolist() == [sample for *_, sample in sorted(expected)[:most]]


def test_ranks_keep_the_order_of_equals():
    assert gaps.ranks_of(np.array([0.5, 0.25, 0.5, 0.0, 0.25])).tolist() == [3, 1, 4, 0, 2]


def test_outcomes_follow_each_other():
    one, two = (Outcome(*(np.array([n + place]) for place in range(3))) for n in (0, 10))
    both = one.followed_by(two)
    assert [each.tolist() for each in both.columns] == [[0, 10], [1, 11], [2, 12]]
