"""The command that is asked before a measurement: `python -m dejavu.power`."""

import re

import polars as pl
import pytest

from dejavu import power
from dejavu.files.csv import write_csv

COLUMNS = {
    **dict.fromkeys(
        ("test", "target_model", "reference_model", "replicate", "set", "score"), pl.String
    ),
    "first_samples": pl.Int64,
    "first_variance": pl.Float64,
    "second_samples": pl.Int64,
    "second_variance": pl.Float64,
}


def said(capsys, *words):
    power.main(words)
    return capsys.readouterr().out


def test_variances_that_are_told_give_the_formulas_numbers(capsys):
    # (2.801585 / .02)² · .75 = 14,716.6, and half of that root for a mean of two.
    assert "14,717 samples find 0.02" in said(capsys, "--variance", ".75", "--score", ".02")
    told = said(capsys, "--variance", ".75", ".75", "--score", ".02")
    assert "29,434 samples of each of the two sets find 0.02" in told
    told = said(capsys, "--variance", ".75", ".75", "--score", ".02", "--symmetric")
    assert "7,359 samples of each of the two sets find 0.02" in told
    # 2.801585 · √(.75 / 1000 + .5 / 400).
    told = said(capsys, "--variance", ".75", ".5", "--samples", "1000", "400")
    assert "1,000 and 400 samples find 0.1253 or more" in told
    assert "0.1085 or more" in said(capsys, "--variance", ".75", ".75", "--samples", "1000")


def test_a_table_of_any_finished_run_is_read(capsys, tmp_path):
    path = tmp_path / "results/tables/vlm_power.csv"
    names = {"target_model": "clip_a", "reference_model": "clip_b", "replicate": "0"}
    rows = [
        {"test": "two", "set": "target", "score": "ppg", "first_variance": 0.75},
        {"test": "two", "set": "symmetric", "score": "ppg", "first_variance": 0.75}
        | {"second_variance": 0.75},
        {"test": "empty", "set": "target", "score": "ppg", "first_samples": 0},
        {"test": "half", "set": "calibrated", "score": "ppg", "first_samples": 900}
        | {"first_variance": 0.75, "second_samples": 0},
        {"test": "ties", "set": "calibrated", "score": "ppg", "first_samples": 900}
        | {"first_variance": 0.0, "second_samples": 900, "second_variance": 0.0},
    ]
    write_csv(path, [{**names, **row} for row in rows], COLUMNS, "some digest")
    heading = "test, target_model, reference_model, replicate, set, score: "
    assert said(capsys, str(path), "--score", "0.02").splitlines() == [
        f"{heading}samples needed",
        "two, clip_a, clip_b, 0, target, ppg: 14,717 samples find 0.02",
        "two, clip_a, clip_b, 0, symmetric, ppg: 7,359 samples of each of the two sets find 0.02",
        "empty, clip_a, clip_b, 0, target, ppg: no sample was scored in a set of it",
        "half, clip_a, clip_b, 0, calibrated, ppg: no sample was scored in a set of it",
        "ties, clip_a, clip_b, 0, calibrated, ppg: all samples are alike: measure more of them",
    ]
    assert said(capsys, str(path), "--samples", "10").startswith(f"{heading}what they find\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "give a table of a finished run, or --variance"),
        (["t.csv", "--variance", ".5", "--score", ".1"], "give a table of a finished run, or"),
        (["--variance", ".5"], "give either --score or --samples"),
        (["--variance", ".5", "--score", "2"], "a score is at least 1e-06 and at most 1"),
        (["--variance", ".5", ".5", ".5", "--score", ".1"], "--variance takes one or two finite"),
        (["--variance", "inf", "--score", ".1"], "--variance takes one or two finite numbers"),
        (["--variance", "nan", "--samples", "9"], "--variance takes one or two finite numbers"),
        (["--variance", "0", "--score", ".1"], "each above 0"),
        (["--variance", ".5", "--score", "1e-200"], "a score is at least 1e-06"),
        (["--variance", ".5", "--samples", "0"], "--samples takes one or two numbers, each at"),
        (["--variance", ".5", "--score", ".1", "--symmetric"], "give --variance twice"),
        (["nowhere.csv", "--score", ".1"], "nowhere.csv does not exist"),
    ],
)
def test_mistakes_are_told_in_a_sentence(capsys, words, sentence):
    with pytest.raises(SystemExit) as stopped:
        power.main(words)
    told = capsys.readouterr().err + str(stopped.value)
    assert re.search(re.escape(sentence), told)
    assert "Traceback" not in told


def test_a_table_that_is_not_there_is_told_so(tmp_path):
    path = tmp_path / "vlm_power.csv"
    with pytest.raises(SystemExit, match=f"{path} does not exist: give vlm_power.csv or"):
        power.main([str(path), "--score", "0.02"])


def test_a_score_and_samples_at_once_are_refused(capsys):
    words = ["--variance", ".5", "--score", ".1", "--samples", "9"]
    with pytest.raises(SystemExit):
        power.main(words)
    assert "give either --score or --samples" in capsys.readouterr().err


def test_a_table_of_something_else_is_refused(tmp_path):
    path = tmp_path / "results/tables/other.csv"
    write_csv(path, [{"test": "a"}], {"test": pl.String}, "digest")
    with pytest.raises(SystemExit, match="has no variances"):
        power.main([str(path), "--score", "0.1"])


def test_samples_that_find_no_score_are_told_so(capsys):
    power.main(["--variance", "5", "--samples", "10"])
    assert "10 samples find no score, not even 1" in capsys.readouterr().out
