"""Figure: how often two references agree."""

from typing import Any

import polars as pl

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures


def main(job: Any) -> None:
    """Draw the pairwise agreement of the references, as a matrix for each measure."""
    rows = rows_of(read_csv(job.input[0], job.params.digest), job.params.headline)
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Agreement of references",
        figures.setting(job.params.headline) + "; right: precision or recall of at least 0.5",
        "Fraction of training captions on which two references are right together or wrong"
        " together.",
    )


def rows_of(frame: pl.DataFrame, headline: dict[str, Any]) -> figures.Rows:
    """A row for each pair of references and measure."""
    for column, value in headline.items():
        frame = frame.filter(pl.col(column) == value)
    return frame.select("metric", "first", "second", "agreement").to_dicts()


def drawn(rows: figures.Rows) -> Any:
    """A matrix for each measure."""
    names = list(dict.fromkeys(row[side] for side in ("first", "second") for row in rows))
    cells = figures.matrix(names, "agreement")
    whole = figures.mirrored(rows, "agreement")
    return figures.panels(cells, whole, "metric", 2, ["precision", "recall"])


run(main)
