"""Scores of the points of every sweep: results/tables/vlm_sweeps.csv."""

from typing import Any

import numpy as np
import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.samples.fractions import beyond
from dejavu.scores import sweeps
from dejavu.scores.recovered import Setting
from dejavu.scores.tallies import parts_of_test
from dejavu.scores.vlm import rows_of_test

SCORES = [
    f"{score}{end}" for score in ("ppg", "adjusted_precision") for end in ("", "_low", "_high")
]
TASKS = [f"{task}{end}" for task in ("zero_shot", "linear_probe") for end in ("", "_low", "_high")]
COLUMNS = {
    **sweeps.KEYS,
    **sweeps.MODELS,
    **dict.fromkeys(("query", "k", "predict", "objects"), pl.String),
    "k": pl.Int64,
    "fraction": pl.Float64,
    "targets": pl.Int64,
    **dict.fromkeys((*SCORES, "p_value"), pl.Float64),
    "no_interval": pl.String,
    **dict.fromkeys((*TASKS, "training_loss"), pl.Float64),
}


def main(job: Any) -> None:
    """Score point by point, on the samples that every point of the sweep was trained on."""
    params = job.params
    contaminated = duplicates.contaminated(job.input.left_out, params.tables_digest)
    files = layout.shards_of(job.input.recovered)
    rows = []
    for plan in params.plans:
        for point in plan["points"]:
            handed = layout.as_handed(point["histories"], job.input.histories)
            entry = {**point, "histories": handed}
            setting = Setting(**entry["setting"])
            tallied = [entry["tallies"][name] for name in ("target", "reference")
                       if name in entry["tallies"]]  # fmt: skip
            unseen = [
                beyond(
                    files[side["target"]["models"][0], side["target"]["query"], side["set"]],
                    entry["fraction"],
                )
                for side in tallied
            ]
            left_out = np.concatenate([contaminated, *unseen])
            parts = parts_of_test([entry], [setting], files, left_out)
            facts = {**sweeps.point_of(plan, entry), "query": entry["query"], **setting._asdict()}
            facts |= {"fraction": entry["fraction"]}
            facts |= sweeps.usefulness(layout.as_handed(entry["utility"], job.input.utility))
            found = rows_of_test(parts, entry["replicates"], entry["kind"])
            scored = (row for _, row in found)
            rows += [{**facts, **row} for row in sweeps.primary_rows(entry, scored, COLUMNS, "ppg")]
    write_csv(job.output[0], rows, COLUMNS, params.digest)


run(main)
