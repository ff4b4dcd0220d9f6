"""The labels of all sources, sorted."""

from typing import Any

import pyarrow.compute as pc

from dejavu.files.facts import write_json
from dejavu.files.parquet import read_parquet
from dejavu.job import run


def main(job: Any) -> None:
    """List every label once."""
    labels: set[str] = set()
    for path in job.input:
        objects = read_parquet(path, ["objects"]).column("objects")
        labels.update(pc.unique(pc.list_flatten(objects)).to_pylist())
    write_json(job.output[0], {"labels": sorted(labels)})


run(main)
