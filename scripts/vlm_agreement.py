"""Agreement of references on the targets: results/tables/vlm_agreement.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.scores import recovered
from dejavu.scores.vlm import agreements_of

COLUMNS = {
    "query": pl.String,
    "k": pl.Int64,
    **dict.fromkeys(("predict", "objects", "metric", "first", "second"), pl.String),
    **dict.fromkeys(
        ("agreement", "both_right", "first_only", "second_only", "both_wrong"), pl.Float64
    ),
}


def main(job: Any) -> None:
    """Compare every pair of references under every setting."""
    params = job.params
    settings = recovered.settings(params.k, params.predict, params.objects)
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    files = layout.shards_of(job.input.recovered)
    rows = []
    for pair in params.pairs:
        counts = agreements_of(pair, settings, files, left_out)
        for (setting, metric), cases in counts.items():
            both_right, first_only, second_only, both_wrong = cases / max(cases.sum(), 1)
            rows.append(
                {
                    "query": pair["query"],
                    **setting._asdict(),
                    "metric": metric,
                    "first": pair["first"]["name"],
                    "second": pair["second"]["name"],
                    "agreement": both_right + both_wrong,
                    "both_right": both_right,
                    "first_only": first_only,
                    "second_only": second_only,
                    "both_wrong": both_wrong,
                }
            )
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
