"""Figure: how well the references alone infer the labels of crops."""

from typing import Any

import altair as alt
import polars as pl

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures

MEASURES = {"accuracy_top1": "top 1", "accuracy_top5": "top 5"}
CROPS = {"all": "all crops of A", "intersection": "crops that all two-model references get right"}


def main(job: Any) -> None:
    """Draw the dataset-level correlation accuracy of each reference."""
    rows = rows_of(read_csv(job.input[0], job.params.digest))
    known = any(row["optimum"] is not None for row in rows)
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Correlation: what the references infer",
        figures.sizes([row for row in rows if row["on"] == "all"], "crops", "crops")
        + "; 95 % intervals"
        + ("; dashed: the best that is possible" if known else ""),
        "Accuracy of each reference, top 1 and top 5, on the crops of the training set A.",
    )


def rows_of(frame: pl.DataFrame) -> figures.Rows:
    """A row for each reference, set of crops and measure."""
    found = []
    for row in figures.summaries(frame, ["reference_model", "on"]).to_dicts():
        for measure, title in MEASURES.items():
            score = {f"accuracy{end}": row[f"{measure}{end}"] for end in ("", "_low", "_high")}
            optimum = row.get("optimum") if measure == "accuracy_top1" else None
            facts = {key: row[key] for key in ("reference_model", "on", "crops")}
            panel = f"{title}, {row['on']}"
            found.append({**facts, "panel": panel, **score, "optimum": optimum})
    return [row for row in found if row["accuracy"] is not None]


def drawn(rows: figures.Rows) -> Any:
    """A panel for each set of crops and measure."""
    references = list(dict.fromkeys(row["reference_model"] for row in rows))
    layers = figures.estimates(
        "accuracy",
        "accuracy",
        alt.Y("reference_model:N").sort(references).title(None),
        alt.value(figures.BLUE),
        [
            alt.Tooltip("reference_model:N", title="reference"),
            *figures.score_tooltips("accuracy"),
            alt.Tooltip("crops:Q", format=","),
            alt.Tooltip("optimum:Q", format=".3f", title="best possible"),
        ],
    )
    best = alt.Chart().mark_rule(style="known").encode(x="mean(optimum):Q")
    layers = alt.layer(*layers.layer, best).properties(width=250, height={"step": 22})
    order = [f"{title}, {on}" for on in CROPS for title in MEASURES.values()]
    return figures.panels(layers, rows, "panel", 2, order)


run(main)
