"""The crops that each target model memorized: results/tables/vision_memorized.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.samples.images import read_crops
from dejavu.scores.judged import read_comparison
from dejavu.scores.vision import memorized

NAMES = ("test", "target_model", "reference_model")
COLUMNS = {
    **dict.fromkeys(NAMES, pl.String),
    "rank": pl.Int64,
    "sample": pl.Int64,
    "id": pl.String,
    "label": pl.String,
    "confidence": pl.Float64,
}


def main(job: Any) -> None:
    """List A's memorized crops, the highest memorization confidence first."""
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    images = duplicates.without(read_crops(job.input.records), left_out)
    crops = images.select("sample", "id", "label").rows()
    predictions = layout.predictions_of(job.input.predictions)
    rows = []
    for each in job.params.comparisons:
        comparison = read_comparison(each["sides"]["A"], predictions, left_out)
        found, confidence = memorized(comparison.targets[0], comparison.references[0])
        pairs = zip(found[: job.params.memorized], confidence, strict=False)
        for rank, (position, sure) in enumerate(pairs, 1):
            sample, identifier, label = crops[position]
            rows.append(
                {
                    **{key: each[key] for key in NAMES},
                    "rank": rank,
                    "sample": sample,
                    "id": identifier,
                    "label": label,
                    "confidence": sure,
                }
            )
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
