"""Who infers the label of a crop, target or reference: results/tables/vision_quadrants.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.scores.judged import read_comparison
from dejavu.scores.vision import quadrants

NAMES = ("test", "target_model", "reference_model")
COLUMNS = {
    **dict.fromkeys((*NAMES, "replicate", "set"), pl.String),
    "crops": pl.Int64,
    **dict.fromkeys(("memorized", "correlated", "misrepresented", "unassociated"), pl.Float64),
}


def main(job: Any) -> None:
    """Count the quadrants for every pair, set and replicate."""
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    predictions = layout.predictions_of(job.input.predictions)
    rows = []
    for each in job.params.comparisons:
        sets = {
            name: read_comparison(each["sides"][side], predictions, left_out)
            for name, side in (("target", "A"), ("reference", "B"))
            if side in each["sides"]
        }
        if "reference" in sets:
            sets["symmetric"] = sets["target"] + sets["reference"]
        names = {key: each[key] for key in NAMES}
        for replicate, chosen in each["replicates"].items():
            for name, comparison in sets.items():
                facts = {**names, "replicate": replicate, "set": name}
                rows.append({**facts, **quadrants(comparison.replicates(chosen))})
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
