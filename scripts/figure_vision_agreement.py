"""Figure: how often two references are right or wrong on the same crops."""

from typing import Any

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures


def main(job: Any) -> None:
    """Draw the pairwise agreement of the references as a matrix."""
    rows = read_csv(job.input[0], job.params.digest).to_dicts()
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Agreement of references",
        "fraction of A's crops, both right or both wrong",
        "Fraction of crops on which two references are right together or wrong together.",
    )


def drawn(rows: figures.Rows) -> Any:
    """One matrix."""
    names = list(dict.fromkeys(row[side] for side in ("first", "second") for row in rows))
    whole = figures.mirrored(rows, "agreement")
    return figures.matrix(names, "agreement").properties(data=figures.data(whole))


run(main)
