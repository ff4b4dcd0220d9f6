"""A small certification: intervals cover known truths as often as they say (`make certify`)."""

import itertools

import pytest

from tests.certify import contrasts, shifts, verdicts, worlds

pytestmark = pytest.mark.slow

# Cases of each form, and worlds of each; all of them take minutes.
SMALL = [
    (worlds.one_set, 30, 1_000),
    (worlds.two_sets, 70, 1_000),
    (worlds.means, 20, 1_000),
    (worlds.proportions, 20, 1_000),
    (worlds.adjusted, 30, 300),
    (worlds.seeds, 1, 200),
    (worlds.clusters, 2, 500),
    (worlds.confident, 1, 200),
    (worlds.classes, 2, 60),
    (worlds.adjusted_of_clusters, 3, 100),
    (worlds.many_of_seeds, 1, 20),
    (contrasts.differences, 9, 60),
    (contrasts.pooled_differences, 3, 40),
    (contrasts.gaps, 9, 40),
    (contrasts.crops, 6, 40),
    (contrasts.levels, 2, 40),
    (shifts.shifted, 24, 60),
    (shifts.bounded, 12, 60),
]


@pytest.mark.parametrize(("form", "cases", "number"), SMALL)
def test_intervals_cover_the_truth_and_have_a_width(form, cases, number):
    for case in itertools.islice(form(number), cases):
        assert not case.faults(), (case.form, case.world, case.sizes, case.coverage)
        assert len(case.covered) == len(case.widths) == number


def test_models_without_memory_are_seldom_said_to_memorize():
    for each in verdicts.verdicts(400):
        assert not each.faults(), (each.test, each.size, each.rates)
        assert sum(each.rates.values()) == pytest.approx(1)
        if each.memory == "much" and each.size >= 1_000:
            assert each.false > 0.9


def test_a_tilted_control_misleads_the_adjusted_gap_and_no_verdict():
    assert shifts.missed(40) > 0.9
    for each in shifts.verdicts(60):
        assert not each.faults(), (each.test, each.size, each.rates)
        if each.memory == "much":
            assert each.false > 0.9


def test_what_covers_too_seldom_or_too_often_or_has_no_width_is_told():
    rng = worlds.generator("faults")
    for share, width, faults in (
        (0.9, 1.0, ["covers less than 0.93"]),
        (0.95, 1.0, []),
        (0.995, 1.0, ["covers more than 0.97"]),
        (0.95, 0.0, ["has no width"]),
    ):
        covered = rng.random(3_000) < share
        case = worlds.Case("f", "w", "1", covered, covered * 0 + width, 0.93, True)
        assert case.faults() == faults
