"""Figure: gaps over the first records."""

from typing import Any

import altair as alt
import polars as pl

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures

MEASURES = {"precision_gap": "precision", "recall_gap": "recall", "fscore_gap": "F-score"}
# What the best of captions that no model saw look like is no memory.
SETS = {"target": "training captions", "control": "control"}


def main(job: Any) -> None:
    """Draw the gaps of precision, recall and F-score against the number of records."""
    headline = job.params.headline
    rows = rows_of(read_csv(job.input[0], job.params.digest), headline)
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Gaps over the most memorized records",
        f"first records of a set, in the same order; {headline['query']}, {headline['predict']},"
        f" {headline['objects']} objects; dashed: control, on which nothing is memory",
        "Mean precision, recall and F-score of the target model minus those of its reference, over"
        " the first records of training captions and of control, for each number of neighbours.",
        "nearest neighbour first",
    )


def rows_of(frame: pl.DataFrame, headline: dict[str, Any]) -> figures.Rows:
    """A row for each measure, set, order, number of neighbours and fraction of records."""
    for column in ("query", "predict", "objects"):
        frame = frame.filter(pl.col(column) == headline[column])
    return [
        {
            **{column: row[column] for column in ("test", "k", "order", "top", "fraction")},
            "set": SETS[row["set"]],
            "panel": f"{row['test']}: {title}",
            "gap": row[measure],
        }
        for row in frame.to_dicts()
        for measure, title in MEASURES.items()
    ]


def drawn(rows: figures.Rows) -> Any:
    """A panel for each test and measure."""
    zero = alt.Chart().mark_rule(style="zero").encode(y=alt.datum(0))
    line = (
        alt.Chart()
        .mark_line(point={"size": 22, "filled": True})
        .encode(
            x=alt.X("fraction:Q").title("first records").axis(grid=False, format="%", tickCount=4),
            y=alt.Y("gap:Q").title("gap").axis(grid=True, tickCount=5),
            color=alt.Color("k:O")
            .legend(title="neighbours", orient="top")
            .scale(range=figures.CATEGORIES),
            strokeDash=alt.StrokeDash("set:N")
            .scale(domain=list(SETS.values()), range=[[1, 0], [5, 3]])
            .legend(symbolType="stroke", symbolStrokeColor=figures.INK),
            detail="set:N",
            tooltip=[
                alt.Tooltip("panel:N", title="gap of"),
                alt.Tooltip("set:N"),
                alt.Tooltip("k:O", title="neighbours"),
                alt.Tooltip("top:Q", title="records"),
                alt.Tooltip("gap:Q", format=".3f"),
            ],
        )
    )
    layers = alt.layer(zero, line).properties(width=190, height=150)
    panels = list(dict.fromkeys(row["panel"] for row in rows))
    chart = figures.panels(layers, rows, "panel", 3, panels)
    return figures.filtered(
        chart, {"order": figures.chosen(rows, "order", "min_distance", "order")}
    )


run(main)
