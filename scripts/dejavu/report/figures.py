"""Figures: one style, and how a chart becomes SVG, PNG and the specification the page embeds.

Charts are Vega-Lite, made with Altair from the rows of a table. A chart is a single view or a
wrapped facet of one, so that the page can fit it to any width. Colours are those of Okabe and Ito
(2008, "Color Universal Design"), which colour-blind readers tell apart.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from dejavu.files.csvw import sha256
from dejavu.files.facts import write_noted
from dejavu.job import whole_file
from dejavu.report.shown import shown

Rows = list[dict[str, Any]]

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, GREY = "#CC79A7", "#56B4E9", "#F0E442", "#8A8F98"
CATEGORIES = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY]
ROLES = {"target": BLUE, "reference": ORANGE}

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
INK, PALE, BACKGROUND = "#1F2328", "#E3E6EA", "#FFFFFF"
PNG_PIXELS_PER_INCH = 300
CELL_PIXELS = 46

THEME: dict[str, Any] = {
    "background": BACKGROUND,
    "font": FONT,
    "padding": 12,
    "view": {"stroke": None, "continuousHeight": 200, "continuousWidth": 260},
    "axis": {
        "domainColor": GREY,
        "gridColor": PALE,
        "labelColor": INK,
        "labelFontSize": 11,
        "labelLimit": 220,
        "tickColor": GREY,
        "titleColor": INK,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "axisBand": {"domain": False, "grid": False, "ticks": False, "labelPadding": 6},
    "header": {
        "labelColor": INK,
        "labelFontSize": 12,
        "labelFontWeight": "bold",
        "labelPadding": 6,
        "title": None,
    },
    "legend": {
        "labelColor": INK,
        "labelFontSize": 11,
        "labelLimit": 260,
        "orient": "top",
        "symbolStrokeWidth": 2,
        "title": None,
        "titleFontWeight": "normal",
    },
    "range": {"category": CATEGORIES, "heatmap": ["#F7FBFF", "#C6DBEF", "#6BAED6", "#2171B5"]},
    "style": {
        "zero": {"color": INK, "strokeWidth": 1},
        "interval": {"strokeWidth": 2},
        "estimate": {"filled": True, "opacity": 1, "size": 55},
        "known": {"color": INK, "strokeDash": [4, 3], "strokeWidth": 1.5},
        "cell": {"fontSize": 11},
    },
    "title": {
        "anchor": "start",
        "color": INK,
        "fontSize": 13,
        "frame": "group",
        "offset": 10,
        "subtitleColor": "#57606A",
        "subtitleFontSize": 11,
    },
}
# What the page lays over the theme on a dark screen.
DARK: dict[str, Any] = {
    "background": None,
    "axis": {
        "domainColor": "#6E7681",
        "gridColor": "#2B3138",
        "labelColor": "#D7DCE2",
        "tickColor": "#6E7681",
        "titleColor": "#D7DCE2",
    },
    "header": {"labelColor": "#E6EAEE"},
    "legend": {"labelColor": "#D7DCE2"},
    "style": {"zero": {"color": "#C4CAD1"}, "known": {"color": "#E6EAEE"}},
}


def summaries(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Keep for each key the rows pooled over replicates or, with a single one, its own."""
    pooled = pl.col("replicate") == "pooled"
    return frame.filter(pooled | ~pooled.any().over(list(keys)))


def data(rows: Rows) -> alt.InlineData:
    """Rows as a chart's data; missing values are null."""
    return alt.InlineData(values=rows)


def chosen(rows: Rows, column: str, first: Any, label: str) -> alt.Parameter | None:
    """A choice of one of a column's values, which the page shows as a menu; the first is drawn.

    None where the column has one value.
    """
    values = list(dict.fromkeys(row[column] for row in rows))
    if len(values) < 2:
        return None
    menu = alt.binding_select(options=values, name=f"{label} ")
    return alt.param(name=f"chosen_{column}", value=first, bind=menu)


def filtered(chart: Any, parameters: Mapping[str, alt.Parameter | None]) -> Any:
    """Show the rows of the chosen values; parameters by column, None where there is no choice."""
    for column, parameter in parameters.items():
        if parameter is not None:
            chart = chart.add_params(parameter).transform_filter(
                f"datum.{column} === {parameter.name}"
            )
    return chart


def estimates(
    name: str, title: str, y: alt.Y, colour: Any, tooltip: Sequence[Any], **encodings: Any
) -> Any:
    """Points with their intervals from the columns name, name_low and name_high, and a zero line.

    Args:
        name: of the score's column.
        title: of the horizontal axis, with the unit.
        y: what the rows are.
        colour: what the colours are.
        tooltip: what a reader who points at an estimate is told.
        encodings: further channels, as an offset.
    """
    base = alt.Chart().encode(y=y, color=colour, tooltip=list(tooltip), **encodings)
    zero = alt.Chart().mark_rule(style="zero").encode(x=alt.datum(0))
    interval = base.mark_rule(style="interval").encode(
        x=alt.X(f"{name}_low:Q").title(title).axis(grid=True, tickCount=5), x2=f"{name}_high:Q"
    )
    point = base.mark_point(style="estimate").encode(x=f"{name}:Q")
    return alt.layer(zero, interval, point)


