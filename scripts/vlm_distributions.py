"""Distributions of recall of target and reference: results/tables/vlm_distributions.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.scores import recovered
from dejavu.scores.vlm import recall_rows, recalls_of

COLUMNS = {
    **dict.fromkeys(("test", "query"), pl.String),
    "k": pl.Int64,
    **dict.fromkeys(("predict", "objects"), pl.String),
    "recall": pl.Float64,
    "targets": pl.Int64,
    **dict.fromkeys(("at_most_target", "at_most_reference"), pl.Float64),
}


def main(job: Any) -> None:
    """Tally the targets shard by shard, then accumulate their recalls."""
    params = job.params
    settings = recovered.settings(params.k, params.predict, params.objects)
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    files = layout.shards_of(job.input.recovered)
    rows = []
    for comparison in params.comparisons:
        recalls = recalls_of(comparison["tallies"]["target"], settings, files, left_out)
        facts = {"test": comparison["test"], "query": comparison["query"]}
        for setting in settings:
            for row in recall_rows(recalls[setting]):
                rows.append({**facts, **setting._asdict(), **row})
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
