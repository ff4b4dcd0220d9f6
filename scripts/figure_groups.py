"""Figure: adjusted gaps of the levels of every group, with their intervals."""

from typing import Any

import altair as alt

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures

# Of a group with more levels the largest gaps are drawn, shrunk as they are.
MOST = 12


def main(job: Any) -> None:
    """Draw every group of every test; the page gives the choice of test and group."""
    rows = rows_of(read_csv(job.input[0], job.params.digest).to_dicts())
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Who is memorized",
        "gaps by level; 95 % intervals; ticks are shrunk gaps",
        "The adjusted gap of every level of a group with its interval, and shrunk to the mean.",
        first=rows[0]["group"] if rows else "",
    )


def rows_of(table: figures.Rows) -> figures.Rows:
    """The levels that have an interval, in their order or, of many, by their shrunk gaps."""
    grouped: dict[tuple[str, str], figures.Rows] = {}
    for row in table:
        if row["adjusted_low"] is not None:
            name = f"{row['test']}: {row['target_model']} against {row['reference_model']}"
            told = {**row, "test": name}
            grouped.setdefault((name, row["group"]), []).append(told)
    found = []
    for rows in grouped.values():
        if len(rows) > MOST:
            rows = sorted(rows, key=lambda row: -row["shrunk"])[:MOST]
        found += [{**row, "place": place} for place, row in enumerate(rows)]
    return found


def drawn(rows: figures.Rows) -> Any:
    """A band for each level."""
    y = alt.Y("level:N").sort(field="place", op="min").title(None)
    layers = figures.estimates(
        "adjusted",
        "adjusted gap",
        y.axis(grid=True, tickBand="extent"),
        alt.value(figures.BLUE),
        [
            alt.Tooltip("level:N"),
            alt.Tooltip("members:Q"),
            alt.Tooltip("controls:Q"),
            *figures.score_tooltips("adjusted"),
            alt.Tooltip("shrunk:Q", format=".3f"),
            alt.Tooltip("q_value:Q", format=".2g"),
        ],
    )
    shrunk = alt.Chart().mark_tick(color=figures.VERMILLION, thickness=2).encode(y=y, x="shrunk:Q")
    chart = alt.layer(layers, shrunk).properties(
        width=380, height=alt.Step(18), data=figures.data(rows)
    )
    if not rows:
        return chart
    choices = {
        column: figures.chosen(rows, column, rows[0][column], column)
        for column in ("test", "group")
    }
    return figures.filtered(chart, choices)


run(main)
