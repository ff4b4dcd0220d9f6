"""Readable names of the classes of all sets: results/vision/class_names.json."""

from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from dejavu.files.facts import write_json
from dejavu.files.parquet import read_parquet
from dejavu.job import run
from dejavu.samples import class_names


def main(job: Any) -> None:
    """Name every label; one without a name keeps its own."""
    known: dict[str, str] = {}
    for path in job.params.files:
        known |= class_names.read(Path(path))
    labels: set[str] = set()
    for path in job.input:
        labels.update(pc.unique(read_parquet(path, ["label"])["label"]).to_pylist())
    nameless = sorted(labels - set(known))
    if nameless:
        print(f"{len(nameless)} labels have no name, as {nameless[0]}")
    write_json(job.output[0], {label: known.get(label, label) for label in sorted(labels)})


run(main)
