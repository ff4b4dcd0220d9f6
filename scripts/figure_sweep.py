"""Figure: memorization along a sweep, and utility under it."""

from collections.abc import Mapping
from typing import Any

import altair as alt

from dejavu.config.points import is_number
from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import curves, figures


def main(job: Any) -> None:
    """Draw every score of a sweep against the varied key."""
    plan = job.params.sweep
    rows = curves.rows_of(read_csv(job.input[0], job.params.digest).to_dicts(), plan)
    figures.save(
        drawn(rows, plan),
        job.output,
        job.params.digest,
        f"Sweep {plan['sweep']}",
        f"against {curves.axes(plan)[0]}; 95 % intervals, over samples",
        "Memorization with 95 % intervals, and utility, at every point of the sweep.",
    )


def drawn(rows: figures.Rows, plan: Mapping[str, Any]) -> Any:
    """A panel for each score, one under the other; of a grid a line for each value of one key."""
    along, other = curves.axes(plan)
    values = curves.values_of(plan, along)
    if all(map(is_number, values)):
        kind = {"type": "log"} if curves.is_logarithmic(values) else {"zero": False}
        scale = alt.Scale(**kind, nice=False, padding=12)
        x = alt.X("x:Q").scale(scale).axis(values=values, format="~g", grid=False)
    else:
        names = list(dict.fromkeys(row["x"] for row in rows))
        x = alt.X("x:N").sort(names).axis(labelAngle=0, grid=False)
    lines = list(dict.fromkeys(row["line"] for row in rows))
    colour = (
        alt.value(figures.BLUE)
        if other is None
        else alt.Color("line:N").sort(lines).scale(range=figures.CATEGORIES)
    )
    tooltip = [
        alt.Tooltip("point:N"),
        alt.Tooltip("panel:N", title="score"),
        alt.Tooltip("value:Q", format=".3f"),
        alt.Tooltip("low:Q", format=".3f", title="95 % from"),
        alt.Tooltip("high:Q", format=".3f", title="to"),
    ]
    order = list(dict.fromkeys(row["panel"] for row in rows))
    # Of several scores the heading of each panel tells which it is.
    title = order[0] if len(order) == 1 else None
    y = alt.Y("value:Q").title(title).scale(zero=False).axis(tickCount=5)
    base = alt.Chart().encode(x=x.title(along), color=colour, tooltip=tooltip)
    # A panel whose rule had no place at all would have no scale: of utility it is there, unseen.
    zero = (
        alt.Chart()
        .mark_rule(style="zero")
        .transform_calculate(rule="isValid(datum.zero) ? datum.zero : datum.value")
        .encode(
            y=alt.Y("rule:Q").title(title),
            opacity=alt.condition("isValid(datum.zero)", alt.value(1), alt.value(0)),
        )
    )
    interval = base.mark_rule(style="interval").encode(y=alt.Y("low:Q").title(title), y2="high:Q")
    line = base.mark_line().encode(y=y)
    point = base.mark_point(style="estimate").encode(y=y)
    layers = alt.layer(zero, line, interval, point).properties(width=380, height=150)
    chart = figures.panels(layers, rows, "panel", 1, order)
    return chart.resolve_scale(y="independent") if len(order) > 1 else chart


run(main)
