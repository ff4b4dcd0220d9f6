"""The most memorized targets: results/tables/vlm_memorized.csv."""

from typing import Any

import numpy as np
import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.samples.ids import ids_of
from dejavu.scores import gaps, recovered

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
    "expected_false": pl.Float64,
}


def main(job: Any) -> None:
    """List the targets with the largest gap, for every test and setting."""
    params = job.params
    settings = recovered.settings(params.k, params.predict, params.objects)
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    files = layout.shards_of(job.input.recovered)
    found = []
    for comparison in params.comparisons:
        largest, others = (
            gaps.largest(
                recovered.pairs_of(comparison["tallies"][name], files, left_out)
                if name in comparison["tallies"]
                else [],
                settings,
                most,
            )
            for name, most in (("target", params.memorized), ("control", 0))
        )
        facts = {"test": comparison["test"], "query": comparison["query"]}
        for setting, best in largest.items():
            false = gaps.expected_false(best, others[setting])
            found.append(({**facts, **setting._asdict()}, best, false))
    samples = [np.empty(0, np.int64), *(best.samples for _, best, _ in found)]
    ids = ids_of(np.concatenate(samples), job.input.samples)
    rows = []
    for facts, best, false in found:
        columns = {
            "sample": best.samples.tolist(),
            "id": [ids[sample] for sample in best.samples.tolist()],
            "precision_target": best.target.precision,
            "precision_reference": best.reference.precision,
            "recall_target": best.target.recall,
            "recall_reference": best.reference.recall,
            "expected_false": false,
        }
        for rank, values in enumerate(zip(*columns.values(), strict=True), 1):
            rows.append({**facts, "rank": rank, **dict(zip(columns, values, strict=True))})
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
