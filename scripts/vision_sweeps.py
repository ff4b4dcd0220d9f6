"""Scores of the points of every sweep: results/tables/vision_sweeps.csv."""

from typing import Any

import numpy as np
import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.samples.fractions import beyond_of_classes
from dejavu.samples.images import read_crops
from dejavu.scores import sweeps
from dejavu.scores.judged import Classes, read_comparison
from dejavu.scores.vision import rows_of_target

SCORES = [
    f"{score}{end}" for score in ("dejavu", "adjusted_accuracy") for end in ("", "_low", "_high")
]
TASK = [f"linear_probe{end}" for end in ("", "_low", "_high")]
COLUMNS = {
    **sweeps.KEYS,
    **sweeps.MODELS,
    "k": pl.Int64,
    "fraction": pl.Float64,
    "crops": pl.Int64,
    **dict.fromkeys((*SCORES, "p_value"), pl.Float64),
    "no_interval": pl.String,
    **dict.fromkeys((*TASK, "training_loss"), pl.Float64),
}


def main(job: Any) -> None:
    """Score point by point, on the crops of images that every point of the sweep was trained on."""
    params = job.params
    contaminated = duplicates.contaminated(job.input.left_out, params.tables_digest)
    records = [*job.input.A, *job.input.B, *job.input.control]
    classes = Classes.of(duplicates.without(read_crops(records), contaminated))
    predictions = layout.predictions_of(job.input.predictions)
    rows = []
    for plan in params.plans:
        for point in plan["points"]:
            handed = layout.as_handed(point["histories"], job.input.histories)
            entry = {**point, "histories": handed}
            fraction = entry["fraction"]
            unseen = [beyond_of_classes(paths, fraction) for paths in (job.input.A, job.input.B)]
            left_out = np.concatenate([contaminated, *unseen])
            parts = {
                name: read_comparison(side, predictions, left_out, classes)
                for name, side in entry["sides"].items()
            }
            facts = {**sweeps.point_of(plan, entry), **entry["setting"], "fraction": fraction}
            facts |= sweeps.usefulness(layout.as_handed(entry["utility"], job.input.utility))
            found = rows_of_target({"": parts}, {"": entry["replicates"]}, [1], entry["kind"])
            scored = (row for _, row in found)
            rows += [
                {**facts, **row} for row in sweeps.primary_rows(entry, scored, COLUMNS, "dejavu")
            ]
    write_csv(job.output[0], rows, COLUMNS, params.digest)


run(main)
