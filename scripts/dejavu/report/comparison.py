"""The page that compares finished runs: one file without scripts, from rows of both tables."""

import base64
import json
from collections.abc import Sequence

import altair as alt

from dejavu.report import figures, page
from dejavu.report.differences import COLUMNS
from dejavu.report.runs import Row
from dejavu.report.shown import shown

PANELS = 2
# What runs.csv tells of a run and domain, and not of a test.
IDENTITY = ("run", "version", "commit", "clean", "date", "seed", "domain", "config", "measured")


def render(scores: Sequence[Row], differences: Sequence[Row]) -> str:
    """The page.

    Args:
        scores: rows of runs.csv, at least one.
        differences: rows of differences.csv.
    """
    runs = dict.fromkeys(tuple(row[key] for key in IDENTITY) for row in scores)
    names = dict.fromkeys(row["run"] for row in scores)
    tests = list(dict.fromkeys(map(_test, scores)))
    content = {
        "title": f"{len(names)} runs compared",
        "runs": [dict(zip(IDENTITY, run, strict=True)) for run in runs],
        "scores": sorted(scores, key=lambda row: tests.index(_test(row))),
        "differences": [{**dict.fromkeys(COLUMNS), **_finite(row)} for row in differences],
        "picture": _picture([row for row in scores if row["value"] is not None]),
    }
    return page.filled("comparison.html", shown(content))


def _finite(row: Row) -> Row:
    """A row without numbers that are none."""
    return {key: None if value != value else value for key, value in row.items()}


def _test(row: Row) -> str:
    """What a panel is about."""
    return f"{row['domain']} {row['test']}: {row['target_model']} against {row['reference_model']}"


def _picture(scores: Sequence[Row]) -> str | None:
    """Every run's scores with their intervals, a panel a test, as a data URI."""
    import vl_convert

    if not scores:
        return None
    kept = ("run", "score", "value", "value_low", "value_high")
    rows = [{"panel": _test(row), **{key: row[key] for key in kept}} for row in scores]
    layers = figures.estimates(
        "value",
        "primary score",
        figures.bands("run", list(dict.fromkeys(row["run"] for row in rows))),
        alt.Color("score:N"),
        figures.score_tooltips("value"),
    ).properties(width=300, height={"step": 26})
    chart = figures.panels(layers, rows, "panel", PANELS, list(dict.fromkeys(map(_test, scores))))
    text = json.dumps(shown(chart.configure(**figures.THEME).to_dict()), sort_keys=True)
    svg = base64.b64encode(vl_convert.vegalite_to_svg(text).encode()).decode()
    return f"data:image/svg+xml;base64,{svg}"
