"""Figure: primary scores of all tests with their checks and verdicts."""

from typing import Any

import altair as alt

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures, verdict


def main(job: Any) -> None:
    """Draw every test's primary score and, below it, its checks."""
    tables = zip(job.input.tables, job.params.digests, strict=True)
    rows = [row for table in tables for row in rows_of(read_csv(*table).to_dicts())]
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Verdicts",
        "primary scores and their checks; 95 % intervals; pale bars are what a check may reach",
        "The primary score of every test with its 95 % interval, its checks and its verdict.",
    )


def rows_of(checks: figures.Rows) -> figures.Rows:
    """A row for each primary score and check that has an interval; of an AUC what exceeds 0.5."""
    kinds = {
        tuple(row[name] for name in verdict.PAIR): row["outcome"]
        for row in checks
        if row["check"] == verdict.VERDICT
    }
    found = []
    for row in checks:
        if row["check"] == verdict.BESIDE:
            continue
        pair = tuple(row[name] for name in verdict.PAIR)
        is_score = row["check"] == verdict.VERDICT
        chance = 0.5 if row["check"].startswith(verdict.BLIND) else 0.0
        ends = {
            name: None if row[name] is None else row[name] - chance
            for name in ("value", "value_low", "value_high")
        }
        found.append(
            {
                "test": f"{row['target_model']}, {row['test']}; {kinds[pair]}",
                "what": "primary score" if is_score else row["check"],
                "outcome": row["outcome"],
                "told": row["score"],
                **ends,
                "from": None if is_score or row["bound"] is None else -row["bound"],
                "to": None if is_score else row["bound"],
            }
        )
    return found


def drawn(rows: figures.Rows) -> Any:
    """A band for each test, in which the score comes first."""
    tests, names = (list(dict.fromkeys(row[key] for row in rows)) for key in ("test", "what"))
    y = figures.bands("test", tests)
    offset = alt.YOffset("what:N").sort(names)
    layers = figures.estimates(
        "value",
        "score; of a blind AUC what exceeds 0.5",
        y.axis(grid=True, tickBand="extent", labelExpr="split(datum.label, '; ')", labelLimit=320),
        alt.Color("what:N").scale(domain=names, range=figures.CATEGORIES[: len(names)]),
        [
            alt.Tooltip("told:N", title="what"),
            alt.Tooltip("outcome:N"),
            *figures.score_tooltips("value"),
        ],
        yOffset=offset,
    )
    reach = (
        alt.Chart()
        .mark_bar(color=figures.PALE, height=9)
        .encode(y=y, yOffset=offset, x=alt.X("from:Q"), x2="to:Q")
    )
    chart = alt.layer(reach, layers)
    return chart.properties(
        width=420, height={"step": 16, "for": "offset"}, data=figures.data(rows)
    )


run(main)
