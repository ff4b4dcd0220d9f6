"""From what jobs took to what others will take."""

import json

import numpy as np
import pytest

from dejavu.costs.fits import fit, looked_at, took
from dejavu.errors import InputError


def test_both_parts_are_found_from_jobs_of_different_sizes():
    found = fit([100, 200, 400], [5.1, 5.2, 5.4], 0.05)
    assert found.is_told
    assert (found.fixed, found.growth) == pytest.approx((5, 0.001))
    assert found.at(1e6) == pytest.approx(1005)


def test_relative_errors_count_alike_for_small_and_large_jobs():
    rng = np.random.default_rng(0)
    works = np.repeat([100, 300, 3000], 40)
    values = (4 + 0.02 * works) * rng.lognormal(0, 0.15, len(works))
    found = fit(works, values, 0.05)
    assert found.fixed == pytest.approx(4, rel=0.1)
    assert found.growth == pytest.approx(0.02, rel=0.1)


def test_no_part_is_below_zero():
    assert fit([100, 1000], [5, 4], 0.05).growth == 0
    assert fit([100, 1000], [1, 20], 0.05).fixed == 0


def test_one_size_tells_at_most_what_a_job_takes():
    found = fit([100, 110], [5.0, 5.5], 0.05)
    assert not found.is_told
    # As if all of it grew; and a smaller job takes no more than these.
    assert found.at(1000) == pytest.approx(50)
    assert found.at(1) == pytest.approx(5.5)


def test_jobs_without_samples_take_what_they_took():
    found = fit([0, 0], [2.0, 3.0], 0.05)
    assert found.is_told
    assert found.at(0) == found.at(1e9) == 2.5


@pytest.mark.parametrize(
    ("seconds", "looked"), [(4, 4), (15, 15), (39, 15), (45, 45), (74.9, 45), (600, 585)]
)
def test_snakemake_looks_at_long_jobs_seldom(seconds, looked):
    assert looked_at(seconds) == looked


def test_cpu_seconds_that_nobody_looked_at_are_added(tmp_path):
    path = tmp_path / "job.jsonl"
    path.write_text(json.dumps({"s": 40.0, "cpu_time": 12.0, "max_rss": 900.0}) + "\n")
    # Twelve of the first fifteen.
    assert took(path) == {"cpu": pytest.approx(32), "seconds": 40, "megabytes": 900}
    # Of a fork all is known.
    told = {"s": 40.0, "cpu_time": 12.0, "max_rss": 900.0, "max_uss": None}
    path.write_text(json.dumps(told) + "\n")
    assert took(path) == {"cpu": 12, "seconds": 40, "megabytes": 900}


def test_a_job_that_ended_at_once_took_nothing(tmp_path):
    path = tmp_path / "job.jsonl"
    path.write_text(json.dumps({"s": 0.2, "cpu_time": "NA", "max_rss": "NA"}) + "\n")
    assert took(path) == {"cpu": 0, "seconds": 0.2, "megabytes": 0}
    assert took(tmp_path / "none.jsonl") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"s": "x"}', "half"])
def test_a_damaged_benchmark_is_told_in_a_sentence(tmp_path, text):
    path = tmp_path / "job.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match="is no benchmark: delete it"):
        took(path)
