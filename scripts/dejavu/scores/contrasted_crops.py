"""How the scores of several points differ on the same crops."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dejavu.config.points import text_of
from dejavu.scores import contrasts
from dejavu.scores.judged import Classes, Comparison, read_comparison
from dejavu.scores.vision import Row, contrast_of_gaps, contrast_of_sets

# What a score is made of, and its column, by kind of test.
SETS = {"two_model": ("A", "B"), "one_model": ("A", "control")}
PRIMARY = {"two_model": "dejavu", "one_model": "adjusted_accuracy"}
ROLES = ("targets", "references")


def has_one_reference(points: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the gaps of all points are adjusted for the same results of a reference.

    One of a single seed stands there once for each of its target's seeds.
    """
    known = [list(dict.fromkeys(point["sides"]["A"]["references"])) for point in points]
    return all(each == known[0] for each in known)


def rows_of(
    points: Sequence[Mapping[str, Any]],
    varied: Sequence[str],
    kind: str,
    predictions: Mapping[tuple[str, str], str],
    left_out: NDArray[np.int64],
    classes: Classes,
) -> list[Row]:
    """Rows of the points of one sweep, or of two models, under one kind of test.

    Args:
        points: of `plan_vision.sweeps`.
        varied: the keys that they differ in; none of two models that no sweep made.
        kind: of the test.
        predictions: files by predictor and set, as of `layout.predictions_of`.
        left_out: numbers of the samples that don't count.
        classes: of all crops.
    """
    asked = list(contrasts.contrasts([point["point"] for point in points], varied))
    sides = [point["sides"][name] for name in SETS[kind] for point in points]
    names = contrasts.in_step([{role: side[role] for role in ROLES} for side in sides])
    read: list[Comparison] = [
        read_comparison({**side, **own}, predictions, left_out, classes)
        for side, own in zip(sides, names, strict=True)
    ]
    first, second = read[: len(points)], read[len(points) :]

    def scored(place: int, chosen: Sequence[int]) -> Row:
        weights = asked[place].weights
        if kind == "one_model":
            row = contrast_of_gaps(list(zip(first, second, strict=True)), weights, chosen)
        else:
            row = contrast_of_sets((first, second), weights, chosen)
        return {**row, "samples": row["crops"]}

    replicates = contrasts.replicates_of(points, len(names[0]["targets"]))
    return [
        {**row, "from": text_of(each.first), "to": text_of(each.last)}
        for each, row in contrasts.rows_of(asked, replicates, PRIMARY[kind], scored)
    ]
