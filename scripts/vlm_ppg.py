"""Population scores of every test: results/tables/vlm_ppg.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.scores import recovered
from dejavu.scores.intervals import Bootstrap
from dejavu.scores.vlm import rows_of_test, tallies_of

SCORES = [f"{score}{end}" for score in ("ppg", "prg", "aucg") for end in ("", "_low", "_high")]
MEANS = [
    f"{mean}_{role}"
    for mean in ("precision", "recall", "predicted")
    for role in ("target", "reference")
]
ADJUSTED = [
    f"adjusted_{kind}{end}"
    for kind in ("precision", "recall")
    for end in ("", "_low", "_high", "_beta")
]
COLUMNS = {
    **dict.fromkeys(("test", "target_model", "reference_model", "replicate", "query"), pl.String),
    "k": pl.Int64,
    **dict.fromkeys(("predict", "objects", "set"), pl.String),
    **dict.fromkeys(("targets", "excluded", "contaminated"), pl.Int64),
    **dict.fromkeys((*SCORES, *MEANS, "p_value", *ADJUSTED), pl.Float64),
}


def main(job: Any) -> None:
    """Tally shard by shard, then score every setting."""
    params = job.params
    settings = recovered.settings(params.k, params.predict, params.objects)
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    files = layout.shards_of(job.input.recovered)
    rows = []
    for comparison in params.comparisons:
        tallies = tallies_of(comparison["tallies"], settings, files, left_out)
        for setting in settings:
            names = (params.seed, comparison["test"], comparison["query"], *setting)
            bootstrap = Bootstrap(params.replications, names)
            facts = {
                key: comparison[key] for key in ("test", "target_model", "reference_model", "query")
            }
            for row in rows_of_test(tallies[setting], comparison["replicates"], bootstrap):
                rows.append({**facts, **setting._asdict(), **row})
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
