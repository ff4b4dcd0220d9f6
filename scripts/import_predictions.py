"""Predictions of the labels of a set's crops, taken from a file by the ids of their images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from dejavu.files import fingerprints
from dejavu.files.parquet import read_parquet
from dejavu.job import run
from dejavu.predictions import given
from dejavu.predictions.files import predictions_table, write_predictions
from dejavu.samples.images import read_crops


def main(job: Any) -> None:
    """Find the rows of the set's crops, shard by shard, and judge them."""
    params = job.params
    known = set()
    for path in job.input.records:
        known |= set(read_parquet(path, ["label"])["label"].unique().to_pylist())

    def found() -> Iterator[pa.Table]:
        for path in job.input.records:
            crops = read_crops([path])
            answers = given.labels(Path(params.file), crops["id"], known, params.needs_confidence)
            yield predictions_table(crops, *answers)

    fingerprint = fingerprints.fingerprint([], {"content": params.content})
    write_predictions(job.output[0], found(), job.wildcards.model, fingerprint)


run(main)
