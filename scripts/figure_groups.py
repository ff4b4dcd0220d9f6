"""Figure: of the levels of every group adjusted gaps, with intervals, and both models' results."""

from typing import Any

import altair as alt

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures

# Of a group with more levels the largest gaps are drawn, shrunk as they are.
MOST = 12


GAP = "adjusted gap"
ENDS = ("low", "high", "shrunk")
COLOURS = {GAP: figures.GREEN, **figures.ROLES}


def main(job: Any) -> None:
    """Draw every group of every test; the page gives the choice of test and group."""
    rows = rows_of(read_csv(job.input[0], job.params.digest).to_dicts())
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Who is memorized",
        "gaps by level; 95 % intervals; ticks are shrunk gaps; and both models' results",
        "The adjusted gap of every level of a group with its interval, and shrunk to the mean;"
        " beside it the mean results of target and reference on the level's members.",
        first=rows[0]["group"] if rows else "",
    )


def rows_of(table: figures.Rows) -> figures.Rows:
    """The levels that have an interval, in their order or, of many, by their shrunk gaps.

    Each has a row for its gap, and one for the results of either model.
    """
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
        for place, row in enumerate(rows):
            facts = {name: row[name] for name in ("test", "group", "level", "members", "controls")}
            facts["place"] = place
            ends = {end: row[f"adjusted_{end}"] for end in ("low", "high")}
            gap = {"value": row["adjusted"], **ends, "shrunk": row["shrunk"]}
            found.append({**facts, "panel": GAP, "what": GAP, **gap, "q_value": row["q_value"]})
            [measure] = {"precision", "accuracy"} & {name.partition("_")[0] for name in row}
            for role in figures.ROLES:
                result = {"what": role, "value": row[f"{measure}_{role}"]}
                found.append({**facts, "panel": measure, **result})
    return found


def drawn(rows: figures.Rows) -> Any:
    """A band for each level; gaps on the left, results on the right."""
    y = alt.Y("level:N").sort(field="place", op="min").title(None)
    colour = alt.Color("what:N").scale(domain=list(COLOURS), range=list(COLOURS.values()))
    base = alt.Chart().encode(
        y=y.axis(grid=True, tickBand="extent"),
        color=colour,
        tooltip=[
            alt.Tooltip("level:N"),
            alt.Tooltip("members:Q"),
            alt.Tooltip("controls:Q"),
            alt.Tooltip("what:N"),
            alt.Tooltip("value:Q", format=".3f"),
            alt.Tooltip("low:Q", format=".3f", title="95 % from"),
            alt.Tooltip("high:Q", format=".3f", title="to"),
            alt.Tooltip("shrunk:Q", format=".3f"),
            alt.Tooltip("q_value:Q", format=".2g"),
        ],
    )
    x = alt.X("start:Q").title(None).axis(grid=True, tickCount=5)
    # Results have no interval and are not shrunk; a field without a number would have no scale.
    start, end, shrunk = (f"isValid(datum.{name}) ? datum.{name} : datum.value" for name in ENDS)
    shown = alt.expr(f"datum.panel == '{GAP}' ? 1 : 0")
    layers = (
        alt.layer(
            alt.Chart().mark_rule(style="zero").encode(x=alt.datum(0)),
            base.mark_rule(style="interval").encode(x=x, x2="end:Q"),
            base.mark_point(style="estimate").encode(x="value:Q"),
            alt.Chart()
            .mark_tick(color=figures.VERMILLION, thickness=2, opacity=shown)
            .encode(y=y, x="tick:Q"),
        )
        .transform_calculate(start=start, end=end, tick=shrunk)
        .properties(width=270, height=alt.Step(18))
    )
    panels = list(dict.fromkeys(row["panel"] for row in rows))
    chart = figures.panels(layers, rows, "panel", 2, panels)
    if not rows:
        return chart
    chart = chart.resolve_scale(x="independent")
    choices = {
        column: figures.chosen(rows, column, rows[0][column], column)
        for column in ("test", "group")
    }
    return figures.filtered(chart, choices)


run(main)
