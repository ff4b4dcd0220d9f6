"""How the points of sweeps differ, crop by crop: results/tables/vision_contrasts.csv."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.config.points import text_of
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.samples.fractions import beyond_of_classes
from dejavu.samples.images import read_crops
from dejavu.scores import contrasts
from dejavu.scores.judged import Classes, Comparison, read_comparison
from dejavu.scores.vision import Row, contrast_of_gaps, contrast_of_sets

SETS = {"two_model": ("A", "B"), "one_model": ("A", "control")}
PRIMARY = {"two_model": "dejavu", "one_model": "adjusted_accuracy"}
ROLES = ("targets", "references")


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


def has_one_reference(points: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the gaps of all points are adjusted for the same results of a reference."""
    known = [point["sides"]["A"]["references"] for point in points]
    return all(each == known[0] for each in known)


def rows_of(
    points: Sequence[Mapping[str, Any]],
    varied: Sequence[str],
    kind: str,
    predictions: Mapping[tuple[str, str], str],
    left_out: NDArray[np.int64],
    classes: Classes,
) -> list[Row]:
    """Rows of one sweep under one kind of test."""
    asked = list(contrasts.contrasts([point["point"] for point in points], varied))
    sides = [point["sides"][name] for name in SETS[kind] for point in points]
    names = contrasts.in_step([{role: side[role] for role in ROLES} for side in sides])
    read: list[Comparison] = [
        read_comparison({**side, **own}, predictions, left_out, classes)
        for side, own in zip(sides, names, strict=True)
    ]
    first, second = read[: len(points)], read[len(points) :]

    def scored(place: int, chosen: Sequence[int]) -> Row:
        weights = asked[place].weights
        if kind == "one_model":
            row = contrast_of_gaps(list(zip(first, second, strict=True)), weights, chosen)
        else:
            row = contrast_of_sets((first, second), weights, chosen)
        return {**row, "samples": row["crops"]}

    replicates = contrasts.replicates_of(points, len(names[0]["targets"]))
    return [
        {**row, "from": text_of(each.first), "to": text_of(each.last)}
        for each, row in contrasts.rows_of(asked, replicates, PRIMARY[kind], scored)
    ]


run(main)
