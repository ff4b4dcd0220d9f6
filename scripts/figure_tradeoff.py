"""Figure: memorization against utility at the points of a sweep."""

from collections.abc import Mapping
from typing import Any

import altair as alt

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import curves, figures


def main(job: Any) -> None:
    """Draw every point of a sweep by what it memorizes and what it is good for."""
    plan = job.params.sweep
    table = read_csv(job.input[0], job.params.digest).to_dicts()
    figures.save(
        drawn(curves.pairs_of(curves.rows_of(table, plan)), plan),
        job.output,
        job.params.digest,
        f"Sweep {plan['sweep']}: memorization against utility",
        "lower and further right is better; 95 % intervals of memorization, over samples",
        "Memorization with 95 % intervals against utility at every point of the sweep.",
    )


def drawn(rows: figures.Rows, plan: Mapping[str, Any]) -> Any:
    """A panel for each score and kind of utility; lines follow the varied key."""
    along, other = curves.axes(plan)
    order = {text: place for place, text in enumerate(map(str, curves.values_of(plan, along)))}
    placed = [{**row, "place": order.get(str(row["x"]), 0)} for row in rows]
    colour = (
        alt.value(figures.BLUE)
        if other is None
        else alt.Color("line:N").scale(range=figures.CATEGORIES)
    )
    x = alt.X("utility:Q").scale(zero=False, padding=20).title("utility").axis(grid=False)
    y = alt.Y("value:Q").title("memorization").axis(tickCount=5)
    tooltip = [
        alt.Tooltip("point:N"),
        alt.Tooltip("utility:Q", format=".3f"),
        alt.Tooltip("value:Q", format=".3f"),
        alt.Tooltip("low:Q", format=".3f", title="95 % from"),
        alt.Tooltip("high:Q", format=".3f", title="to"),
    ]
    base = alt.Chart().encode(x=x, color=colour, tooltip=tooltip)
    path = base.mark_line(opacity=0.4).encode(y=y, order="place:O")
    interval = base.mark_rule(style="interval").encode(y=alt.Y("low:Q"), y2="high:Q")
    point = base.mark_point(style="estimate").encode(y=y)
    name = base.mark_text(align="left", dx=7, dy=-7).encode(y=y, text="x:N")
    layers = alt.layer(path, interval, point, name).properties(width=300, height=220)
    panels = list(dict.fromkeys(row["panel"] for row in rows))
    chart = figures.panels(layers, placed, "panel", 2, panels)
    return chart.resolve_scale(x="independent", y="independent") if len(panels) > 1 else chart


run(main)
