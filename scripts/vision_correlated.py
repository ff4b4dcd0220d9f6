"""The crops whose labels a reference infers, too: results/tables/vision_correlated.csv."""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.files.parquet import read_parquet
from dejavu.job import run
from dejavu.samples.images import read_crops
from dejavu.scores.judged import Classes, names_of, read_comparison

NAMES = ("test", "target_model", "reference_model")
COLUMNS = {
    **dict.fromkeys(NAMES, pl.String),
    "rank": pl.Int64,
    "sample": pl.Int64,
    **dict.fromkeys(("id", "label", "quadrant", "prediction_target"), pl.String),
    **dict.fromkeys(("confidence_target", "confidence_reference"), pl.Float64),
}
# By whether the target infers the label, too.
QUADRANTS = {True: "correlated", False: "misrepresented"}


def main(job: Any) -> None:
    """List A's crops that the reference gets right, those first of which it is the surest."""
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    images = duplicates.without(read_crops(job.input.records), left_out)
    classes = Classes.of(images)
    predictions = layout.predictions_of(job.input.predictions)
    rows = []
    for each in job.params.comparisons:
        side = each["sides"]["A"]
        members = read_comparison(side, predictions, left_out, classes)
        target, reference = members.targets[0], members.references[0]
        order = reference.order[reference.correct[reference.order]][: job.params.memorized]
        samples = target.samples[order]
        shown = names_of(images, samples)
        told = said(predictions[side["targets"][0], side["set"]], samples)
        for rank, (place, sample) in enumerate(zip(order, samples.tolist(), strict=True), 1):
            identifier, label = shown[sample]
            rows.append(
                {
                    **{key: each[key] for key in NAMES},
                    "rank": rank,
                    "sample": sample,
                    "id": identifier,
                    "label": label,
                    "quadrant": QUADRANTS[bool(target.correct[place])],
                    "prediction_target": told[sample],
                    "confidence_target": target.confidence[place],
                    "confidence_reference": reference.confidence[place],
                }
            )
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


def said(path: str, samples: NDArray[np.int64]) -> dict[int, str]:
    """The label that a predictor infers of some crops, by their numbers."""
    table = read_parquet(path, ["sample", "prediction"])
    table = table.filter(pc.is_in(table["sample"], pa.array(samples, pa.int64())))
    return dict(zip(table["sample"].to_pylist(), table["prediction"].to_pylist(), strict=True))


run(main)
