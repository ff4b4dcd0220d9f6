"""Figure: who is right about a crop's label, target or reference."""

from typing import Any

import altair as alt
import polars as pl

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures

QUADRANTS = {
    "memorized": figures.VERMILLION,
    "correlated": figures.BLUE,
    "misrepresented": figures.PURPLE,
    "unassociated": "#B8BEC6",
}


def main(job: Any) -> None:
    """Draw the fractions of crops that are memorized, correlated and so on."""
    rows = rows_of(read_csv(job.input[0], job.params.digest))
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Memorized, correlated, misrepresented, unassociated",
        figures.sizes(rows, "crops", "crops")
        + "; two-model: symmetric; ticks: what control, which no model saw, would give",
        "Fractions of crops by who infers the label: the target model alone, both, the reference"
        " alone, or neither.",
    )


def rows_of(frame: pl.DataFrame) -> figures.Rows:
    """A row for each quadrant, target and reference."""
    pair = ["target_model", "reference_model"]
    both = pl.col("set") == "symmetric"
    frame = frame.filter(both | ~both.any().over(pair), pl.col("top") == 1)
    rows = figures.with_against(figures.summaries(frame, pair).to_dicts())
    return [
        {
            **{key: row[key] for key in (*pair, "against", "set", "crops")},
            "quadrant": quadrant,
            "place": place,
            "fraction": row[quadrant],
            "false": false_fraction(row) if quadrant == "memorized" else None,
        }
        for row in rows
        for place, quadrant in enumerate(QUADRANTS)
    ]


def false_fraction(row: dict[str, Any]) -> float | None:
    """The fraction of crops that would look memorized as control's do; None without control."""
    expected = row["expected_false"]
    return None if expected is None or not row["crops"] else expected / row["crops"]


def drawn(rows: figures.Rows) -> Any:
    """A panel for each target model."""
    colour = alt.Color("quadrant:N").scale(domain=list(QUADRANTS), range=list(QUADRANTS.values()))
    references = list(dict.fromkeys(row["against"] for row in rows))
    bars = (
        alt.Chart()
        .mark_bar(height={"band": 0.7})
        .encode(
            x=alt.X("fraction:Q").title("fraction of crops").scale(domain=[0, 1]),
            y=alt.Y("against:N").sort(references).title("reference"),
            color=colour,
            order="place:Q",
            tooltip=[
                alt.Tooltip("target_model:N", title="target"),
                alt.Tooltip("reference_model:N", title="reference"),
                alt.Tooltip("quadrant:N"),
                alt.Tooltip("fraction:Q", format=".3f"),
                alt.Tooltip("false:Q", format=".3f", title="as control"),
                alt.Tooltip("crops:Q", format=","),
            ],
        )
    )
    false = (
        alt.Chart()
        .mark_tick(style="known", thickness=2)
        .encode(x="false:Q", y=alt.Y("against:N").sort(references))
    )
    bars = alt.layer(bars, false).properties(width=230, height={"step": 22})
    targets = list(dict.fromkeys(row["target_model"] for row in rows))
    return figures.panels(bars, rows, "target_model", 3, targets)


run(main)
