"""How predictors fared on the crops of a set, from the files of their predictions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from dejavu import tables
from dejavu.errors import InputError
from dejavu.plan import prediction_path
from dejavu.vision_scores import Bools, Comparison, Judged


def judged(predictor: str, set_name: str) -> Judged:
    """What is right, and how sure the predictor is, in the order of the samples' numbers."""
    columns = ["sample", "correct", "confidence", "tiebreak"]
    table = tables.read_parquet(prediction_path(predictor, set_name), columns)
    return Judged(*(table[name].to_numpy() for name in columns))


def comparison(side: Mapping[str, Any]) -> Comparison:
    """Targets and references of one side of a comparison of `plan.vision_comparisons`.

    Raises:
        InputError: two predictors were asked about different crops.
    """
    known = {name: judged(name, side["set"]) for name in (*side["targets"], *side["references"])}
    first, *others = known
    for other in others:
        if not np.array_equal(known[first].samples, known[other].samples):
            raise InputError(
                f"{prediction_path(first, side['set'])} and {prediction_path(other, side['set'])}"
                " are about different crops: delete the older of the two and run again."
            )
    return Comparison(
        tuple(known[name] for name in side["targets"]),
        tuple(known[name] for name in side["references"]),
    )


def among_top5(predictor: str, set_name: str, labels: pl.Series) -> Bools:
    """Whether the labels, in the order of the samples, are among the five best, bool [crops]."""
    table = tables.read_parquet(prediction_path(predictor, set_name), ["top5"])
    best = pl.Series("top5", table["top5"])
    return pl.select(best.list.contains(labels)).to_series().to_numpy()
