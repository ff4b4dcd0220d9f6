"""Who infers the label of a crop, target or reference: results/tables/vision_quadrants.csv."""

from itertools import product
from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.samples.images import read_crops
from dejavu.scores.judged import TOPS, Classes, read_comparison
from dejavu.scores.vision import quadrants

NAMES = ("test", "target_model", "reference_model")
QUADRANTS = ("memorized", "correlated", "misrepresented", "unassociated", "expected_false")
COLUMNS = {
    **dict.fromkeys((*NAMES, "replicate", "set"), pl.String),
    **dict.fromkeys(("top", "crops"), pl.Int64),
    **dict.fromkeys(QUADRANTS, pl.Float64),
}


def main(job: Any) -> None:
    """Count the quadrants for every pair, set and replicate."""
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    classes = Classes.of(read_crops(job.input.records))
    predictions = layout.predictions_of(job.input.predictions)
    rows = []
    for top, each in product(TOPS, job.params.comparisons):
        parts = {
            name: read_comparison(side, predictions, left_out, classes, top)
            for name, side in each["sides"].items()
            if name in ("A", "B", "control")
        }
        control = parts.get("control")
        swapped = None if control is None else control.swapped()
        sets = {"target": [(parts["A"], control)]}
        if "B" in parts:
            sets["reference"] = [(parts["B"], swapped)]
            sets["symmetric"] = sets["target"] + sets["reference"]
        names = {key: each[key] for key in NAMES}
        for replicate, chosen in each["replicates"].items():
            for name, several in sets.items():
                facts = {**names, "replicate": replicate, "set": name, "top": top}
                rows.append({**facts, **quadrants(several, chosen)})
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
