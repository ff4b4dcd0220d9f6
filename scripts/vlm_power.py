"""What every test of captions can tell, at the headline setting: results/tables/vlm_power.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.scores import power
from dejavu.scores.recovered import Setting
from dejavu.scores.tallies import Asked, parts_of_test

NAMES = ("test", "target_model", "reference_model")
COLUMNS = {
    **dict.fromkeys((*NAMES, "replicate", "query"), pl.String),
    "k": pl.Int64,
    **dict.fromkeys(("predict", "objects", "set", "score"), pl.String),
    **power.COLUMNS,
}


def main(job: Any) -> None:
    """Tally test by test and shard by shard, and tell each replicate's power."""
    params = job.params
    query, *rest = params.headline.values()
    setting = Setting(*rest)
    left_out = duplicates.contaminated(job.input.left_out, params.digest)
    files = layout.shards_of(job.input.recovered)
    rows = []
    for each in params.comparisons:
        parts = parts_of_test([each], [setting], files, left_out)
        tallies = {name: part.tallies[Asked(query, setting)] for name, part in parts.items()}
        facts = {**{name: each[name] for name in NAMES}, **params.headline}
        for replicate, chosen in each["replicates"].items():
            if len(chosen) > 1:
                continue
            known = power.vlm_rows(tallies, chosen[0], each["kind"], params.smallest)
            rows += [{**facts, "replicate": replicate, **row} for row in known]
    write_csv(job.output[0], rows, COLUMNS, params.digest)


run(main)
