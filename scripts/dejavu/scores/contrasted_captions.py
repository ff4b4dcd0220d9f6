"""How the scores of several points differ on the same captions, shard by shard."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dejavu.config.points import text_of
from dejavu.samples.fractions import beyond
from dejavu.scores import contrasts
from dejavu.scores.recovered import ROLES, Files, Setting
from dejavu.scores.tallies import paired_tallies
from dejavu.scores.vlm import Row, contrast_of_gaps, contrast_of_sets

# What a score is made of, and its column, by kind of test.
SETS = {"two_model": ("target", "reference"), "one_model": ("target", "control")}
PRIMARY = {"two_model": "ppg", "one_model": "adjusted_precision"}


def has_one_reference(points: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the gaps of all points are adjusted for the same results of a reference.

    One of a single seed stands there once for each of its target's seeds.
    """
    sides = [point["tallies"]["target"]["reference"] for point in points]
    known = [
        ({**side, "models": list(dict.fromkeys(side["models"]))}, point["setting"])
        for side, point in zip(sides, points, strict=True)
    ]
    return all(each == known[0] for each in known)


def rows_of(
    points: Sequence[Mapping[str, Any]],
    varied: Sequence[str],
    kind: str,
    files: Files,
    left_out: NDArray[np.int64],
) -> list[Row]:
    """Rows of the points of one sweep, or of two models, under one kind of test.

    Args:
        points: of `plan_vlm.sweeps`.
        varied: the keys that they differ in; none of two models that no sweep made.
        kind: of the test.
        files: of recovered objects, as of `layout.shards_of`.
        left_out: numbers of the samples that don't count.
    """
    asked = list(contrasts.contrasts([point["point"] for point in points], varied))
    settings = [Setting(**point["setting"]) for point in points]
    weights = [each.weights for each in asked]
    tallies = [point["tallies"][name] for name in SETS[kind] for point in points]
    names = contrasts.in_step([{role: each[role]["models"] for role in ROLES} for each in tallies])
    sides = [
        {"set": each["set"], **{role: {**each[role], "models": own[role]} for role in ROLES}}
        for each, own in zip(tallies, names, strict=True)
    ]
    sets = []
    for of_set in (sides[: len(points)], sides[len(points) :]):
        own, name = of_set[0]["target"], of_set[0]["set"]
        paths = files[own["models"][0], own["query"], name]
        unseen = beyond(paths, points[0]["fraction"] if name != "control" else 1)
        counted = np.concatenate([left_out, unseen])
        sets.append(paired_tallies(of_set, settings, weights, files, counted))

    def scored(place: int, chosen: Sequence[int]) -> Row:
        first, second = (each[place] for each in sets)
        if kind == "one_model":
            row = contrast_of_gaps(first, second, chosen, asked[place].scale)
            return {**row, "samples": first.tally.samples}
        row = contrast_of_sets((first, second), chosen, asked[place].scale)
        return {**row, "samples": first.tally.samples + second.tally.samples}

    replicates = contrasts.replicates_of(points, len(names[0]["target"]))
    return [
        {**row, "from": text_of(each.first), "to": text_of(each.last)}
        for each, row in contrasts.rows_of(asked, replicates, PRIMARY[kind], scored)
    ]
