"""Labels that somebody's own pipeline predicts for crops or captions, by ids."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.predictions.label_votes import NONE, TOP, Predictions
from dejavu.samples.texts import normalised_column
from dejavu.sources.given import of_samples

PREDICTION, CONFIDENCE, DISTANCE = "prediction", "confidence", "distance"


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
    _check_known(path, flat["label"], known, "images")
    classes = sorted(flat["label"].unique())
    codes = {label: code for code, label in enumerate(classes)}
    top = np.full((len(found), TOP), NONE, dtype=np.int64)
    ranks = flat.select(pl.int_range(pl.len()).over("place")).to_series().to_numpy()
    top[flat["place"].to_numpy(), ranks] = [codes[label] for label in flat["label"]]
    sure = np.zeros(len(found))
    if CONFIDENCE in found.columns:
        sure = _numbers(path, found, CONFIDENCE)
    elif needs_confidence:
        raise InputError(
            f"{path} has no column {CONFIDENCE!r}, by which vision.confident chooses crops: add it,"
            " or set `confident: [1]`."
        )
    return Predictions(top, sure, 0.0 - sure, np.zeros(len(found))), classes


def objects(
    path: Path, ids: pl.Series, vocabulary: Collection[str]
) -> tuple[pl.Series, NDArray[np.float32]]:
    """What a file predicts for some captions.

    Args:
        path: Parquet with the columns `sample`, ids; `prediction`, lists of labels, the best first,
            which may be empty; and perhaps `distance`, by which samples are sorted.
        ids: of n captions, unique.
        vocabulary: all labels that objects have.

    Returns:
        The lists, and float32 [n] how unsure they are, 0 where the file does not tell.

    Raises:
        InputError: the file can't be read, lacks a sample or has one twice, has no list or no
            number for one, a label twice, or no label that objects have.
    """
    found = of_samples(path, ids, [PREDICTION, f"{DISTANCE}?"])
    named = found[PREDICTION]
    if isinstance(named.dtype, pl.Array):
        named = named.arr.to_list()
    if not isinstance(named.dtype, pl.List):
        raise InputError(
            f"{path}: the column {PREDICTION!r} holds {str(named.dtype)[:80]}, no lists: write a"
            " list for each sample, the best first."
        )
    _check(path, found, named.is_null(), "has no list: give it an empty one, or its labels")
    filled = named.list.len() > 0
    places = np.repeat(np.arange(len(found)), named.list.len().to_numpy())
    flat = pl.DataFrame(
        {"label": named.filter(filled).explode().cast(pl.String), "place": places}
    ).with_columns(normalised_column(pl.col("label")))
    for wrong, what in (
        (flat["label"].is_null(), "holds an empty label: leave it out"),
        (flat.is_duplicated(), "names a label twice: name each once"),
    ):
        _check(path, found, pl.Series(np.isin(np.arange(len(found)), places[wrong])), what)
    _check_known(path, flat["label"], vocabulary, "objects")
    lists = pl.DataFrame({"place": np.arange(len(found))}).join(
        flat.group_by("place", maintain_order=True).agg("label"), on="place", how="left"
    )["label"]
    unsure = _numbers(path, found, DISTANCE) if DISTANCE in found.columns else np.zeros(len(found))
    return lists.fill_null([]), unsure.astype(np.float32)


def _numbers(path: Path, found: pl.DataFrame, name: str) -> NDArray[np.float64]:
    """A column of finite numbers."""
    numbers = found[name].cast(pl.Float64, strict=False)
    missing = ~numbers.is_finite().fill_null(value=False)
    _check(path, found, missing, f"has no number as {name!r}: give each sample one")
    return numbers.to_numpy()


def _check_known(path: Path, labels: pl.Series, known: Collection[str], whose: str) -> None:
    """Stop where no label at all is one that there is."""
    if len(labels) and labels.is_in(list(known)).not_().all():
        raise InputError(
            f"{path}: no prediction is a label that {whose} have, {labels[0]!r} for one where they"
            f" have {min(known)!r}: write labels as the source has them."
        )


def _places(lists: pl.Series) -> pl.Series:
    """For each value of lists, none of which is empty, the list that it is of."""
    return pl.Series(np.repeat(np.arange(len(lists)), lists.list.len()), dtype=pl.Int64)


def _check(path: Path, found: pl.DataFrame, wrong: pl.Series, what: str) -> None:
    """Stop at the first row of which something is wrong."""
    if wrong.any():
        row = found["row"][int(wrong.arg_true()[0])]
        raise InputError(f"{path}: row {row} {what}.")
