"""Figure: how well signals tell members from control, down to few false positives."""

from typing import Any

import altair as alt

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures

ATTACKS = ("similarity", "similarity_difference", "recovered", "evidence", "blind")


def main(job: Any) -> None:
    """Draw the ROC curves of every test."""
    rows = rows_of(read_csv(job.input[0], job.params.digest).to_dicts())
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Members told from control",
        "ROC curves on logarithmic axes; the dashed line is chance",
        "True-positive rates of signals of membership by false-positive rate, for every test.",
    )


def rows_of(points: figures.Rows) -> figures.Rows:
    """The points that have a place on logarithmic axes."""
    return [
        {**row, "comparison": f"{row['test']}: {row['target_model']}"}
        for row in points
        if row["fpr"] > 0 and row["tpr"] > 0
    ]


def drawn(rows: figures.Rows) -> Any:
    """A panel for each test."""
    present = {row["attack"] for row in rows}
    names = [name for name in ATTACKS if name in present]
    scale = alt.Scale(type="log", domainMax=1, nice=False)
    axis = alt.Axis(format="~g", tickCount=4)
    colours = figures.CATEGORIES[: len(names)]
    lines = (
        alt.Chart()
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("fpr:Q").scale(scale).title("false-positive rate").axis(axis),
            y=alt.Y("tpr:Q").scale(scale).title("true-positive rate").axis(axis),
            color=alt.Color("attack:N").scale(domain=names, range=colours),
            tooltip=[
                alt.Tooltip("attack:N"),
                alt.Tooltip("fpr:Q", format=".2g"),
                alt.Tooltip("tpr:Q", format=".2g"),
            ],
        )
    )
    chance = alt.Chart().mark_line(style="known").encode(x="fpr:Q", y=alt.Y("fpr:Q"))
    order = list(dict.fromkeys(row["comparison"] for row in rows))
    return figures.panels(alt.layer(chance, lines), rows, "comparison", 2, order)


run(main)
