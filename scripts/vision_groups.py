"""Which crops are memorized more: results/tables/vision_groups.csv."""

from typing import Any

import numpy as np
import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.samples.images import read_crops
from dejavu.scores import grouping, groups
from dejavu.scores.grouping import COPIES, LABEL, TYPICALITY
from dejavu.scores.groups import Gap
from dejavu.scores.judged import Classes, Comparison, read_comparison

NAMES = ("test", "target_model", "reference_model")
MEASURE = "accuracy"
COLUMNS = {
    **dict.fromkeys((*NAMES, "group", "level"), pl.String),
    **dict.fromkeys(("members", "controls"), pl.Int64),
    **dict.fromkeys(groups.means_of(MEASURE), pl.Float64),
    **dict.fromkeys(("adjusted", "adjusted_low", "adjusted_high", "shrunk"), pl.Float64),
    **dict.fromkeys(("p_value", "q_value", "heterogeneity", "heterogeneity_p"), pl.Float64),
    "no_interval": pl.String,
}


def main(job: Any) -> None:
    """Compare every pair level by level."""
    params = job.params
    left_out = duplicates.contaminated(job.input.left_out, params.digest)
    classes = Classes.of(duplicates.without(read_crops(job.input.records), left_out))
    predictions = layout.predictions_of(job.input.predictions)
    numbers = {}
    if TYPICALITY in params.groups:
        numbers[TYPICALITY] = grouping.typicality(job.input.odds[0], params.sets)
    if COPIES in params.groups:
        numbers[COPIES] = grouping.copies(job.input.copies)
    rows = []
    for each in params.comparisons:
        sides = [
            read_comparison(each["sides"][name], predictions, left_out, classes)
            for name in params.sets
        ]
        for group in params.groups:
            gaps = [
                Gap.of_crops(level, members, controls)
                for level, members, controls in levels_of(group, sides, numbers, classes)
            ]
            facts = {**{key: each[key] for key in NAMES}, "group": group}
            found = groups.rows_of(gaps, MEASURE, True, group == COPIES)
            rows += [{**facts, **row} for row in found]
    write_csv(job.output[0], rows, COLUMNS, params.digest)


def levels_of(
    group: str, sides: list[Comparison], numbers: dict[str, grouping.ByNumber], classes: Classes
) -> list[tuple[str, Comparison, Comparison]]:
    """The levels of a group with their members and controls."""
    if group == LABEL:
        places = [side.classes for side in sides]
        names = classes.labels.to_list()
    else:
        names, places = numbers[group].names(), []
        for side in sides:
            placed = numbers[group].place(side.targets[0].samples)
            own = np.full(side.crops, -1)
            own[placed.rows] = placed.levels
            places.append(own)
    found = []
    for place, name in enumerate(names):
        members = sides[0].where(places[0] == place)
        # Controls have no copies in what the target was trained on: each level has all of them.
        controls = sides[1] if group == COPIES else sides[1].where(places[1] == place)
        found.append((name, members, controls))
    return found


run(main)
