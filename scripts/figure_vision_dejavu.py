"""Figure: déjà vu scores, one-model against two-model."""

from typing import Any

import altair as alt
import polars as pl

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures


def main(job: Any) -> None:
    """Draw every headline score, over all crops and over the most confident."""
    rows = rows_of(read_csv(job.input[0], job.params.digest), job.params.sets)
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Déjà vu scores",
        "two-model: symmetric; one-model: "
        + ("calibrated on control" if job.params.sets["one_model"] == "calibrated" else "raw")
        + "; 95 % intervals",
        "Déjà vu score of each target model against each reference, over all crops and over the"
        " most confident, with 95 % intervals.",
    )


def rows_of(frame: pl.DataFrame, sets: dict[str, str]) -> figures.Rows:
    """A row for each target, reference and confident fraction."""
    keys = ["target_model", "reference_model", "set", "confident"]
    summaries = figures.summaries(frame.filter(pl.col("top") == 1), keys)
    rows = figures.with_against(summaries.to_dicts())
    shown = (*keys, "against", "dejavu", "dejavu_low", "dejavu_high")
    return [
        {
            "panel": figures.fraction_of_crops(row["confident"]),
            **{key: row[key] for key in shown},
        }
        for row in rows
        if row["set"] == sets[row["test"]] and row["dejavu"] is not None
    ]


def drawn(rows: figures.Rows) -> Any:
    """A panel for each confident fraction."""
    targets, references = (
        list(dict.fromkeys(row[key] for row in rows)) for key in ("target_model", "against")
    )
    layers = figures.estimates(
        "dejavu",
        "déjà vu score (difference of accuracies)",
        figures.bands("target_model", targets),
        alt.Color("against:N").sort(references).legend(columns=3),
        [
            alt.Tooltip("target_model:N", title="target"),
            alt.Tooltip("reference_model:N", title="reference"),
            alt.Tooltip("set:N"),
            alt.Tooltip("confident:Q", format=".0%", title="most confident"),
            *figures.score_tooltips("dejavu"),
        ],
        yOffset=alt.YOffset("against:N").sort(references),
    ).properties(width=230, height={"step": 13, "for": "offset"})
    panels = sorted({row["confident"] for row in rows}, reverse=True)
    order = [figures.fraction_of_crops(fraction) for fraction in panels]
    return figures.panels(layers, rows, "panel", 3, order)


run(main)
