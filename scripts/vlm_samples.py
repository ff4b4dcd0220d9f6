"""Sample-level scores over the first records: results/tables/vlm_samples.csv."""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from dejavu import recovered, tables
from dejavu.job import job_log
from dejavu.vlm_scores import record_order, record_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


COLUMNS = {
    **dict.fromkeys(("test", "query"), pl.String),
    "k": pl.Int64,
    **dict.fromkeys(("predict", "objects", "order"), pl.String),
    "top": pl.Int64,
    **dict.fromkeys(("precision_gap", "recall_gap", "fscore_gap"), pl.Float64),
}


def main(job: Any) -> None:
    """Order the targets in every way, and take the gaps over the first of them."""
    params = job.params
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
            for order in ("min_distance", "correct", "gap"):
                ordered = record_order(order, target.distance[scored], *outcomes)
                facts = {"test": comparison["test"], "query": comparison["query"]}
                for row in record_rows(ordered, *outcomes):
                    rows.append({**facts, **setting._asdict(), "order": order, **row})
    tables.write_csv(job.output[0], rows, COLUMNS)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
