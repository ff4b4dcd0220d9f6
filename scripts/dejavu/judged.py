"""How predictors fared on the crops of a set, from the files of their predictions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu import tables
from dejavu.errors import InputError
from dejavu.plan import prediction_path
from dejavu.vision_scores import Bools, Comparison, Judged


def judged(predictor: str, set_name: str, left_out: NDArray[np.int64]) -> Judged:
    """What is right, and how sure the predictor is, in the order of the samples' numbers.

    Samples that are `left_out`, int64, are not judged.
    """
    columns = ["sample", "correct", "confidence", "tiebreak"]
    table = tables.read_parquet(prediction_path(predictor, set_name), columns)
    found = Judged(*(table[name].to_numpy() for name in columns))
    return found.where(~np.isin(found.samples, left_out))


def comparison(side: Mapping[str, Any], left_out: NDArray[np.int64]) -> Comparison:
    """Targets and references of one side of a comparison of `plan.vision_comparisons`.

    Samples that are `left_out`, int64, are not compared.

    Raises:
        InputError: two predictors were asked about different crops.
    """
    names = (*side["targets"], *side["references"])
    known = {name: judged(name, side["set"], left_out) for name in names}
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


def among_top5(predictor: str, set_name: str, crops: pl.DataFrame) -> Bools:
    """Whether the labels of crops, with `sample` and `label`, are among the five best, bool [n]."""
    table = tables.read_parquet(prediction_path(predictor, set_name), ["sample", "top5"])
    best = pl.DataFrame(pl.from_arrow(table)).filter(
        np.isin(table["sample"].to_numpy(), crops["sample"].to_numpy())
    )["top5"]
    return pl.select(best.list.contains(crops["label"])).to_series().to_numpy()
