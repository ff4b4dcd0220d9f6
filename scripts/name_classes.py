"""Readable names of the classes of all sets: results/vision/class_names.json."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from dejavu import class_names, tables
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Name every label; one without a name keeps its own."""
    known: dict[str, str] = {}
    for path in job.params.files:
        known |= class_names.read(Path(path))
    labels: set[str] = set()
    for path in job.input:
        labels.update(pc.unique(tables.read_parquet(path, ["label"])["label"]).to_pylist())
    nameless = sorted(labels - set(known))
    if nameless:
        print(f"{len(nameless)} labels have no name, as {nameless[0]}")
    tables.write_json(job.output[0], {label: known.get(label, label) for label in sorted(labels)})


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