def matrix(names: Sequence[str], value: str) -> Any:
    """A heat map, with its numbers, of a fraction for every two of some names."""
    side = CELL_PIXELS * len(names)
    base = alt.Chart(width=side, height=side).encode(
        x=alt.X("first:N").sort(list(names)).title(None).axis(labelAngle=-40),
        y=alt.Y("second:N").sort(list(names)).title(None),
        tooltip=["first:N", "second:N", alt.Tooltip(f"{value}:Q", format=".3f")],
    )
    scale = alt.Scale(domain=[0, 1])
    colour = alt.Color(f"{value}:Q").scale(scale).legend(None)
    light = f"datum.{value} > 0.62"
    cells = base.mark_rect().encode(color=colour)
    numbers = base.mark_text(style="cell").encode(
        text=alt.Text(f"{value}:Q", format=".2f"),
        color=alt.condition(light, alt.value("white"), alt.value("#1F2328")),
    )
    return alt.layer(cells, numbers)


def mirrored(rows: Rows, value: str) -> Rows:
    """Pairs in both orders, and each name with itself, which agrees wholly."""
    others = [{**row, "first": row["second"], "second": row["first"]} for row in rows]
    fixed = {"first", "second", value}
    same: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in [*rows, *others]:
        kept = {key: held for key, held in row.items() if key not in fixed}
        one = {**kept, "first": row["first"], "second": row["first"], value: 1.0}
        same.setdefault((*map(str, kept.values()), row["first"]), one)
    return [*rows, *others, *same.values()]


def compared(row: Mapping[str, Any]) -> str:
    """What a row of the vision-language scores compares, in words."""
    return f"{row['test']}: {row['target_model']} against {row['reference_model']}"


def setting(headline: Mapping[str, Any]) -> str:
    """The setting of a vision-language score, in words."""
    return (
        f"{headline['query']}, {headline['k']} neighbours, {headline['predict']},"
        f" {headline['objects']} objects"
    )


def sizes(rows: Rows, column: str, unit: str) -> str:
    """The sample size of rows, or their range, in words."""
    counts = sorted({row[column] for row in rows if row[column] is not None})
    if not counts:
        return f"no {unit}"
    ends = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return f"{ends} {unit}"


def with_against(rows: Rows) -> Rows:
    """Rows of the vision scores with `against`, what their target is compared with.

    The two-model references of different targets have one name, and so one colour; where some
    target has several of them, each has its own.
    """
    pairs = {
        (row["target_model"], row["reference_model"]) for row in rows if row["test"] == "two_model"
    }
    is_alone = len(pairs) == len({target for target, _ in pairs})
    return [
        {
            **row,
            "against": "model trained on B"
            if is_alone and row["test"] == "two_model"
            else row["reference_model"],
        }
        for row in rows
    ]


def fraction_of_crops(fraction: float) -> str:
    """A confident fraction, in words."""
    return "all crops" if fraction == 1 else f"most confident {100 * fraction:g} %"


def score_tooltips(name: str) -> list[alt.Tooltip]:
    """A score and the ends of its interval, for the reader who points at it."""
    return [
        alt.Tooltip(f"{name}:Q", format=".3f"),
        alt.Tooltip(f"{name}_low:Q", format=".3f", title="95 % from"),
        alt.Tooltip(f"{name}_high:Q", format=".3f", title="to"),
    ]


def bands(column: str, order: Sequence[str]) -> alt.Y:
    """A vertical axis of names, with lines between them for rows of several estimates."""
    return alt.Y(f"{column}:N").sort(list(order)).title(None).axis(grid=True, tickBand="extent")


def panels(chart: Any, rows: Rows, column: str, columns: int, order: Sequence[str]) -> Any:
    """One panel for each value of a column, in an order, so many side by side."""
    if len({row[column] for row in rows}) < 2:
        return chart.properties(data=data(rows))
    # A long heading goes on two lines.
    heading = alt.Header(title=None, labelExpr="split(datum.label, ': ')")
    header = alt.Facet(f"{column}:N").sort(list(order)).header(heading)
    return chart.facet(header, columns=min(columns, len(order)), data=data(rows))


def save(
    chart: Any,
    outputs: Any,
    digest: str,
    title: str,
    subtitle: str,
    description: str,
    first: str = "",
) -> None:
    """Write a chart as SVG with text, as PNG for print, and as the specification for the page.

    The specification's `usermeta` tells what made the figure and what its pictures are, sealed.

    Args:
        chart: of Altair.
        outputs: with the paths `svg`, `png` and `json`.
        digest: of the config that made the figure.
        title: what is shown; the page shows it beside the chart.
        subtitle: sample sizes and what intervals are.
        description: what a reader who can't see the chart is told.
        first: what is drawn of the choices that the page gives.
    """
    import vl_convert

    drawn = f"{subtitle}; {first}" if first else subtitle
    headed = chart.properties(
        title=alt.TitleParams(title, subtitle=drawn),
        description=description,
        usermeta={"subtitle": subtitle},
    )
    specification = shown(headed.configure(**THEME).to_dict())
    text = json.dumps(specification, ensure_ascii=False, sort_keys=True)
    with whole_file(outputs.svg) as partial:
        partial.write_text(vl_convert.vegalite_to_svg(text), encoding="utf-8")
    with whole_file(outputs.png) as partial:
        partial.write_bytes(vl_convert.vegalite_to_png(text, ppi=PNG_PIXELS_PER_INCH))
    note = specification["usermeta"]
    note |= {"config": digest, "svg": sha256(outputs.svg), "png": sha256(outputs.png)}
    write_noted(outputs.json, specification, note)
