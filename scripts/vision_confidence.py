"""How sure the memorized crops are: results/tables/vision_confidence.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.scores.judged import read_judged
from dejavu.scores.vision import confidence_bins, memorized

NAMES = ("test", "target_model", "reference_model")
COLUMNS = {
    **dict.fromkeys(NAMES, pl.String),
    **dict.fromkeys(("low", "high"), pl.Float64),
    "crops": pl.Int64,
}


def main(job: Any) -> None:
    """Count A's memorized crops by their memorization confidence."""
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    predictions = layout.predictions_of(job.input.predictions)
    rows = []
    for each in job.params.comparisons:
        side = each["sides"]["A"]
        first = (
            read_judged(predictions[side[role][0], side["set"]], left_out)
            for role in ("targets", "references")
        )
        _, confidence = memorized(*first)
        facts = {key: each[key] for key in NAMES}
        rows += [{**facts, **row} for row in confidence_bins(confidence)]
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
