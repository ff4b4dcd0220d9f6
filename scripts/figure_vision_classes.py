"""Figure: the five classes that each reference predicts best."""

from typing import Any

import altair as alt

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures


def main(job: Any) -> None:
    """Draw the percentage of crops that are right, for each reference's best classes."""
    rows = read_csv(job.input[0], job.params.digest).to_dicts()
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Classes that backgrounds give away",
        "the five best of each reference; " + figures.sizes(rows, "crops", "crops a class"),
        "Percentage of crops whose label each reference predicts, for its five best classes.",
    )


def drawn(rows: figures.Rows) -> Any:
    """A panel for each reference."""
    base = alt.Chart().encode(
        x=alt.X("percent:Q").title("% of the class's crops").scale(domain=[0, 100]),
        y=alt.Y("label:N").sort(field="rank", op="min", order="ascending").title(None),
        tooltip=[
            alt.Tooltip("reference_model:N", title="reference"),
            alt.Tooltip("label:N"),
            alt.Tooltip("percent:Q", format=".1f", title="% right"),
            alt.Tooltip("crops:Q", format=","),
        ],
    )
    bars = base.mark_bar(color=figures.BLUE, height={"band": 0.6})
    layers = alt.layer(bars).properties(width=190, height={"step": 20})
    references = list(dict.fromkeys(row["reference_model"] for row in rows))
    chart = figures.panels(layers, rows, "reference_model", 3, references)
    return chart.resolve_scale(y="independent")


run(main)
