"""Population scores of every test: results/tables/vlm_ppg.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.scores import recovered
from dejavu.scores.vlm import Bootstrap, Tally, rows_of_test

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
    left_out = duplicates.contaminated(job.input.left_out)
    rows = []
    for comparison in params.comparisons:
        tallies: dict[recovered.Setting, dict[str, Tally]] = {each: {} for each in settings}
        for name, part in comparison["tallies"].items():
            for targets, references in recovered.shards_of(part, params.shards, left_out):
                chosen = None
                if name in ("first_half", "second_half"):
                    chosen = targets[0].first_half == (name == "first_half")
                for setting in settings:
                    tally = Tally.of(
                        [target.outcome(setting) for target in targets],
                        [reference.outcome(setting) for reference in references],
                        chosen,
                        targets[0].left_out,
                    )
                    known = tallies[setting]
                    known[name] = known[name] + tally if name in known else tally
        for setting in settings:
            names = (params.seed, comparison["test"], comparison["query"], *setting)
            bootstrap = Bootstrap(params.replications, names)
            facts = {
                key: comparison[key] for key in ("test", "target_model", "reference_model", "query")
            }
            for row in rows_of_test(tallies[setting], comparison["replicates"], bootstrap):
                rows.append({**facts, **setting._asdict(), **row})
    write_csv(job.output[0], rows, COLUMNS)


run(main)
