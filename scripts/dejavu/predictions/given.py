"""Labels that somebody's own pipeline predicts for crops or captions, by ids."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.predictions.label_votes import NONE, TOP, Predictions
from dejavu.samples.texts import normalised_column
from dejavu.sources.columns import inner
from dejavu.sources.given import check_rows, lists, numbers, of_all, of_samples

PREDICTION, CONFIDENCE, DISTANCE = "prediction", "confidence", "distance"
TWICE = "names a label twice: name each once"


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
    if inner(found[PREDICTION].dtype) is None:
        found = found.with_columns(pl.concat_list(PREDICTION))
    named = lists(path, found, PREDICTION, texts=True).list.head(TOP)
    nothing = "predicts no label: give each sample one"
    check_rows(path, found, named.list.len().fill_null(0) == 0, nothing)
    flat = pl.DataFrame(
        {"label": named.explode().cast(pl.String), "place": _places(named)}
    ).with_columns(normalised_column(pl.col("label")))
    holed = np.isin(np.arange(len(found)), flat.filter(pl.col("label").is_null())["place"])
    check_rows(path, found, pl.Series(holed), nothing)
    check_rows(path, found, _rows(found, flat, flat.is_duplicated()), TWICE)
    _check_known(path, flat["label"], known, "images")
    classes = sorted(flat["label"].unique())
    codes = {label: code for code, label in enumerate(classes)}
    top = np.full((len(found), TOP), NONE, dtype=np.int64)
    ranks = flat.select(pl.int_range(pl.len()).over("place")).to_series().to_numpy()
    top[flat["place"].to_numpy(), ranks] = [codes[label] for label in flat["label"]]
    sure = np.zeros(len(found))
    if CONFIDENCE in found.columns:
        sure = numbers(path, found, CONFIDENCE)
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
    named = lists(path, found, PREDICTION, texts=True)
    check_rows(path, found, named.is_null(), "has no list: give it an empty one, or its labels")
    filled = named.list.len() > 0
    places = np.repeat(np.arange(len(found)), named.list.len().to_numpy())
    flat = pl.DataFrame(
        {"label": named.filter(filled).explode().cast(pl.String), "place": places}
    ).with_columns(normalised_column(pl.col("label")))
    missing = "holds an empty label: leave it out"
    for wrong, what in ((flat["label"].is_null(), missing), (flat.is_duplicated(), TWICE)):
        check_rows(path, found, _rows(found, flat, wrong), what)
    _check_known(path, flat["label"], vocabulary, "objects")
    ordered = pl.DataFrame({"place": np.arange(len(found))}).join(
        flat.group_by("place", maintain_order=True).agg("label"), on="place", how="left"
    )["label"]
    distances = np.zeros(len(found), np.float32)
    if DISTANCE in found.columns:
        distances = numbers(path, found, DISTANCE).astype(np.float32)
    return ordered.fill_null([]), distances


def _check_known(path: Path, labels: pl.Series, known: Collection[str], whose: str) -> None:
    """Stop where no label at all, of the rows asked for or others, is one that there is."""

    def are_unknown(column: pl.Series) -> bool:
        return len(column) > 0 and column.is_in(list(known)).not_().all()

    if are_unknown(labels):
        everywhere = of_all(path, PREDICTION)
        if inner(everywhere[PREDICTION].dtype) is None:
            everywhere = everywhere.with_columns(pl.concat_list(PREDICTION))
        every = lists(path, everywhere, PREDICTION, texts=True).explode()
        if are_unknown(pl.select(normalised_column(pl.lit(every))).to_series().drop_nulls()):
            raise InputError(
                f"{path}: no prediction is a label that {whose} have, {labels[0]!r} for one where"
                f" they have {min(known)!r}: write labels as the source has them."
            )


def _rows(found: pl.DataFrame, flat: pl.DataFrame, wrong: pl.Series) -> pl.Series:
    """Which of the samples have a label of which something is wrong."""
    return pl.Series(np.isin(np.arange(len(found)), flat["place"].filter(wrong)))


def _places(lists: pl.Series) -> pl.Series:
    """For each value of lists, none of which is empty, the list that it is of."""
    return pl.Series(np.repeat(np.arange(len(lists)), lists.list.len()), dtype=pl.Int64)
