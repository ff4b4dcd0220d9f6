"""Figure: what the verdict judges, and what stands beside it, on every set."""

from typing import Any

import altair as alt
import polars as pl

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures

RAW, PRIMARY, BESIDE, CHECK = "raw score", "primary score", "beside it", "must be near 0"
# By kind of test and set the score that is drawn, its name, and what it is.
SHOWN = [
    ("two_model", "target", "ppg", "PPG, training captions", RAW),
    ("two_model", "reference", "ppg", "PPG, reference's captions", RAW),
    ("two_model", "control", "ppg", "PPG, control", RAW),
    ("two_model", "symmetric", "ppg", "PPG, symmetric", PRIMARY),
    ("two_model", "placebo", "ppg", "PPG, placebo", CHECK),
    ("two_model", "nonmember", "adjusted_precision", "gap, non-members", CHECK),
    ("one_model", "target", "ppg", "PPG, training captions", RAW),
    ("one_model", "control", "ppg", "PPG, control", RAW),
    ("one_model", "calibrated", "ppg", "PPG, calibrated", BESIDE),
    ("one_model", "calibrated", "adjusted_precision", "gap, adjusted", PRIMARY),
    ("one_model", "placebo", "adjusted_precision", "gap, placebo", CHECK),
    ("one_model", "nonmember", "adjusted_precision", "gap, non-members", CHECK),
]


def main(job: Any) -> None:
    """Draw the headline scores on every set."""
    rows = rows_of(read_csv(job.input[0], job.params.digest), job.params.headline, job.params.kinds)
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Scores on every set",
        figures.setting(job.params.headline) + "; 95 % intervals; gaps are of precision",
        "Scores on training captions, on control and after calibration, with placebo and non-member"
        " checks, which must be near 0.",
    )


def rows_of(frame: pl.DataFrame, headline: dict[str, Any], kinds: dict[str, str]) -> figures.Rows:
    """A row for each shown score of a test, at the headline setting; kinds of tests by name."""
    for column, value in headline.items():
        frame = frame.filter(pl.col(column) == value)
    held = {
        (row["test"], row["set"]): row
        for row in figures.summaries(frame, ["test", "set"]).to_dicts()
    }
    return [
        {
            "test": test,
            "set": set_name,
            "targets": row["targets"],
            "score": row[column],
            "score_low": row[f"{column}_low"],
            "score_high": row[f"{column}_high"],
            "comparison": figures.compared(row),
            "what": what,
            "role": role,
        }
        for test, test_kind in kinds.items()
        for kind, set_name, column, what, role in SHOWN
        if kind == test_kind and (row := held.get((test, set_name))) and row[column] is not None
    ]


def drawn(rows: figures.Rows) -> Any:
    """A panel for each test."""
    roles = [RAW, PRIMARY, BESIDE, CHECK]
    colours = [figures.GREY, figures.BLUE, figures.SKY, figures.GREEN]
    layers = figures.estimates(
        "score",
        "PPG, or gap of precision",
        figures.bands("what", list(dict.fromkeys(what for *_, what, _ in SHOWN))),
        alt.Color("role:N").scale(domain=roles, range=colours),
        [
            alt.Tooltip("comparison:N", title="test"),
            alt.Tooltip("what:N", title="score"),
            *figures.score_tooltips("score"),
            alt.Tooltip("targets:Q", format=","),
        ],
    ).properties(width=300, height={"step": 24})
    comparisons = list(dict.fromkeys(row["comparison"] for row in rows))
    return figures.panels(layers, rows, "comparison", 2, comparisons)


run(main)
