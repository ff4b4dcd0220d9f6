"""Déjà vu scores of every target model and reference: results/tables/vision_dejavu.csv."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import Progress, run
from dejavu.samples.hashes import in_first_half
from dejavu.samples.images import read_crops
from dejavu.scores.judged import TOPS, Classes, read_comparison
from dejavu.scores.shifted_crops import scores_of
from dejavu.scores.vision import rows_of_null, rows_of_target

NAMES = ("test", "target_model", "reference_model")
SCORES = [f"dejavu{end}" for end in ("", "_low", "_high")]
MEANS = ["accuracy_target", "accuracy_reference"]
ADJUSTED = [f"adjusted_accuracy{end}" for end in ("", "_low", "_high", "_beta")]
SHIFTED = [*(f"adjusted_shift{end}" for end in ("", "_low", "_high")), "bias_bound"]
SHIFTED_SETS = ("A", "control")
SIMULTANEOUS = ("simultaneous_low", "simultaneous_high")
COLUMNS = {
    **dict.fromkeys((*NAMES, "replicate"), pl.String),
    "top": pl.Int64,
    "confident": pl.Float64,
    "set": pl.String,
    **dict.fromkeys(("crops", "unmatched"), pl.Int64),
    **dict.fromkeys((*SCORES, *MEANS, "p_value", "p_family", *ADJUSTED, *SIMULTANEOUS), pl.Float64),
    **dict.fromkeys(SHIFTED, pl.Float64),
    "shift_components": pl.Int64,
    **dict.fromkeys(("no_interval", "null_model"), pl.String),
}


def main(job: Any) -> None:
    """Score every target against all references of a test, on every set and replicate."""
    params = job.params
    left_out = duplicates.contaminated(job.input.left_out, params.digest)
    crops = duplicates.without(read_crops(job.input.records), left_out)
    classes = Classes.of(crops)
    first_half = crops.filter(in_first_half(crops["id"].to_list(), params.seed))["sample"]
    predictions = layout.predictions_of(job.input.predictions)
    vectors = {name: paths for (*_, name), paths in layout.shards_of(job.input.blind or []).items()}
    progress = Progress("scoring", len(params.comparisons), "pairs")
    rows = []
    scores: dict[str, Any] = {}
    for test, target in dict.fromkeys((c["test"], c["target_model"]) for c in params.comparisons):
        pairs, replicates = {}, {}
        of_target = [
            each
            for each in params.comparisons
            if (each["test"], each["target_model"]) == (test, target)
        ]
        for top, each in product(TOPS, of_target):
            parts = {
                name: read_comparison(side, predictions, left_out, classes, top)
                for name, side in each["sides"].items()
            }
            if "control" in parts:
                halves = np.isin(parts["control"].targets[0].samples, first_half)
                parts["first_half"] = parts["control"].where(halves)
                parts["second_half"] = parts["control"].where(~halves)
            if vectors and "control" in parts:
                if not scores:
                    # Every predictor is asked about the same crops.
                    asked_of = [(vectors[n], parts[n].targets[0].samples) for n in SHIFTED_SETS]
                    scores = dict(
                        zip(SHIFTED_SETS, scores_of(asked_of, params.shift_components), strict=True)
                    )
                parts |= {n: replace(parts[n], scores=scores[n]) for n in SHIFTED_SETS}
            asked = each["reference_model"], top
            pairs[asked], replicates[asked] = parts, each["replicates"]
        for (reference, top), row in rows_of_target(pairs, replicates, params.confident, test):
            names = dict(zip(NAMES, (test, target, reference), strict=True))
            rows.append({**names, "top": top, **row})
        progress.advance(len(of_target))
    for top, each in product(TOPS, params.nulls):
        parts = {
            name: read_comparison(side, predictions, left_out, classes, top)
            for name, side in each["sides"].items()
        }
        names = {name: each[name] for name in (*NAMES, "null_model")}
        for row in rows_of_null(parts, each["replicates"]):
            rows.append({**names, "top": top, **row})
    write_csv(job.output[0], rows, COLUMNS, params.digest)


run(main)
