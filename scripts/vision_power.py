"""What every test of images can tell, over all crops: results/tables/vision_power.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.samples.images import read_crops
from dejavu.scores import power
from dejavu.scores.judged import Classes, read_comparison

NAMES = ("test", "target_model", "reference_model")
COLUMNS = {
    **dict.fromkeys((*NAMES, "replicate", "set", "score"), pl.String),
    **power.COLUMNS,
}


def main(job: Any) -> None:
    """Compare every pair, and tell each replicate's power."""
    params = job.params
    left_out = duplicates.contaminated(job.input.left_out, params.digest)
    classes = Classes.of(duplicates.without(read_crops(job.input.records), left_out))
    predictions = layout.predictions_of(job.input.predictions)
    rows = []
    for each in params.comparisons:
        parts = {
            name: read_comparison(side, predictions, left_out, classes)
            for name, side in each["sides"].items()
        }
        facts = {name: each[name] for name in NAMES}
        for replicate, chosen in each["replicates"].items():
            if len(chosen) > 1:
                continue
            known = power.vision_rows(parts, chosen[0], each["test"], params.smallest)
            rows += [{**facts, "replicate": replicate, **row} for row in known]
    write_csv(job.output[0], rows, COLUMNS, params.digest)


run(main)
