"""Rows of a sweep's table: what a point is, what it is good for, and how its training ended."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from dejavu.config.points import text_of, value_text
from dejavu.files.csv import read_csv
from dejavu.files.facts import read_json
from dejavu.scores.intervals import proportion

Row = dict[str, Any]

KEYS = {"sweep": pl.String, "kind": pl.String, "point": pl.String}
KEYS |= {f"{what}_{place}": pl.String for place in (1, 2) for what in ("key", "value")}
MODELS = dict.fromkeys(("target_model", "reference_model", "replicate"), pl.String)
# Of each kind of test the row that its verdict judges.
PRIMARY = {"two_model": "symmetric", "one_model": "calibrated"}


def point_of(plan: Mapping[str, Any], entry: Mapping[str, Any]) -> Row:
    """Columns that tell a point of a sweep, its kind of test and its models."""
    row: Row = {"sweep": plan["sweep"], "kind": entry["kind"], "point": text_of(entry["point"])}
    for place, key in enumerate(plan["varied"], 1):
        row |= {f"key_{place}": key, f"value_{place}": value_text(entry["point"][key])}
    return row | {name: entry[name] for name in ("target_model", "reference_model")}


def usefulness(paths: Sequence[str]) -> Row:
    """Columns of the accuracy at each task, with its interval."""
    row: Row = {}
    for path in paths:
        fact = read_json(path)
        task, low, high = fact["task"], *proportion(fact["right"], fact["images"])
        row |= {task: fact["right"] / fact["images"], f"{task}_low": low, f"{task}_high": high}
    return row


def final_loss(paths: Sequence[str], chosen: Sequence[int]) -> Row:
    """Column of the last epoch's loss, the mean of replicates; none of a model not trained here."""
    if not paths:
        return {}
    of_seed = [paths[place] if len(paths) > 1 else paths[0] for place in chosen]
    losses = [read_csv(path, None)["loss"][-1] for path in of_seed]
    return {"training_loss": float(np.mean(losses))}


def primary_rows(
    entry: Mapping[str, Any], scored: Iterable[Row], columns: Iterable[str], raw: str
) -> Iterator[Row]:
    """Of a point's scores those that its verdict judges, with how the trainings ended.

    Args:
        entry: the point, of `plan.sweeps`.
        scored: rows of all its sets and replicates.
        columns: those of the table.
        raw: the score of two-model tests: that of a one-model test compares the strength of two
            kinds of model, too, and is left out.
    """
    for row in scored:
        if row["set"] != PRIMARY[entry["kind"]]:
            continue
        kept = {name: row[name] for name in row if name in columns}
        if entry["kind"] == "one_model":
            kept = {name: kept[name] for name in kept if not name.startswith(raw)}
        yield kept | final_loss(entry["histories"], entry["replicates"][row["replicate"]])
