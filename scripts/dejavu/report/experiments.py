"""Experiments: what sweeps varied, what happened, and whether the difference is real, in sentences.

Every sentence is made of rows of {domain}_sweeps.csv and {domain}_contrasts.csv: of several seeds,
of the pooled rows that have an interval, or else of the first seed's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dejavu.config.points import ordered, value_text
from dejavu.report.curves import KINDS, POOLED, SCORES, UTILITIES, score_of, summaries
from dejavu.report.verdict import Score, number
from dejavu.scores.contrasts import ENDS, NEIGHBOURS, TREND

Row = Mapping[str, Any]

LEVEL = 0.05


def experiment(
    plan: Row, asked: Row | None, points: Sequence[Row], contrasts: Sequence[Row]
) -> dict[str, Any]:
    """What the page tells of one sweep, or of two models of `contrasts`.

    Args:
        plan: of `plan_vlm.sweeps` or `plan_vision.sweeps`.
        asked: `target` and perhaps `reference` of the sweep, as the config has them; None of two
            models.
        points: its rows of {domain}_sweeps.csv.
        contrasts: its rows of {domain}_contrasts.csv.

    Returns:
        Its `name`, what was `varied`, and for each kind of test what happened and whether it is
        real: `tests`, with `kind`, `happened` and `answers`.
    """
    tests = []
    for kind in dict.fromkeys(row["kind"] for row in (*points, *contrasts)):
        own = summaries([row for row in points if row["kind"] == kind], "point")
        differences = summaries(
            [row for row in contrasts if row["kind"] == kind], "contrast", "along", "from", "to"
        )
        told = {"happened": values(own), "answers": answers(differences)}
        tests.append({"kind": KINDS[kind], **told})
    return {"name": plan["sweep"], "varied": varied(plan, asked), "tests": tests}


def varied(plan: Row, asked: Row | None) -> str:
    """What was varied, in a sentence or two."""
    points = plan["points"]
    if asked is None:
        told = f"Two models are compared: {listed([each['target_model'] for each in points])}."
    else:
        keys = [f"{key} ({listed(told_values(points, key))})" for key in plan["varied"]]
        told = f"Varied: {listed(keys)} of {asked['target']}"
        told += (
            f" and of its reference {asked['reference']} alike." if "reference" in asked else "."
        )
    fraction = points[0]["fraction"]
    if fraction < 1:
        told += f" Measured is the part of the sets, {fraction:g}, that every point was trained on."
    return told


def told_values(points: Sequence[Row], key: str) -> list[str]:
    """The different values of a key."""
    return [value_text(value) for value in ordered([each["point"][key] for each in points])]


def values(rows: Sequence[Row]) -> str:
    """The score, and what the model is good for, at every point; nothing of two models alone."""
    if not rows:
        return ""
    told = []
    for row in rows:
        score = Score.of(row, score_of(row))
        value = row[score_of(row)]
        shown = str(score or ("no score" if value is None else number(value)))
        useful = [
            f"{name} {number(row[column])}"
            for column, name in UTILITIES.items()
            if row.get(column) is not None
        ]
        told.append(f"{row['point']}: {'; '.join([shown, *useful])}")
    name = SCORES[score_of(rows[0])]
    return f"{name[:1].upper()}{name[1:]} at {'. At '.join(told)}."


def answers(contrasts: Sequence[Row]) -> list[str]:
    """Whether differences are real, in sentences: of trends, ends, then neighbours."""
    if not contrasts:
        return ["The points are not compared sample by sample: their references differ."]
    found = [trend(row) for row in contrasts if row["contrast"] == TREND]
    found += [difference(row) for row in contrasts if row["contrast"] == ENDS]
    pairs = [row for row in contrasts if row["contrast"] == NEIGHBOURS]
    if len(pairs) == 1 and not found:
        found.append(difference(pairs[0]))
    else:
        found.append(neighbours(pairs))
    if all(row["replicate"] != POOLED for row in contrasts):
        found.append(
            "One training a point: other samples would give differences within the intervals,"
            " other trainings may not."
        )
    return found


def trend(row: Row) -> str:
    """Whether the score follows a key."""
    score = Score.of(row, "difference")
    name = SCORES[row["score"]]
    if score is None:
        return (
            f"There is no interval of the {name}'s slope over {row['along']}: {row['no_interval']}."
        )
    if not is_real(row):
        return (
            f"No trend of the {name} over {row['along']} is shown: {changed(score)} a step"
            f" ({row_p(row)})."
        )
    way = "rises" if score.value > 0 else "falls"
    return f"The {name} {way} with {row['along']}: {changed(score)} a step ({row_p(row)})."


def difference(row: Row) -> str:
    """Whether two points differ."""
    score = Score.of(row, "difference")
    ends = f"From {row['from']} to {row['to']}"
    name = SCORES[row["score"]]
    if score is None:
        return f"{ends} there is no interval of the {name}'s difference: {row['no_interval']}."
    if not is_real(row):
        return (
            f"{ends} no difference of the {name} is shown: it is {changed(score)} ({row_p(row)})."
        )
    way = "rises" if score.value > 0 else "falls"
    return f"{ends} the {name} {way}: {changed(score)} ({row_p(row)})."


def neighbours(rows: Sequence[Row]) -> str:
    """Which neighbouring points differ."""
    real = [row for row in rows if is_real(row)]
    if rows and all(row["p_family"] is None for row in rows):
        name, reason = SCORES[rows[0]["score"]], rows[0]["no_interval"]
        return f"Between neighbours there is no interval of the {name}'s difference: {reason}."
    if not real:
        return f"None of {len(rows)} neighbouring pairs differs, corrected for their number."
    steps = [
        f"{row['from']} to {row['to']} ({'+' if row['difference'] > 0 else ''}"
        f"{number(row['difference'])})"
        for row in real
    ]
    differ = "differs" if len(real) == 1 else "differ"
    return (
        f"{len(real)} of {len(rows)} neighbouring pairs {differ}, corrected for their number:"
        f" {listed(steps)}."
    )


def is_real(row: Row) -> bool:
    """Whether a contrast differs from 0 at 5 %, corrected for their number."""
    return row["p_family"] is not None and row["p_family"] < LEVEL


def changed(score: Score) -> str:
    """A difference with its sign and its interval."""
    return f"{'+' if score.value > 0 else ''}{score}"


def row_p(row: Row) -> str:
    """The corrected p-value, in words."""
    value = row["p_family"]
    return "corrected p < 0.001" if value < 0.001 else f"corrected p = {value:.3f}"


def listed(names: Sequence[str]) -> str:
    """Names in one phrase."""
    *first, last = dict.fromkeys(names)
    return f"{', '.join(first)} and {last}" if first else last
