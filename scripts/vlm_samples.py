"""Sample-level scores over the first records: results/tables/vlm_samples.csv."""

from functools import partial
from itertools import chain
from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.scores import gaps, recovered

COLUMNS = {
    **dict.fromkeys(("test", "query"), pl.String),
    "k": pl.Int64,
    **dict.fromkeys(("predict", "objects", "set", "order"), pl.String),
    "fraction": pl.Float64,
    "top": pl.Int64,
    **dict.fromkeys(("precision_gap", "recall_gap", "fscore_gap"), pl.Float64),
}


def main(job: Any) -> None:
    """Order target and control in every way, and take the gaps over the first samples."""
    params = job.params
    settings = recovered.settings(params.k, params.predict, params.objects)
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    files = layout.shards_of(job.input.recovered)
    rows: list[dict[str, Any]] = []
    for comparison in params.comparisons:
        facts = {"test": comparison["test"], "query": comparison["query"]}
        found: dict[recovered.Setting, list[dict[str, Any]]] = {each: [] for each in settings}
        for name in ("target", "control"):
            if name not in comparison["tallies"]:
                continue
            shards = partial(recovered.pairs_of, comparison["tallies"][name], files, left_out)
            for setting, order, row in gaps.gaps(shards, settings):
                names = {**setting._asdict(), "set": name, "order": order}
                found[setting].append({**facts, **names, **row})
        rows += chain.from_iterable(found.values())
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
