"""Sample-level scores over the first records: results/tables/vlm_samples.csv."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.scores import gaps, recovered
from dejavu.scores.recovered import Recovered

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
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    files = layout.shards_of(job.input.recovered)
    rows: list[dict[str, Any]] = []
    for comparison in params.comparisons:
        part = comparison["tallies"]["target"]

        def shards(part: dict[str, Any] = part) -> Iterator[tuple[Recovered, Recovered]]:
            return recovered.pairs_of(part, files, left_out)

        facts = {"test": comparison["test"], "query": comparison["query"]}
        found: dict[recovered.Setting, list[dict[str, Any]]] = {each: [] for each in settings}
        for setting, order, row in gaps.gaps(shards, settings):
            found[setting].append({**facts, **setting._asdict(), "order": order, **row})
        rows += chain.from_iterable(found.values())
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
