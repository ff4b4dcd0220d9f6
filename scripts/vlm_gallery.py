"""Examples of the vision-language tests with their pictures: results/galleries/vlm.json."""

from typing import Any

import numpy as np
import polars as pl

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import read_csv, scan_csv
from dejavu.files.facts import read_json, write_json
from dejavu.job import run
from dejavu.predictions import object_votes
from dejavu.report import gallery
from dejavu.report.shown import shown
from dejavu.scores import gaps, recovered

EXAMPLES, SHOWN_NEIGHBORS = 6, 5
PUBLIC_COLUMNS = ["id", "image", "caption", "objects"]


def main(job: Any) -> None:
    """For every test, show the most memorized and the most correlated training captions."""
    params = job.params
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    memorized = read_csv(job.input.memorized[0], job.params.digest)
    for column, value in params.headline.items():
        memorized = memorized.filter(pl.col(column) == value)
    setting = recovered.Setting(*(params.headline[key] for key in ("k", "predict", "objects")))
    files = layout.shards_of(job.input.recovered)
    tests = []
    for comparison in params.comparisons:
        of_test = memorized.filter(pl.col("test") == comparison["test"]).sort("rank")
        pairs = recovered.pairs_of(comparison["tallies"]["target"], files, left_out)
        both = gaps.recovered_by_both(pairs, setting, EXAMPLES)
        groups = [
            *listed(job, comparison["test"]),
            {"group": "memorized", **gallery.most_memorized(of_test, EXAMPLES)},
            {"group": "correlated", "samples": both.tolist()},
        ]
        for each in groups:
            each["examples"] = examples(job, comparison, np.array(each["samples"], np.int64))
        names = ("test", "query", "target_model", "reference_model")
        tests.append(
            {
                **{name: comparison[name] for name in names},
                "groups": groups,
            }
        )
    found = {"config": params.digest, "headline": params.headline, "tests": tests}
    write_json(job.output[0], shown(found))


def listed(job: Any, test: str) -> list[dict[str, Any]]:
    """The first captions that are listed by their objects, where evidence was weighed."""
    found = []
    for path in job.input.evidence[:1]:
        of_test = (pl.col("test") == test) & (pl.col("features") == "objects")
        rows = scan_csv(path, job.params.digest).filter(of_test).head(EXAMPLES).collect()
        rate = max(job.params.rates)
        found.append({"group": "listed", "rate": rate, "samples": rows["sample"].to_list()})
    return found


def examples(job: Any, comparison: dict[str, Any], samples: np.ndarray) -> list[dict[str, Any]]:
    """Everything that is shown of some training captions."""
    if not len(samples):
        return []
    headline = job.params.headline
    labels = read_json(job.input.vocabulary)["labels"]
    codes = {label: code for code, label in enumerate(labels)}
    columns = ["id", "image", "caption", "objects", "named"]
    rows = gallery.rows_of(job.input.samples, samples, columns)
    named = [rows[each]["named"] if headline["objects"] == "unnamed" else [] for each in samples]
    found = []
    for sample, unseen in zip(samples.tolist(), named, strict=True):
        row = rows[sample]
        found.append(
            {
                "sample": sample,
                "id": row["id"],
                "caption": row["caption"],
                "image": gallery.thumbnail(row["image"]),
                "objects": [label for label in row["objects"] if label not in unseen],
                "sides": [],
            }
        )
    neighbors, given = map(layout.shards_of, (job.input.neighbors, job.input.predictions))
    for role in ("target", "reference"):
        side = comparison["tallies"]["target"][role]
        answers = side["models"][0], side["query"], "target"
        if answers in given:
            # A pipeline whose predictions alone are given shows no neighbours.
            lists = gallery.rows_of(given[answers], samples, ["prediction"])
            most = object_votes.TOP_SIZES.get(headline["predict"])
            for example, unseen in zip(found, named, strict=True):
                said = lists[example["sample"]]["prediction"]
                guessed = [label for label in said if label not in unseen][:most]
                example["sides"].append(side_of(comparison, role, guessed, example, []))
            continue
        ranked = gallery.neighbors_of(neighbors[answers], samples)
        needed, positions = np.unique(ranked, return_inverse=True)
        public = gallery.rows_of(job.input.public, needed, PUBLIC_COLUMNS)
        predicted = object_votes.predicted_labels(
            positions.reshape(ranked.shape),
            gallery.label_lists((public[each]["objects"] for each in needed.tolist()), codes),
            gallery.label_lists(named, codes),
            len(labels),
            headline["k"],
            headline["predict"],
        )
        for example, mask, nearest in zip(found, predicted, ranked.tolist(), strict=True):
            guessed = [labels[code] for code in np.flatnonzero(mask)]
            near = [public[each] for each in nearest[:SHOWN_NEIGHBORS]]
            example["sides"].append(side_of(comparison, role, guessed, example, near))
    return found


def side_of(
    comparison: dict[str, Any],
    role: str,
    guessed: list[str],
    example: dict[str, Any],
    nearest: list[dict[str, Any]],
) -> dict[str, Any]:
    """What target or reference says of a caption, with its nearest public samples."""
    return {
        "role": role,
        "model": comparison[f"{role}_model"],
        **judged(guessed, example["objects"]),
        "neighbors": [
            {
                **{name: row[name] for name in ("id", "caption")},
                "image": gallery.thumbnail(row["image"]),
            }
            for row in nearest
        ],
    }


def judged(guessed: list[str], true: list[str]) -> dict[str, Any]:
    """Which objects are recovered, wrong and missed, with precision and recall."""
    recovered_labels = [label for label in guessed if label in true]
    return {
        "recovered": recovered_labels,
        "wrong": [label for label in guessed if label not in true],
        "missed": [label for label in true if label not in guessed],
        "precision": len(recovered_labels) / len(guessed) if guessed else 0.0,
        "recall": len(recovered_labels) / len(true) if true else 0.0,
    }


run(main)
