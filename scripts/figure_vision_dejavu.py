"""Figure: déjà vu scores, one-model against two-model."""

from typing import Any

import altair as alt
import polars as pl

from dejavu.job import run
from dejavu.report import figures


def main(job: Any) -> None:
    """Draw every headline score, over all crops and over the most confident."""
    rows = rows_of(figures.read(job.input[0]), job.params.sets)
    figures.save(
        drawn(rows),
        job.output,
        "Déjà vu scores",
        "two-model: both directions; one-model: "
        + ("calibrated on control" if job.params.sets["one_model"] == "calibrated" else "raw")
        + "; 95 % intervals",
        "Déjà vu score of each target model against each reference, over all crops and over the"
        " most confident, with 95 % intervals.",
    )


def rows_of(frame: pl.DataFrame, sets: dict[str, str]) -> figures.Rows:
    """A row for each target, reference and confident fraction."""
    keys = ["target_model", "reference", "direction", "set", "confident"]
    found = []
    for row in figures.summaries(frame, keys).to_dicts():
        if figures.set_of(row) != sets[row["test"]] or row["score"] is None:
            continue
        scores = ("confident", "score", "score_low", "score_high")
        found.append(
            {
                "panel": figures.fraction_of_crops(row["confident"]),
                "target_model": row["target_model"],
                "against": figures.against(row),
                "reference": row["reference"],
                "set": figures.set_of(row),
                **{key: row[key] for key in scores},
            }
        )
    return found


def drawn(rows: figures.Rows) -> Any:
    """A panel for each confident fraction."""
    targets, references = (
        list(dict.fromkeys(row[key] for row in rows)) for key in ("target_model", "against")
    )
    layers = figures.estimates(
        "score",
        "déjà vu score (difference of accuracies)",
        figures.bands("target_model", targets),
        alt.Color("against:N").sort(references).legend(columns=3),
        [
            alt.Tooltip("target_model:N", title="target"),
            alt.Tooltip("reference:N"),
            alt.Tooltip("set:N"),
            alt.Tooltip("confident:Q", format=".0%", title="most confident"),
            *figures.score_tooltips("score"),
        ],
        yOffset=alt.YOffset("against:N").sort(references),
    ).properties(width=230, height={"step": 13, "for": "offset"})
    panels = sorted({row["confident"] for row in rows}, reverse=True)
    order = [figures.fraction_of_crops(fraction) for fraction in panels]
    return figures.panels(layers, rows, "panel", 3, order)


run(main)
