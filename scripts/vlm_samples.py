"""Sample-level scores over the first records: results/tables/vlm_samples.csv."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import duplicates, records, recovered, tables
from dejavu.job import job_log
from dejavu.recovered import Recovered

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
    settings = recovered.settings(params.k, params.predict, params.objects)
    left_out = duplicates.contaminated(job.input.left_out)
    rows: list[dict[str, Any]] = []
    for comparison in params.comparisons:
        part = comparison["tallies"]["target"]

        def shards(part: dict[str, Any] = part) -> Iterator[tuple[Recovered, Recovered]]:
            return recovered.pairs_of(
                "target", part["target"], part["reference"], params.shards, left_out
            )

        facts = {"test": comparison["test"], "query": comparison["query"]}
        found: dict[recovered.Setting, list[dict[str, Any]]] = {each: [] for each in settings}
        for setting, order, row in records.gaps(shards, settings):
            found[setting].append({**facts, **setting._asdict(), "order": order, **row})
        rows += chain.from_iterable(found.values())
    tables.write_csv(job.output[0], rows, COLUMNS)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
