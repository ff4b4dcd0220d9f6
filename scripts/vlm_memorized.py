"""The most memorized targets: results/tables/vlm_memorized.csv."""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from dejavu import recovered, splits, tables
from dejavu.job import job_log
from dejavu.vlm_scores import record_order

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


COLUMNS = {
    **dict.fromkeys(("test", "query"), pl.String),
    "k": pl.Int64,
    **dict.fromkeys(("predict", "objects"), pl.String),
    **dict.fromkeys(("rank", "sample"), pl.Int64),
    "id": pl.String,
    **dict.fromkeys(
        ("precision_target", "precision_reference", "recall_target", "recall_reference"),
        pl.Float64,
    ),
}


def main(job: Any) -> None:
    """List the targets with the largest gap, for every test and setting."""
    params = job.params
    ids = [
        tables.column_strings(tables.read_parquet(path, ["id"]), "id") for path in job.input.samples
    ]
    rows = []
    for comparison in params.comparisons:
        part = comparison["tallies"]["target"]
        target, reference = (
            recovered.whole_set(side["models"][0], side["query"], "target", params.shards)
            for side in (part["target"], part["reference"])
        )
        for setting in recovered.settings(params.k, params.predict, params.objects):
            outcomes = [side.outcome(setting) for side in (target, reference)]
            scored = np.flatnonzero(outcomes[0].truth > 0)
            outcomes = [outcome.of(scored) for outcome in outcomes]
            ordered = record_order("gap", target.distance[scored], *outcomes)[: params.memorized]
            samples = target.samples[scored][ordered]
            shards, places = splits.shard_of(samples), splits.row_of(samples)
            columns = {
                "sample": samples,
                "id": [ids[shard][row] for shard, row in zip(shards, places, strict=True)],
                "precision_target": outcomes[0].precision[ordered],
                "precision_reference": outcomes[1].precision[ordered],
                "recall_target": outcomes[0].recall[ordered],
                "recall_reference": outcomes[1].recall[ordered],
            }
            facts = {"test": comparison["test"], "query": comparison["query"], **setting._asdict()}
            for rank, values in enumerate(zip(*columns.values(), strict=True), 1):
                rows.append({**facts, "rank": rank, **dict(zip(columns, values, strict=True))})
    tables.write_csv(job.output[0], rows, COLUMNS)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
