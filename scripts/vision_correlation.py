"""What the references infer from A's crops: results/tables/vision_correlation.csv."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.labels import world
from dejavu.samples.images import read_crops
from dejavu.scores.judged import among_top5, read_judged
from dejavu.scores.vision import correlation_row
from dejavu.sources import foregrounds

ACCURACIES = [f"accuracy_{top}{end}" for top in ("top1", "top5") for end in ("", "_low", "_high")]
COLUMNS = {
    **dict.fromkeys(("reference_model", "replicate", "on"), pl.String),
    "crops": pl.Int64,
    **dict.fromkeys((*ACCURACIES, "optimum"), pl.Float64),
    "no_interval": pl.String,
}


def main(job: Any) -> None:
    """Score every reference on all crops and on those that all two-model references get right."""
    params = job.params
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    crops = read_crops(job.input.records, ["boxes", "context"])
    crops = duplicates.without(crops, left_out)
    optimum = (
        None
        if params.preferred is None
        else largest_posterior(crops, params.preferred, params.tilt)
    )
    predictions = layout.predictions_of(job.input.predictions)

    def files(reference: dict[str, Any], kind: str) -> list[str]:
        return [predictions[name, "A"] for name in reference[kind]["predictors"]]

    trained = [files(each, "together") for each in params.references if each["two_model"]]
    places = {"all": ("alone", None)}
    if trained:
        right = [correct(paths, left_out) for paths in trained]
        places["intersection"] = ("together", np.logical_and.reduce(right))
    rows = []
    for reference in params.references:
        for on, (kind, inside) in places.items():
            paths = files(reference, kind)
            top1 = correct(paths, left_out)
            top5 = np.stack([among_top5(path, crops) for path in paths], axis=1)
            counted = np.ones_like(top1) if inside is None else inside
            for replicate, chosen in reference[kind]["replicates"].items():
                names = {"reference_model": reference["name"], "replicate": replicate, "on": on}
                row = correlation_row(top1[:, chosen], top5[:, chosen], counted[:, chosen], optimum)
                rows.append({**names, **row})
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


def correct(paths: list[str], left_out: np.ndarray) -> np.ndarray:
    """Whether each predictor is right on A's crops, bool [crops, predictors]."""
    return np.stack([read_judged(path, left_out).correct for path in paths], axis=1)


def largest_posterior(crops: pl.DataFrame, preferred: float, tilt: Sequence[float]) -> np.ndarray:
    """How well the embedded world's crops can be predicted at best, float64 [crops]."""
    shown = [
        [thing.tag for thing in foregrounds.visible(layout, crop)]
        for layout, crop in zip(world.layouts(crops), world.boxes(crops), strict=True)
    ]
    return foregrounds.posterior(shown, preferred=preferred, tilt=tilt).max(axis=1)


run(main)
