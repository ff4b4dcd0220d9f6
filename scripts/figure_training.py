"""Figure: training curves of the models of a domain."""

from typing import Any

import altair as alt

from dejavu.files.csv import read_csv
from dejavu.job import run
from dejavu.report import figures


def main(job: Any) -> None:
    """Draw the loss of every trained model against the epoch."""
    rows = rows_of(job.params.models, job.input.histories)
    figures.save(
        drawn(rows),
        job.output,
        job.params.digest,
        "Training",
        "mean loss of each epoch, by training seed",
        "Training loss of each model against the epoch.",
    )


def rows_of(models: list[tuple[str, int]], histories: list[str]) -> figures.Rows:
    """A row for each epoch, from the file of each model and seed."""
    return [
        {"model": model, "seed": seed, **row}
        for (model, seed), path in zip(models, histories, strict=True)
        for row in read_csv(path, None).to_dicts()
    ]


def drawn(rows: figures.Rows) -> Any:
    """A panel for each model."""
    measured = [name for name in rows[0] if name not in ("model", "seed")]
    legend = alt.Legend(title="seed") if len({row["seed"] for row in rows}) > 1 else None
    line = (
        alt.Chart()
        .mark_line()
        .encode(
            x=alt.X("epoch:Q").axis(tickCount=5, grid=False).title("epoch"),
            y=alt.Y("loss:Q").axis(tickCount=4).scale(zero=False),
            color=alt.Color("seed:O").scale(range=figures.CATEGORIES).legend(legend),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("seed:O"),
                *(alt.Tooltip(f"{name}:Q", format=",.4~r") for name in measured),
            ],
        )
        .properties(width=180, height=110)
    )
    models = list(dict.fromkeys(row["model"] for row in rows))
    chart = figures.panels(line, rows, "model", 3, models)
    return chart.resolve_scale(x="independent", y="independent")


run(main)
