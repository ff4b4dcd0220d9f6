"""Examples of the vision tests with their pictures: results/galleries/vision.json."""

from typing import Any

import numpy as np
import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import read_csv, scan_csv
from dejavu.files.facts import write_json
from dejavu.files.parquet import read_parquet
from dejavu.job import run
from dejavu.report import gallery
from dejavu.report.shown import shown

EXAMPLES, DISAGREEMENTS, SHOWN_NEIGHBORS = 6, 4, 5


def main(job: Any) -> None:
    """For every target show memorized and correlated crops, then where references disagree."""
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    predictions = layout.predictions_of(job.input.predictions)
    known = {
        name: duplicates.without(answers(predictions[path_name, "A"]), left_out)
        for name, path_name in job.params.predictors.items()
    }
    memorized = read_csv(job.input.memorized[0], job.params.digest)
    references = [name for name in job.params.references if name in known]
    groups = []
    for pair in job.params.pairs:
        names = ("target_model", "reference_model")
        of_pair = memorized.filter(*(pl.col(name) == pair[name] for name in names)).sort("rank")
        shown_of_pair = {**pair, "shown": pair["target_model"], "rate": max(job.params.rates)}
        groups += [{**shown_of_pair, **each} for each in listed(job, pair)]
        groups.append({**pair, "shown": pair["target_model"], "group": "memorized"})
        groups[-1] |= gallery.most_memorized(of_pair, EXAMPLES)
        groups.append({**pair, "shown": pair["target_model"], "group": "correlated"})
        groups[-1]["samples"] = correlated(known, pair, references)
    two_model = [name for name in references if name in job.params.two_model]
    others = [name for name in references if name not in job.params.two_model]
    if two_model and others:
        for group, samples in disagreements(known, two_model[0], others).items():
            first = {"reference_model": two_model[0], "shown": two_model[0]}
            groups.append({**first, "group": group, "samples": samples})
    for each in groups:
        each["examples"] = examples(job, known, references, each)
    write_json(job.output[0], shown({"config": job.params.digest, "groups": groups}))


def listed(job: Any, pair: dict[str, str]) -> list[dict[str, Any]]:
    """The first crops of a target that are listed, where evidence was weighed."""
    found = []
    for path in job.input.evidence[:1]:
        of_pair = [pl.col(name) == pair[name] for name in ("test", "target_model")]
        rows = scan_csv(path, job.params.digest).filter(of_pair).head(EXAMPLES).collect()
        found.append({"group": "listed", "samples": rows["sample"].to_list()})
    return found


def answers(path: str) -> pl.DataFrame:
    """What a predictor says of A's crops: sample, prediction, correct, confidence."""
    columns = ["sample", "prediction", "correct", "confidence", "tiebreak"]
    return pl.DataFrame(read_parquet(path, columns))


def best(samples: pl.Series, chosen: np.ndarray, count: int, *keys: np.ndarray) -> list[int]:
    """The first chosen samples by some keys, highest first, ties by sample number."""
    order = np.lexsort((samples.to_numpy(), *(-key for key in keys[::-1])))
    return samples.to_numpy()[order[chosen[order]]][:count].tolist()


def correlated(
    known: dict[str, pl.DataFrame], pair: dict[str, str], references: list[str]
) -> list[int]:
    """Crops that target and reference get right, those first that most references get right."""
    target, reference = known[pair["target_model"]], known[pair["reference_model"]]
    both = (target["correct"] & reference["correct"]).to_numpy()
    right = np.sum([known[name]["correct"].to_numpy() for name in references], axis=0)
    return best(target["sample"], both, EXAMPLES, right, reference["confidence"].to_numpy())


def disagreements(
    known: dict[str, pl.DataFrame], neighbors: str, others: list[str]
) -> dict[str, list[int]]:
    """Crops that other references get right and the model trained on B wrong, and the reverse."""
    nearest = known[neighbors]
    right = np.sum([known[name]["correct"].to_numpy() for name in others], axis=0)
    correct = nearest["correct"].to_numpy()
    sure = nearest["confidence"].to_numpy()
    return {
        "others right": best(nearest["sample"], (right > 0) & ~correct, DISAGREEMENTS, right),
        "neighbours right": best(nearest["sample"], (right == 0) & correct, DISAGREEMENTS, sure),
    }


def examples(
    job: Any, known: dict[str, pl.DataFrame], references: list[str], group: dict[str, Any]
) -> list[dict[str, Any]]:
    """Everything that is shown of some crops."""
    if not group["samples"]:
        return []
    samples = np.array(group["samples"], dtype=np.int64)
    columns = ["id", "image", "width", "height", "label", "boxes", "crop", "tags"]
    rows = gallery.rows_of(job.input.samples, samples, columns)
    neighbors = layout.shards_of(job.input.neighbors)
    # A pipeline whose predictions alone are given shows no neighbours.
    paths = neighbors.get((job.params.predictors[group["shown"]], "crop", "A"), [])
    ranked = gallery.neighbors_of(paths, samples)[:, :SHOWN_NEIGHBORS]
    ranked = ranked if paths else np.empty((len(samples), 0), dtype=np.int64)
    public = gallery.rows_of(job.input.public, ranked.ravel(), ["id", "image", "label"])
    lifts = typical(job.input.tags[:1], job.params.digest)
    asked = [group[role] for role in ("target_model",) if role in group] + references
    found = []
    for sample, nearest in zip(samples.tolist(), ranked.tolist(), strict=True):
        row = rows[sample]
        found.append(
            {
                "sample": sample,
                **{name: row[name] for name in ("id", "width", "height", "label", "boxes", "crop")},
                "image": gallery.thumbnail(row["image"]),
                "crop_image": gallery.thumbnail(row["image"], row["crop"]),
                "tags": [
                    {"tag": each["tag"], "lift": lifts.get((row["label"], each["tag"]))}
                    for each in row["tags"]
                ],
                "predictions": [{"predictor": name, **said(known[name], sample)} for name in asked],
                "neighbors": [
                    {
                        **{name: public[each][name] for name in ("id", "label")},
                        "image": gallery.thumbnail(public[each]["image"]),
                    }
                    for each in nearest
                ],
            }
        )
    return found


def said(predictions: pl.DataFrame, sample: int) -> dict[str, Any]:
    """What a predictor says of one crop."""
    row = predictions.row(predictions["sample"].search_sorted(sample), named=True)
    return {name: row[name] for name in ("prediction", "correct", "confidence")}


def typical(paths: list[str], digest: str) -> dict[tuple[str, str], float]:
    """How much more often than elsewhere a tag is on crops of a label, where the table says so."""
    return {
        (row["label"], row["tag"]): row["lift"]
        for path in paths
        for row in read_csv(path, digest).to_dicts()
    }


run(main)
