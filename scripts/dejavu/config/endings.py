"""What a run says on the terminal: how far it is and, at its end, each test's verdict in a line.

Standard library only: the Snakefile imports it.
"""

import csv
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Snakemake's messages of each job and of the run's circumstances, by the name of their event; what
# has no event are steps of the scheduler.
ASIDE = {"job_info", "job_started", "job_finished", "group_info", "shellcmd", "resources_info"}
STEPS = ("Select jobs to execute", "Using shell:", "Building DAG", "Assuming unrestricted")


def is_for_terminal(record: logging.LogRecord) -> bool:
    """Whether one of Snakemake's messages is worth a line; all are in its log.

    A filter of `logging`. What is left are the numbers of jobs, progress, warnings and errors.
    """
    event = getattr(record, "event", None)
    if record.levelno > logging.INFO:
        return True
    if event is None:
        return not record.getMessage().startswith(STEPS)
    return str(event) not in {*ASIDE, "workflow_started"}


def is_current(page: Path, tables: list[Path]) -> bool:
    """Whether a page is there, and no table is younger: it shows what these tell."""
    with suppress(OSError):
        made = page.stat().st_mtime_ns
        return all(table.stat().st_mtime_ns <= made for table in tables)
    return False


def verdict_lines(checks: Path, scores: Path, digest: str) -> Iterator[str]:
    """A line for each verdict of a checks table.

    None where the table is missing, older than the scores or of another config: a run that asks
    for something else leaves such a one as it is.

    Args:
        checks: path of {domain}_checks.csv.
        scores: path of the table that it judges.
        digest: of the config.
    """
    try:
        if checks.stat().st_mtime_ns < scores.stat().st_mtime_ns:
            return
        described = Path(f"{checks}-metadata.json").read_text(encoding="utf-8")
        if json.loads(described)["notes"][0]["config"] != digest:
            return
        with checks.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return
    for row in rows:
        if row["check"] != "verdict":
            continue
        ends = (row["value"], row["value_low"], row["value_high"])
        told = row["score"]
        if all(ends):
            value, low, high = (f"{float(end):.3f}" for end in ends)
            told += f" {value} [{low}, {high}]"
        pair = f"{row['test']}, {row['target_model']} against {row['reference_model']}"
        yield f"{pair}: {row['outcome']} ({told})"
