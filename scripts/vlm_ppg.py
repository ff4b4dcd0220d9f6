"""Population scores of every test: results/tables/vlm_ppg.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.scores import recovered
from dejavu.scores.shifted_captions import shifted_gaps
from dejavu.scores.tallies import Asked, null_tallies, parts_of_test
from dejavu.scores.vlm import Row, rows_of_null, rows_of_test, shifted_columns

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
SHIFTED = [
    *(f"adjusted_shift{kind}{end}" for kind in ("", "_recall") for end in ("", "_low", "_high")),
    *("bias_bound", "bias_bound_recall"),
]
SIMULTANEOUS = ("simultaneous_low", "simultaneous_high")
COLUMNS = {
    **dict.fromkeys(("test", "target_model", "reference_model", "replicate", "query"), pl.String),
    "k": pl.Int64,
    **dict.fromkeys(("predict", "objects", "set"), pl.String),
    **dict.fromkeys(("targets", "excluded", "contaminated"), pl.Int64),
    **dict.fromkeys((*SCORES, *MEANS, "p_value", "p_family", *ADJUSTED, *SIMULTANEOUS), pl.Float64),
    **dict.fromkeys(SHIFTED, pl.Float64),
    "shift_components": pl.Int64,
    **dict.fromkeys(("no_interval", "null_model"), pl.String),
}


def main(job: Any) -> None:
    """Tally test by test and shard by shard, then score every setting."""
    params = job.params
    settings = recovered.settings(params.k, params.predict, params.objects)
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    files = layout.shards_of(job.input.recovered)
    vectors = {name: paths for (*_, name), paths in layout.shards_of(job.input.blind or []).items()}
    rows = []
    for test in dict.fromkeys(each["test"] for each in params.comparisons):
        comparisons = [each for each in params.comparisons if each["test"] == test]
        facts = {key: comparisons[0][key] for key in ("test", "target_model", "reference_model")}
        parts = parts_of_test(comparisons, settings, files, left_out)
        replicates, kind = (comparisons[0][key] for key in ("replicates", "kind"))
        shifted: dict[Asked, dict[str, Row]] = {}
        if vectors and "control" in parts:
            most = params.shift_components
            gaps = shifted_gaps(comparisons, settings, files, vectors, left_out, most)
            shifted = shifted_columns(gaps, replicates)
        for asked, row in rows_of_test(parts, replicates, kind):
            if row["set"] == "calibrated" and asked in shifted:
                row |= shifted[asked][row["replicate"]]
            rows.append({**facts, "query": asked.query, **asked.setting._asdict(), **row})
        for null in comparisons[0]["nulls"]:
            nulls = [each["nulls"][null] for each in comparisons]
            queries = [each["query"] for each in comparisons]
            tallies = null_tallies(nulls, settings, files, left_out, queries)
            for asked, row in rows_of_null(tallies, replicates, facts["target_model"], null):
                rows.append({**facts, "query": asked.query, **asked.setting._asdict(), **row})
    write_csv(job.output[0], rows, COLUMNS, params.digest)


run(main)
