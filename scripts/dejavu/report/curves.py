"""Rows of the figures of sweeps: memorization and utility at every point."""

from collections.abc import Mapping, Sequence
from typing import Any

from dejavu.config.points import is_number, ordered, text_of, value_text

Row = Mapping[str, Any]
Rows = list[dict[str, Any]]

# How a kind of test's primary score is called, by its column.
SCORES = {
    "ppg": "symmetric PPG",
    "adjusted_precision": "adjusted gap",
    "dejavu": "symmetric déjà vu score",
    "adjusted_accuracy": "adjusted gap",
}
KINDS = {"two_model": "Two-model", "one_model": "One-model"}
UTILITIES = {"zero_shot": "zero-shot accuracy", "linear_probe": "linear-probe accuracy"}
POOLED = "pooled"
# From here on values span so much that an axis of numbers is logarithmic.
LEAST_SPAN = 10


def axes(plan: Mapping[str, Any]) -> tuple[str, str | None]:
    """The key that a sweep is drawn against, and that which tells its lines.

    Numbers come before words, and the key with more values before the other.
    """
    points = [each["point"] for each in plan["points"]]
    values = {key: ordered([point[key] for point in points]) for key in plan["varied"]}
    along, *others = sorted(
        plan["varied"], key=lambda key: (not all(map(is_number, values[key])), -len(values[key]))
    )
    return along, others[0] if others else None


def values_of(plan: Mapping[str, Any], key: str) -> list[Any]:
    """The different values of a key, in order."""
    return ordered([each["point"][key] for each in plan["points"]])


def is_logarithmic(values: Sequence[Any]) -> bool:
    """Whether numbers span decades."""
    return min(values) > 0 and max(values) / min(values) >= LEAST_SPAN


def rows_of(table: Rows, plan: Mapping[str, Any]) -> Rows:
    """A row for each kind of score and of utility at each point, the memorization first.

    Args:
        table: rows of {domain}_sweeps.csv.
        plan: of the sweep.
    """
    along, other = axes(plan)
    points = {text_of(each["point"]): each["point"] for each in plan["points"]}
    own = [row for row in table if row["sweep"] == plan["sweep"]]
    chosen = summaries(own, "kind", "point")
    memory, utility = [], []
    for row in chosen:
        point = points[row["point"]]
        facts = {
            "point": row["point"],
            "x": point[along] if is_number(point[along]) else value_text(point[along]),
            "line": "" if other is None else f"{other} {value_text(point[other])}",
        }
        score = score_of(row)
        panel = f"{KINDS[row['kind']].lower()}: {SCORES[score]}"
        memory.append({**facts, "panel": panel, "zero": 0, **_ends(row, score)})
        for column, name in UTILITIES.items():
            if row.get(column) is not None:
                utility.append({**facts, "panel": name, "zero": None, **_ends(row, column)})
    # Every kind of test tells the same utility of a point.
    different = {(row["panel"], row["point"]): row for row in utility}
    return [*memory, *different.values()]


def _ends(row: Mapping[str, Any], score: str) -> dict[str, Any]:
    names = {"value": score, "low": f"{score}_low", "high": f"{score}_high"}
    return {name: row.get(column) for name, column in names.items()}


def pairs_of(rows: Rows) -> Rows:
    """Of every point each memorization score beside each kind of utility."""
    useful = [row for row in rows if row["zero"] is None]
    return [
        {**row, "utility": other["value"], "panel": f"{row['panel']}, {other['panel']}"}
        for row in rows
        if row["zero"] is not None
        for other in useful
        if other["point"] == row["point"]
    ]


def summaries(rows: Sequence[Row], *keys: str) -> list[Row]:
    """Of each point the row pooled over seeds, if it has an interval, or else the first seed's."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = tuple(row[name] for name in keys)
        if key not in found or (row["replicate"] == POOLED and not row.get("no_interval")):
            found[key] = row
    return list(found.values())


def score_of(row: Row) -> str:
    """The column of a row's primary score, whether or not there was anything to score."""
    adjusted = row["kind"] == "one_model"
    return next(name for name in SCORES if name in row and name.startswith("adjusted") == adjusted)
