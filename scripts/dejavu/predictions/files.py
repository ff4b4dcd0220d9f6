"""Files of predictions on background crops."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from dejavu.files.parquet import METADATA_KEY, write_parts
from dejavu.files.seals import canonical
from dejavu.predictions.label_votes import Predictions
from dejavu.samples.schemas import STRINGS

PREDICTIONS = pa.schema(
    [
        ("sample", pa.int64()),
        ("prediction", pa.string()),
        ("top5", STRINGS),
        ("confidence", pa.float64()),
        ("entropy", pa.float64()),
        ("tiebreak", pa.float64()),
        ("correct", pa.bool_()),
    ]
)


def predictions_table(
    crops: pl.DataFrame, predicted: Predictions, classes: Sequence[str]
) -> pa.Table:
    """What a predictor says of crops, with the class names for their codes."""
    names = np.array([*classes, None], dtype=object)
    first = names[predicted.first]
    return pa.table(
        {
            "sample": crops["sample"].to_numpy(),
            "prediction": first.tolist(),
            "top5": [names[codes[codes >= 0]].tolist() for codes in predicted.top],
            "confidence": predicted.confidence,
            "entropy": predicted.entropy,
            "tiebreak": predicted.tiebreak,
            "correct": first == crops["label"].to_numpy().astype(object),
        },
        schema=PREDICTIONS,
    )


def write_predictions(
    path: str | Path, shards: Iterable[pa.Table], predictor: str, fingerprint: str
) -> None:
    """Write a predictor's answers on all crops of a set, a shard at a time.

    Predictor and fingerprint are the file's provenance.
    """
    provenance = {"model": predictor, "fingerprint": fingerprint}
    write_parts(path, shards, PREDICTIONS.with_metadata({METADATA_KEY: canonical(provenance)}))
