"""How the points of sweeps differ, crop by crop: results/tables/vision_contrasts.csv."""

from typing import Any

import numpy as np

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.samples.fractions import beyond_of_classes
from dejavu.samples.images import read_crops
from dejavu.scores import contrasts
from dejavu.scores.contrasted_crops import SETS, has_one_reference, rows_of
from dejavu.scores.judged import Classes


def main(job: Any) -> None:
    """Compare the points of every sweep under every kind of test."""
    params = job.params
    contaminated = duplicates.contaminated(job.input.left_out, params.tables_digest)
    records = [*job.input.A, *job.input.B, *job.input.control]
    classes = Classes.of(duplicates.without(read_crops(records), contaminated))
    predictions = layout.predictions_of(job.input.predictions)
    rows = []
    for sweep in params.plans:
        fraction = sweep["points"][0]["fraction"]
        unseen = [beyond_of_classes(paths, fraction) for paths in (job.input.A, job.input.B)]
        left_out = np.concatenate([contaminated, *unseen])
        for kind in SETS:
            points = [point for point in sweep["points"] if point["kind"] == kind]
            if points and (kind == "two_model" or has_one_reference(points)):
                facts = {"sweep": sweep["sweep"], "kind": kind}
                found = rows_of(points, sweep["varied"], kind, predictions, left_out, classes)
                rows += [{**facts, **row} for row in found]
    contrasts.correct_pairs(rows)
    write_csv(job.output[0], rows, contrasts.COLUMNS, params.digest)


run(main)
