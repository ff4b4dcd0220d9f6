"""What a run says at its end: each test's verdict in a line.

Standard library only: the Snakefile imports it.
"""

import csv
from collections.abc import Iterator
from pathlib import Path


def verdict_lines(checks: Path, scores: Path) -> Iterator[str]:
    """A line for each verdict of a checks table; none where it is missing or older than the scores.

    Args:
        checks: path of {domain}_checks.csv.
        scores: path of the table that it judges.
    """
    try:
        if checks.stat().st_mtime_ns < scores.stat().st_mtime_ns:
            return
        with checks.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError:
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
