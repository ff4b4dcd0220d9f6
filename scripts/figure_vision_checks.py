"""Figure: déjà vu scores beside their control and placebo."""

from typing import Any

import altair as alt
import polars as pl

from dejavu.job import run
from dejavu.report import figures

SETS = {
    "target": "A's crops, raw",
    "reference": "B's crops, raw",
    "control": "control, raw",
    "symmetric": "symmetric",
    "calibrated": "calibrated",
    "placebo": "placebo",
}


def main(job: Any) -> None:
    """Draw the scores over all crops on every set."""
    rows = rows_of(figures.read(job.input[0]))
    figures.save(
        drawn(rows),
        job.output,
        "Scores and their checks",
        "all crops; 95 % intervals; placebo must be near 0, and control tells how raw scores lean",
        "Déjà vu scores on the training sets, on control and after calibration, with the placebo.",
    )


def rows_of(frame: pl.DataFrame) -> figures.Rows:
    """A row for each target, reference and set."""
    frame = frame.filter(pl.col("confident") == 1)
    rows = figures.summaries(frame, ["target_model", "reference_model", "set"]).to_dicts()
    names = ("target_model", "reference_model", "against")
    scores = ("crops", "dejavu", "dejavu_low", "dejavu_high")
    return [
        {**{key: row[key] for key in (*names, *scores)}, "what": SETS[row["set"]]}
        for row in figures.with_against(rows)
        if row["dejavu"] is not None
    ]


def drawn(rows: figures.Rows) -> Any:
    """A panel for each target model."""
    references = list(dict.fromkeys(row["against"] for row in rows))
    layers = figures.estimates(
        "dejavu",
        "déjà vu score",
        figures.bands("what", list(SETS.values())),
        alt.Color("against:N").sort(references).legend(columns=3),
        [
            alt.Tooltip("target_model:N", title="target"),
            alt.Tooltip("reference_model:N", title="reference"),
            alt.Tooltip("what:N", title="set"),
            *figures.score_tooltips("dejavu"),
            alt.Tooltip("crops:Q", format=","),
        ],
        yOffset=alt.YOffset("against:N").sort(references),
    ).properties(width=230, height={"step": 8, "for": "offset"})
    targets = list(dict.fromkeys(row["target_model"] for row in rows))
    return figures.panels(layers, rows, "target_model", 3, targets)


run(main)
