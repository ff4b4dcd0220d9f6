"""The crops that each target model memorized: results/tables/vision_memorized.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.samples.images import read_crops
from dejavu.scores.judged import Classes, names_of, read_comparison
from dejavu.scores.vision import expected_false, memorized

NAMES = ("test", "target_model", "reference_model")
COLUMNS = {
    **dict.fromkeys(NAMES, pl.String),
    "rank": pl.Int64,
    "sample": pl.Int64,
    "id": pl.String,
    "label": pl.String,
    "confidence": pl.Float64,
    "expected_false": pl.Float64,
}


def main(job: Any) -> None:
    """List A's memorized crops, the highest memorization confidence first."""
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    images = duplicates.without(read_crops(job.input.records), left_out)
    classes = Classes.of(images)
    predictions = layout.predictions_of(job.input.predictions)
    rows = []
    for each in job.params.comparisons:
        sides = {
            name: read_comparison(each["sides"][name], predictions, left_out, classes)
            for name in ("A", "control")
            if name in each["sides"]
        }
        members = sides["A"]
        found, confidence = memorized(members.targets[0], members.references[0])
        samples = members.targets[0].samples[found][: job.params.memorized]
        shown = names_of(images, samples)
        false = expected_false(confidence, members, sides.get("control"))
        for rank, (sample, sure, expected) in enumerate(
            zip(samples.tolist(), confidence, false, strict=False), 1
        ):
            identifier, label = shown[sample]
            rows.append(
                {
                    **{key: each[key] for key in NAMES},
                    "rank": rank,
                    "sample": sample,
                    "id": identifier,
                    "label": label,
                    "confidence": sure,
                    "expected_false": expected,
                }
            )
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
