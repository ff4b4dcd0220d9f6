"""Agreement of references on the targets: results/tables/vlm_agreement.csv."""

from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import recovered, tables
from dejavu.job import job_log
from dejavu.vlm_scores import agreement_counts

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


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
    rows = []
    for pair in params.pairs:
        sides = [
            recovered.whole_set(pair[role]["model"], pair[role]["query"], "target", params.shards)
            for role in ("first", "second")
        ]
        for setting in recovered.settings(params.k, params.predict, params.objects):
            outcomes = [side.outcome(setting) for side in sides]
            scored = outcomes[0].truth > 0
            first, second = (outcome.of(scored) for outcome in outcomes)
            for metric in ("precision", "recall"):
                counts = agreement_counts(first, second, metric)
                both_right, first_only, second_only, both_wrong = counts / max(counts.sum(), 1)
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
    tables.write_csv(job.output[0], rows, COLUMNS)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
