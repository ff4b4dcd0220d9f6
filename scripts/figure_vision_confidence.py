"""Figure: how sure the memorized crops are."""

from typing import Any

import altair as alt
import polars as pl

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures


def main(job: Any) -> None:
    """Draw the histogram of memorization confidence of each target's memorized crops."""
    rows = rows_of(read_csv(job.input[0], job.params.digest))
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Memorization confidence",
        "memorized crops of A, first replicate; ticks: what control would give",
        "Histogram of memorization confidence, the entropy of the reference minus that of the"
        " target, over the memorized crops of each target model.",
        f"against {rows[0]['against']}" if rows else "",
    )


def rows_of(frame: pl.DataFrame) -> figures.Rows:
    """A row for each bin, target and reference."""
    return figures.with_against(frame.to_dicts())


def drawn(rows: figures.Rows) -> Any:
    """A panel for each target model."""
    bars = (
        alt.Chart()
        .mark_bar(color=figures.VERMILLION, binSpacing=1)
        .encode(
            x=alt.X("low:Q").bin("binned").title("confidence, nats"),
            x2="high:Q",
            y=alt.Y("crops:Q").title("memorized crops"),
            tooltip=[
                alt.Tooltip("target_model:N", title="target"),
                alt.Tooltip("reference_model:N", title="reference"),
                alt.Tooltip("low:Q", title="confidence from"),
                alt.Tooltip("high:Q", title="to"),
                alt.Tooltip("crops:Q", format=","),
                alt.Tooltip("expected_false:Q", format=",.1f", title="as control"),
            ],
        )
    )
    false = (
        alt.Chart()
        .transform_calculate(middle="(datum.low + datum.high) / 2")
        .mark_tick(style="known", thickness=2, orient="horizontal")
        .encode(x="middle:Q", y="expected_false:Q")
    )
    bars = alt.layer(bars, false).properties(width=230, height=150)
    targets = list(dict.fromkeys(row["target_model"] for row in rows))
    chart = figures.panels(bars, rows, "target_model", 3, targets)
    first = rows[0]["against"] if rows else None
    return figures.filtered(chart, {"against": figures.chosen(rows, "against", first, "against")})


run(main)
