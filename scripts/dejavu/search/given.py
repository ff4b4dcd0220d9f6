"""Rankings that somebody's own pipeline gives, by ids."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.files.parquet import read_parquet
from dejavu.samples.texts import normalised_column
from dejavu.sources.given import check_rows, lists, of_samples

NEIGHBORS, DISTANCES = "neighbors", "distances"


def neighbors(
    path: Path, ids: pl.Series, public: Sequence[str], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k nearest public samples of each of some samples, as a file ranks them.

    Args:
        path: Parquet with the columns `sample`, ids; `neighbors`, lists of public samples' ids, the
            nearest first; and perhaps `distances`, lists of their distances.
        ids: of n samples, unique.
        public: records of all public shards.
        k: how many of each list are taken.

    Returns:
        Numbers of public samples, int64 [n, k]; and scores, 1 less their distances, or 1 where the
        file has none, float32 [n, k].

    Raises:
        InputError: the file can't be read, lacks a sample or has one twice, or a list is too short,
            names a sample twice or one that is not in public; the sentence tells the row.
    """
    found = of_samples(path, ids, [NEIGHBORS, f"{DISTANCES}?"])
    named = lists(path, found, NEIGHBORS, texts=True)
    lengths = named.list.len().fill_null(0)
    _check(
        path,
        found,
        lengths < k,
        lambda at: f"names {lengths[at]} neighbours, fewer than {k}",
        "give as many, or lower `k`",
    )
    empty = named.list.head(k).list.eval(pl.element().is_null()).list.any().fill_null(value=False)
    check_rows(path, found, empty, "holds an empty id: name each neighbour")
    flat = named.list.head(k).explode()
    places = np.repeat(np.arange(len(found)), k)
    asked = pl.DataFrame({"id": flat, "place": places}).with_columns(
        normalised_column(pl.col("id"))
    )
    twice = asked.is_duplicated()
    _check_flat(path, found, asked, twice, "names {} twice", "name each once")
    numbers = _numbers(asked["id"], public)
    _check_flat(
        path,
        found,
        asked,
        numbers.is_null(),
        "names {}, which is not in public",
        "search public alone, whose samples stand in its records",
    )
    scores = np.ones((len(found), k), dtype=np.float32)
    if DISTANCES in found.columns:
        distances = lists(path, found, DISTANCES, texts=False).list.head(k)
        single = distances.cast(pl.List(pl.Float32))
        missing = single.list.eval(~pl.element().is_finite().fill_null(value=False)).list.any()
        check_rows(
            path,
            found,
            (distances.list.len().fill_null(0) < k) | missing.fill_null(value=True),
            "has not a distance for each neighbour: give as many finite numbers as neighbours",
        )
        values = distances.explode().to_numpy().reshape(-1, k)
        # Ties may stand in another order.
        falls = np.diff(values, axis=1) < -1e-5 * (1 + np.abs(values[:, 1:]))
        check_rows(
            path,
            found,
            pl.Series(falls.any(axis=1)),
            "has distances that fall: give the nearest first, and distances, not similarities",
        )
        scores = (1 - values).astype(np.float32)
    return numbers.to_numpy().reshape(-1, k), scores


def _numbers(ids: pl.Series, public: Sequence[str]) -> pl.Series:
    """The numbers of public samples, null for ids that are none; one shard after the other."""
    known = [pl.DataFrame(schema={"id": pl.String, "number": pl.Int64})]
    wanted = pl.DataFrame({"id": ids.unique()})
    for shard in public:
        records = pl.DataFrame(pl.from_arrow(read_parquet(shard, ["sample", "id"])))
        known.append(
            records.rename({"sample": "number"})
            .select("id", "number")
            .join(wanted, on="id", how="semi")
        )
    return pl.DataFrame({"id": ids}).join(
        pl.concat(known), on="id", how="left", maintain_order="left"
    )["number"]


def _check_flat(
    path: Path, found: pl.DataFrame, asked: pl.DataFrame, wrong: pl.Series, what: str, remedy: str
) -> None:
    """Stop at the first neighbour of all rows of which something is wrong."""
    if wrong.any():
        first = int(wrong.arg_true()[0])
        row = found["row"][int(asked["place"][first])]
        raise InputError(f"{path}: row {row} {what.format(repr(asked['id'][first]))}: {remedy}.")


def _check(path: Path, found: pl.DataFrame, wrong: pl.Series, what: Any, remedy: str) -> None:
    """Stop at the first row of which something is wrong."""
    if wrong.any():
        first = int(wrong.arg_true()[0])
        raise InputError(f"{path}: row {found['row'][first]} {what(first)}: {remedy}.")
