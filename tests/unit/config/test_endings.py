"""What a run says while it runs and at its end."""

import csv
import json
import logging
import os

import pytest

from dejavu.config import endings


def write(path, rows):
    """A checks table of some rows."""
    columns = ["test", "target_model", "reference_model", "check", "score"]
    columns += ["value", "value_low", "value_high", "outcome"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    noted = {"notes": [{"config": "this config"}]}
    path.with_name(f"{path.name}-metadata.json").write_text(json.dumps(noted))


def test_each_verdict_is_told_in_one_line(tmp_path):
    scores, checks = tmp_path / "vlm_ppg.csv", tmp_path / "vlm_checks.csv"
    scores.write_text("")
    pair = {"test": "two", "target_model": "net", "reference_model": "other"}
    score = {"score": "symmetric PPG", "value": 0.25, "value_low": 0.1, "value_high": 0.4004}
    lacking = {"score": "gap", "outcome": "not measurable"}
    rows = [
        {**pair, "check": "verdict", **score, "outcome": "memorizes"},
        {**pair, "check": "non-members", "outcome": "holds"},
        {**pair, "test": "one", "check": "verdict", **lacking},
    ]
    write(checks, rows)
    assert list(endings.verdict_lines(checks, scores, "this config")) == [
        "two, net against other: memorizes (symmetric PPG 0.250 [0.100, 0.400])",
        "one, net against other: not measurable (gap)",
    ]


def test_a_table_that_is_older_than_its_scores_or_missing_says_nothing(tmp_path):
    scores, checks = tmp_path / "vlm_ppg.csv", tmp_path / "vlm_checks.csv"
    scores.write_text("")
    assert list(endings.verdict_lines(checks, scores, "this config")) == []
    write(checks, [{"check": "verdict"}])
    os.utime(checks, ns=(0, 0))
    assert list(endings.verdict_lines(checks, scores, "this config")) == []


def test_a_table_of_another_config_says_nothing(tmp_path):
    scores, checks = tmp_path / "vlm_ppg.csv", tmp_path / "vlm_checks.csv"
    scores.write_text("")
    write(checks, [{"check": "verdict", "outcome": "memorizes"}])
    assert len(list(endings.verdict_lines(checks, scores, "this config"))) == 1
    assert list(endings.verdict_lines(checks, scores, "another")) == []
    checks.with_name("vlm_checks.csv-metadata.json").unlink()
    assert list(endings.verdict_lines(checks, scores, "this config")) == []


@pytest.mark.parametrize(
    ("event", "level", "text", "told"),
    [
        ("progress", "INFO", None, True),
        ("run_info", "INFO", "Job stats:", True),
        ("job_error", "ERROR", None, True),
        ("error", "ERROR", "Error in rule", True),
        ("job_info", "INFO", None, False),
        ("job_finished", "INFO", "Finished jobid: 3", False),
        ("workflow_started", "INFO", None, False),
        (None, "INFO", "Select jobs to execute...", False),
        (None, "INFO", "Using shell: /usr/bin/bash", False),
        (None, "WARNING", "Using shell: none", True),
        (None, "INFO", "Complete log(s): a.log", True),
    ],
)
def test_jobs_are_left_to_the_log_and_what_somebody_acts_on_is_told(event, level, text, told):
    facts = {"msg": text, "levelno": logging.getLevelName(level), "event": event}
    assert endings.is_for_terminal(logging.makeLogRecord(facts)) == told


def test_a_page_is_current_until_a_table_is_younger(tmp_path):
    page, table = tmp_path / "index.html", tmp_path / "vlm_ppg.csv"
    assert not endings.is_current(page, [])
    page.write_text("")
    table.write_text("")
    os.utime(page, (2, 2))
    os.utime(table, (1, 1))
    assert endings.is_current(page, [table])
    os.utime(table, (3, 3))
    assert not endings.is_current(page, [table])
