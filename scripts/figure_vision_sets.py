"""Figure: what the verdict judges, and what stands beside it, on every set."""

from typing import Any

import altair as alt
import polars as pl

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures

# By kind of test and set the score that is drawn, and its name; ★: the verdict judges it.
SHOWN = [
    ("two_model", "target", "dejavu", "A's crops, raw"),
    ("two_model", "reference", "dejavu", "B's crops, raw"),
    ("two_model", "control", "dejavu", "control, raw"),
    ("two_model", "symmetric", "dejavu", "symmetric ★"),
    ("two_model", "placebo", "dejavu", "placebo"),
    ("two_model", "nonmember", "adjusted_accuracy", "non-members"),
    ("one_model", "target", "dejavu", "A's crops, raw"),
    ("one_model", "control", "dejavu", "control, raw"),
    ("one_model", "calibrated", "dejavu", "calibrated"),
    ("one_model", "calibrated", "adjusted_accuracy", "adjusted gap ★"),
    ("one_model", "placebo", "adjusted_accuracy", "placebo"),
    ("one_model", "nonmember", "adjusted_accuracy", "non-members"),
]


def main(job: Any) -> None:
    """Draw the scores over all crops on every set."""
    rows = rows_of(read_csv(job.input[0], job.params.digest))
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Scores on every set",
        "all crops; 95 % intervals; ★ the verdict judges this, against the first reference; placebo"
        " and non-members must be near 0",
        "Déjà vu scores on the training sets, on control and after calibration, with placebo and"
        " non-members.",
    )


def rows_of(frame: pl.DataFrame) -> figures.Rows:
    """A row for each shown score of a target and reference."""
    frame = frame.filter(pl.col("confident") == 1, pl.col("top") == 1)
    keys = ["test", "target_model", "reference_model", "set"]
    held = figures.with_against(figures.summaries(frame, keys).to_dicts())
    return [
        {
            **{key: row[key] for key in (*keys, "against", "crops")},
            "score": row[column],
            "score_low": row[f"{column}_low"],
            "score_high": row[f"{column}_high"],
            "what": what,
        }
        for row in held
        for kind, set_name, column, what in SHOWN
        if (kind, set_name) == (row["test"], row["set"]) and row[column] is not None
    ]


def drawn(rows: figures.Rows) -> Any:
    """A panel for each target model."""
    references = list(dict.fromkeys(row["against"] for row in rows))
    layers = figures.estimates(
        "score",
        "difference of accuracies",
        figures.bands("what", list(dict.fromkeys(what for *_, what in SHOWN))),
        alt.Color("against:N").sort(references).legend(columns=3),
        [
            alt.Tooltip("target_model:N", title="target"),
            alt.Tooltip("reference_model:N", title="reference"),
            alt.Tooltip("what:N", title="score"),
            *figures.score_tooltips("score"),
            alt.Tooltip("crops:Q", format=","),
        ],
        yOffset=alt.YOffset("against:N").sort(references),
    ).properties(width=230, height={"step": 8, "for": "offset"})
    targets = list(dict.fromkeys(row["target_model"] for row in rows))
    return figures.panels(layers, rows, "target_model", 3, targets)


run(main)
