"""Which captions are memorized more: results/tables/vlm_groups.csv."""

from typing import Any

import numpy as np
import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.scores import grouping, groups, recovered
from dejavu.scores.grouping import COPIES, OBJECT, TYPICALITY
from dejavu.scores.groups import Gap, Sums
from dejavu.scores.recovered import Setting

NAMES = ("test", "target_model", "reference_model")
MEASURE = "precision"
COLUMNS = {
    **dict.fromkeys((*NAMES, "group", "level"), pl.String),
    **dict.fromkeys(("members", "controls"), pl.Int64),
    **dict.fromkeys(groups.means_of(MEASURE), pl.Float64),
    **dict.fromkeys(("adjusted", "adjusted_low", "adjusted_high", "shrunk"), pl.Float64),
    **dict.fromkeys(("p_value", "q_value", "heterogeneity", "heterogeneity_p"), pl.Float64),
    "no_interval": pl.String,
}
# Controls have no copies in what the target was trained on: each level is compared with all.
ALL = 0


def main(job: Any) -> None:
    """Sum every level of every group, test by test and shard by shard."""
    params, asked = job.params, job.params.groups
    _, *rest = params.headline.values()
    left_out = duplicates.contaminated(job.input.left_out, params.digest)
    files = layout.shards_of(job.input.recovered)
    captions = grouping.Captions.of(asked, job.input.members, job.input.public)
    sides = job.input.members, job.input.controls
    numbers = {}
    if TYPICALITY in asked:
        numbers[TYPICALITY] = grouping.typicality(job.input.odds[0], params.sets)
    if COPIES in asked:
        numbers[COPIES] = grouping.copies(job.input.copies)
    records = iter(job.input.records)
    further = [[next(records) for _ in paths] for paths in sides] if job.input.records else []
    columns = [grouping.Column.of(name, further[0]) for name in params.columns]
    named = [f"column:{column.name}" for column in columns]
    rows = []
    for each in params.comparisons:
        known: dict[str, list[dict[int, Sums]]] = {group: [{}, {}] for group in [*asked, *named]}
        for side, name in enumerate(params.sets):
            pairs = recovered.pairs_of(each["tallies"][name], files, left_out)
            for shard, pair in enumerate(pairs):
                setting = Setting(*rest)
                scored = np.flatnonzero(pair[0].scored(setting))
                samples = pair[0].samples[scored]
                placed = captions.placed(sides[side][shard], samples)
                placed |= {group: number.place(samples) for group, number in numbers.items()}
                for column, group in zip(columns, named, strict=True):
                    placed[group] = column.placed(further[side][shard], samples)
                if side == 1 and COPIES in asked:
                    rows_of_all = np.arange(len(samples))
                    placed[COPIES] = grouping.Placed(rows_of_all, np.full(len(samples), ALL))
                outcomes = pair[0].outcome(setting), pair[1].outcome(setting)
                for group, (chosen, levels) in placed.items():
                    groups.sums_of(
                        outcomes, scored[chosen], levels, pair[0].clusters, known[group][side]
                    )
                del pair, outcomes
        levels_of = {group: number.names() for group, number in numbers.items()}
        levels_of |= {group: column.levels for column, group in zip(columns, named, strict=True)}
        for group in known:
            names = levels_of.get(group) or captions.names(group)
            members, controls = known[group]
            gaps = [
                Gap.of_sums(
                    level, members.get(place), controls.get(ALL if group == COPIES else place)
                )
                for place, level in enumerate(names)
            ]
            facts = {**{key: each[key] for key in NAMES}, "group": group}
            found = groups.rows_of(gaps, MEASURE, group != OBJECT, group == COPIES)
            rows += [{**facts, **row} for row in found]
    write_csv(job.output[0], rows, COLUMNS, params.digest)


run(main)
