"""Figure: population scores, one-model against two-model."""

from typing import Any

import altair as alt
import polars as pl

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures

MEASURES = {"ppg": "PPG, precision", "prg": "PRG, recall"}


def main(job: Any) -> None:
    """Draw PPG and PRG of every test's headline set."""
    params = job.params
    rows = rows_of(read_csv(job.input[0], job.params.digest), params.sets)
    figures.save(
        drawn(rows, params.headline),
        job.output,
        job.params.digest,
        "Population scores",
        figures.sizes(rows, "targets", "training captions") + "; 95 % intervals",
        "PPG and PRG of each test by query and number of predicted objects, with 95 % intervals;"
        " above 0 the target model recovers more than its reference.",
        f"{params.headline['k']} neighbours, {params.headline['objects']} objects",
    )


def rows_of(frame: pl.DataFrame, sets: dict[str, str]) -> figures.Rows:
    """A row for each score: its test, set, query, setting, value, interval and sample size."""
    keys = ["test", "query", "k", "predict", "objects", "set"]
    rows = figures.summaries(frame, keys).to_dicts()
    targets = {tuple(row[key] for key in keys): row["targets"] for row in rows}
    found = []
    for row in rows:
        if row["set"] != sets[row["test"]]:
            continue
        members = targets.get((*(row[key] for key in keys[:-1]), "target"))
        facts = {key: row[key] for key in keys}
        facts["comparison"] = figures.compared(row)
        for measure, title in MEASURES.items():
            score = {f"score{end}": row[f"{measure}{end}"] for end in ("", "_low", "_high")}
            panel = {"panel": f"{title}, {row['query']}", "targets": row["targets"] or members}
            found.append({**facts, **panel, **score})
    return found


def drawn(rows: figures.Rows, headline: dict[str, Any]) -> Any:
    """A panel for each measure and query."""
    predicted = ["top1", "top10", "all"]
    comparisons = list(dict.fromkeys(row["comparison"] for row in rows))
    layers = figures.estimates(
        "score",
        "score (target better − reference better)",
        figures.bands("predict", predicted).title("predicted objects"),
        alt.Color("comparison:N").sort(comparisons).legend(columns=1),
        [
            alt.Tooltip("comparison:N", title="test"),
            alt.Tooltip("query:N"),
            alt.Tooltip("k:Q", title="neighbours"),
            alt.Tooltip("predict:N"),
            alt.Tooltip("objects:N"),
            *figures.score_tooltips("score"),
            alt.Tooltip("targets:Q", format=","),
        ],
        yOffset=alt.YOffset("comparison:N").sort(comparisons),
    ).properties(width=230, height=130)
    order = [f"{title}, {query}" for query in ("t2i", "t2t") for title in MEASURES.values()]
    chart = figures.panels(layers, rows, "panel", 2, order)
    return figures.filtered(
        chart,
        {
            "k": figures.chosen(rows, "k", headline["k"], "neighbours"),
            "objects": figures.chosen(rows, "objects", headline["objects"], "objects"),
        },
    )


run(main)
