"""Labels that somebody's own pipeline predicts for crops, by the ids of their images."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import polars as pl

from dejavu.errors import InputError
from dejavu.predictions.label_votes import NONE, TOP, Predictions
from dejavu.samples.texts import normalised_column
from dejavu.sources.given import of_samples

PREDICTION, CONFIDENCE = "prediction", "confidence"


def labels(
    path: Path, ids: pl.Series, known: Collection[str], needs_confidence: bool
) -> tuple[Predictions, list[str]]:
    """What a file predicts for some crops.

    Args:
        path: Parquet with the columns `sample`, ids; `prediction`, a label or a list of labels, the
            best first, of which five count; and perhaps `confidence`, minus the entropy of the
            votes or probabilities, in nats.
        ids: of n crops, unique.
        known: labels that images have.
        needs_confidence: whether crops are chosen by it.

    Returns:
        The predictions, whose confidences and entropies are 0 where the file has none, and the
        names of their classes.

    Raises:
        InputError: the file can't be read, lacks a sample or has one twice, has no label or no
            number for one, no confidences though they are needed, or no label that images have.
    """
    found = of_samples(path, ids, [PREDICTION, f"{CONFIDENCE}?"])
    named = found[PREDICTION]
    if isinstance(named.dtype, pl.Array):
        named = named.arr.to_list()
    if not isinstance(named.dtype, pl.List):
        named = pl.select(pl.concat_list(named)).to_series()
    named = named.list.head(TOP)
    nothing = "predicts no label: give each sample one"
    _check(path, found, named.list.len().fill_null(0) == 0, nothing)
    flat = pl.DataFrame(
        {"label": named.explode().cast(pl.String), "place": _places(named)}
    ).with_columns(normalised_column(pl.col("label")))
    holed = np.isin(np.arange(len(found)), flat.filter(pl.col("label").is_null())["place"])
    _check(path, found, pl.Series(holed), nothing)
    if len(flat) and flat["label"].is_in(list(known)).not_().all():
        raise InputError(
            f"{path}: no prediction is a label that images have, {flat['label'][0]!r} for one where"
            f" they have {min(known)!r}: write labels as the source has them."
        )
    classes = sorted(flat["label"].unique())
    codes = {label: code for code, label in enumerate(classes)}
    top = np.full((len(found), TOP), NONE, dtype=np.int64)
    ranks = flat.select(pl.int_range(pl.len()).over("place")).to_series().to_numpy()
    top[flat["place"].to_numpy(), ranks] = [codes[label] for label in flat["label"]]
    sure = np.zeros(len(found))
    if CONFIDENCE in found.columns:
        numbers = found[CONFIDENCE].cast(pl.Float64, strict=False)
        _check(
            path,
            found,
            ~numbers.is_finite().fill_null(value=False),
            f"has no number as {CONFIDENCE!r}: give each sample one",
        )
        sure = numbers.to_numpy()
    elif needs_confidence:
        raise InputError(
            f"{path} has no column {CONFIDENCE!r}, by which vision.confident chooses crops: add it,"
            " or set `confident: [1]`."
        )
    return Predictions(top, sure, 0.0 - sure, np.zeros(len(found))), classes


def _places(lists: pl.Series) -> pl.Series:
    """For each value of lists, none of which is empty, the list that it is of."""
    return pl.Series(np.repeat(np.arange(len(lists)), lists.list.len()), dtype=pl.Int64)


def _check(path: Path, found: pl.DataFrame, wrong: pl.Series, what: str) -> None:
    """Stop at the first row of which something is wrong."""
    if wrong.any():
        row = found["row"][int(wrong.arg_true()[0])]
        raise InputError(f"{path}: row {row} {what}.")
