"""How sure the memorized crops are: results/tables/vision_confidence.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.samples.images import read_crops
from dejavu.scores.judged import Classes, read_comparison
from dejavu.scores.vision import confidence_bins, given_by_control, memorized

NAMES = ("test", "target_model", "reference_model")
COLUMNS = {
    **dict.fromkeys(NAMES, pl.String),
    **dict.fromkeys(("low", "high"), pl.Float64),
    "crops": pl.Int64,
    "expected_false": pl.Float64,
}


def main(job: Any) -> None:
    """Count A's memorized crops by their memorization confidence, and what control would give."""
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    classes = Classes.of(read_crops(job.input.records))
    predictions = layout.predictions_of(job.input.predictions)
    rows = []
    for each in job.params.comparisons:
        sides = {
            name: read_comparison(each["sides"][name], predictions, left_out, classes)
            for name in ("A", "control")
            if name in each["sides"]
        }
        members, control = sides["A"], sides.get("control")
        _, confidence = memorized(members.targets[0], members.references[0])
        given = None if control is None else given_by_control(members, control)
        facts = {key: each[key] for key in NAMES}
        rows += [{**facts, **row} for row in confidence_bins(confidence, given)]
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
