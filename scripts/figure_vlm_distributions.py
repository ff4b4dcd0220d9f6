"""Figure: distributions of recall of target and reference."""

from typing import Any

import altair as alt
import polars as pl

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures


def main(job: Any) -> None:
    """Draw both distribution functions of recall; the area between them is the AUCG."""
    rows = rows_of(read_csv(job.input[0], job.params.digest), job.params.headline)
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Distributions of recall",
        figures.sizes(rows, "targets", "training captions")
        + f"; {job.params.headline['query']}, {job.params.headline['predict']},"
        f" {job.params.headline['objects']} objects; the area between the curves is the AUCG",
        "Fraction of training captions whose recall is at most a value, for the target model and"
        " its reference, by test and number of neighbours.",
    )


def rows_of(frame: pl.DataFrame, headline: dict[str, Any]) -> figures.Rows:
    """A row for each recall, role, test and number of neighbours."""
    for column in ("query", "predict", "objects"):
        frame = frame.filter(pl.col(column) == headline[column])
    return [
        {
            "panel": f"{row['test']}, k = {row['k']}",
            "role": role,
            "recall": row["recall"],
            "at_most": row[f"at_most_{role}"],
            "targets": row["targets"],
        }
        for row in frame.to_dicts()
        for role in figures.ROLES
    ]


def drawn(rows: figures.Rows) -> Any:
    """A panel for each test and number of neighbours."""
    roles, colours = list(figures.ROLES), list(figures.ROLES.values())
    line = (
        alt.Chart()
        .mark_line(interpolate="step-after", point={"size": 40, "opacity": 0})
        .encode(
            x=alt.X("recall:Q").title("recall").scale(domain=[0, 1]).axis(tickCount=5),
            y=alt.Y("at_most:Q").title("fraction of captions at most").scale(domain=[0, 1]),
            color=alt.Color("role:N")
            .scale(domain=roles, range=colours)
            .legend(symbolType="stroke"),
            strokeDash=alt.StrokeDash("role:N").scale(domain=roles, range=[[1, 0], [5, 3]]),
            tooltip=[
                alt.Tooltip("panel:N", title="test"),
                alt.Tooltip("role:N", title="model"),
                alt.Tooltip("recall:Q", format=".3f"),
                alt.Tooltip("at_most:Q", format=".3f", title="fraction at most"),
            ],
        )
        .properties(width=190, height=150)
    )
    panels = list(dict.fromkeys(row["panel"] for row in rows))
    return figures.panels(line, rows, "panel", 3, panels)


run(main)
