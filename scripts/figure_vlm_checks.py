"""Figure: scores beside their controls, placebo and non-member check."""

from typing import Any

import altair as alt
import polars as pl

from dejavu.job import run
from dejavu.report import figures

SETS = {
    "target": "training captions, raw",
    "reference": "reference's captions, raw",
    "control": "control, raw",
    "symmetric": "symmetric",
    "calibrated": "calibrated",
    "placebo": "placebo",
    "nonmember": "non-members",
}
ROLES = {"symmetric": "score", "calibrated": "score", "placebo": "check, must be near 0"}
ROLES |= {"nonmember": "check, must be near 0"}


def main(job: Any) -> None:
    """Draw the headline PPG on every set."""
    rows = rows_of(figures.read(job.input[0]), job.params.headline)
    figures.save(
        drawn(rows),
        job.output,
        "Scores and their checks",
        figures.setting(job.params.headline) + "; 95 % intervals",
        "PPG on training captions, on control and after calibration, with placebo and non-member"
        " checks, which must be near 0.",
    )


def rows_of(frame: pl.DataFrame, headline: dict[str, Any]) -> figures.Rows:
    """A row for each set of a test, at the headline setting."""
    for column, value in headline.items():
        frame = frame.filter(pl.col(column) == value)
    columns = ["test", "set", "targets", "ppg", "ppg_low", "ppg_high"]
    return [
        {
            **{column: row[column] for column in columns},
            "comparison": figures.compared(row),
            "what": SETS[row["set"]],
            "role": ROLES.get(row["set"], "raw score"),
        }
        for row in figures.summaries(frame, ["test", "set"]).to_dicts()
        if row["ppg"] is not None
    ]


def drawn(rows: figures.Rows) -> Any:
    """A panel for each test."""
    roles = ["raw score", "score", "check, must be near 0"]
    colours = [figures.GREY, figures.BLUE, figures.GREEN]
    layers = figures.estimates(
        "ppg",
        "PPG",
        figures.bands("what", list(SETS.values())),
        alt.Color("role:N").scale(domain=roles, range=colours),
        [
            alt.Tooltip("comparison:N", title="test"),
            alt.Tooltip("what:N", title="set"),
            *figures.score_tooltips("ppg"),
            alt.Tooltip("targets:Q", format=","),
        ],
    ).properties(width=300, height={"step": 24})
    comparisons = list(dict.fromkeys(row["comparison"] for row in rows))
    return figures.panels(layers, rows, "comparison", 2, comparisons)


run(main)
