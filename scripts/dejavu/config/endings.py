"""What a run says at its end: each test's verdict in a line.

Standard library only: the Snakefile imports it.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path


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
