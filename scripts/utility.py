"""What the measured models are good for: results/tables/utility.csv."""

from typing import Any

import polars as pl

from dejavu.files.csv import write_csv
from dejavu.files.facts import read_json
from dejavu.job import run
from dejavu.scores.intervals import proportion

COLUMNS = {
    **dict.fromkeys(("domain", "model", "task"), pl.String),
    **dict.fromkeys(("accuracy", "accuracy_low", "accuracy_high"), pl.Float64),
}


def main(job: Any) -> None:
    """Turn counts into accuracies with their intervals."""
    rows = []
    for path in job.input:
        fact = read_json(path)
        low, high = proportion(fact["right"], fact["images"])
        accuracy = fact["right"] / fact["images"]
        names = {name: fact[name] for name in ("domain", "model", "task")}
        rows.append({**names, "accuracy": accuracy, "accuracy_low": low, "accuracy_high": high})
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
