"""Result tables, as figures, galleries and the page read them."""

from pathlib import Path

import polars as pl

# What is written as text is read as text: a label 007 or 1.0 keeps its spelling.
TEXT = (
    *("crop_status", "domain", "encoder", "first", "first_set", "id", "index"),
    *("input", "item", "label", "metric", "model", "no_interval", "objects", "on", "order"),
    *("predict", "query", "reason", "reference_model", "replicate", "second", "second_set", "set"),
    *("source", "tag", "target_model", "task", "test"),
)


def read_csv(path: str | Path, rows: int | None = None) -> pl.DataFrame:
    """Read a result table, or its first rows: `TEXT` as strings, all else as numbers."""
    text = dict.fromkeys(TEXT, pl.String)
    return pl.read_csv(
        path, schema_overrides=text, infer_schema_length=None, n_rows=rows, glob=False
    )
