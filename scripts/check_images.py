"""Counts of the sets, and every reason why they could not give a measurement."""

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from dejavu.errors import InputError
from dejavu.files.facts import write_json
from dejavu.files.parquet import read_parquet
from dejavu.job import run, say, warn
from dejavu.labels import table
from dejavu.samples import checks
from dejavu.samples.hashes import keyed_hash


def main(job: Any) -> None:
    """Check crops, labels and ids, and write the counts."""
    remaining = iter(job.input)
    sets = {}
    for name, settings in job.params.sets.items():
        shards = [
            read_parquet(next(remaining), ["id", "label", "crop_status"])
            for _ in range(settings["shards"])
        ]
        sets[name] = pl.DataFrame(pl.from_arrow(pa.concat_tables(shards)))
    for name, images in sets.items():
        check_crops(name, images)
    check_labels(sets)
    check_ids(sets)
    matched = {}
    if job.params.tags["kind"] == "table":
        matched["tags"] = tell_matched(sets, job.params.tags)
    counts = {
        name: {"images": len(images), "crops": images["crop_status"].eq("ok").sum()}
        for name, images in sets.items()
    }
    write_json(job.output.sets, counts)
    write_json(job.output.data, {"matched": matched})


def check_crops(name: str, images: pl.DataFrame) -> None:
    """Stop on a set without crops where they are measured."""
    statuses = images["crop_status"]
    if name in ("A", "B", "control") and not (statuses == "ok").any():
        reasons = ", ".join(f"{count} for: {why}" for why, count in Counter(statuses).items())
        raise InputError(
            f"Config key vision.sets.{name}: none of its {len(images)} images has a background"
            f" crop ({reasons}): lower vision.min_side, or add annotations."
        )


def tell_matched(sets: dict[str, pl.DataFrame], tags: dict[str, Any]) -> dict[str, int]:
    """Tell how much of a table of tags, and how many of the crops, found no partner."""
    crops = pl.concat(
        images.filter(pl.col("crop_status") == "ok")["id"] for images in sets.values()
    )
    found = table.matched(crops, tags)
    (warn if found.is_doubtful else say)(f"{tags['path']}: {found.told('crops')}")
    return found._asdict()


def check_labels(sets: dict[str, pl.DataFrame]) -> None:
    """Stop on a label of A that public can't vote for."""
    missing = sorted(set(sets["A"]["label"]) - set(sets["public"]["label"]))
    if missing:
        raise InputError(
            f"Config key vision.sets.public: it has no image of the label {missing[0]!r}"
            f" ({len(missing)} of A's labels), so that no neighbour can vote for it: lower"
            " n_per_class or control_per_class, or take a public source with the same classes."
        )


def check_ids(sets: dict[str, pl.DataFrame]) -> None:
    """Stop if two sets share an id."""
    hashes = {
        name: keyed_hash(images["id"].to_list(), 0, "overlap") for name, images in sets.items()
    }
    found = checks.shared_hashes(hashes)
    if found is not None:
        first, second, shared = found
        example = sets[first]["id"][int(np.flatnonzero(hashes[first] == shared[0])[0])]
        raise InputError(
            f"The sets {first} and {second} share {len(shared)} ids, {example!r} for one: take"
            " sources without common images."
        )


run(main)
