"""What the measured models are good for: results/tables/utility.csv."""

from typing import Any

import polars as pl

from dejavu.files.csv import write_csv
from dejavu.files.facts import read_json
from dejavu.job import run
from dejavu.scores.intervals import wilson

COLUMNS = {
    **dict.fromkeys(("model", "task"), pl.String),
    **dict.fromkeys(("accuracy", "low", "high"), pl.Float64),
}


def main(job: Any) -> None:
    """Turn counts into accuracies with their intervals."""
    rows = []
    for path in job.input:
        fact = read_json(path)
        low, high = wilson(fact["right"], fact["images"])
        accuracy = fact["right"] / fact["images"]
        row = {"model": fact["model"], "task": fact["task"], "accuracy": accuracy}
        rows.append({**row, "low": low, "high": high})
    write_csv(job.output[0], rows, COLUMNS)


run(main)
