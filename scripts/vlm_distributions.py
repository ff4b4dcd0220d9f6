"""Distributions of recall of target and reference: results/tables/vlm_distributions.csv."""

from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import duplicates, recovered, tables
from dejavu.job import job_log
from dejavu.vlm_scores import Tally, recall_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


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
    left_out = duplicates.contaminated(job.input.left_out)
    rows = []
    for comparison in params.comparisons:
        tallies: dict[recovered.Setting, Tally] = {}
        part = comparison["tallies"]["target"]
        for sides in recovered.pairs_of(
            "target", part["target"], part["reference"], params.shards, left_out
        ):
            for setting in settings:
                target, reference = (side.outcome(setting) for side in sides)
                tally = Tally.of([target], [reference])
                tallies[setting] = tallies[setting] + tally if setting in tallies else tally
        facts = {"test": comparison["test"], "query": comparison["query"]}
        for setting in settings:
            for row in recall_rows(tallies[setting]):
                rows.append({**facts, **setting._asdict(), **row})
    tables.write_csv(job.output[0], rows, COLUMNS)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
