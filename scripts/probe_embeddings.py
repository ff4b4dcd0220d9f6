"""A linear probe: how well a vision-language model's embeddings of images tell their classes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.audits import probe, utility
from dejavu.files import fingerprints
from dejavu.files.embeddings import read_embeddings
from dejavu.files.facts import write_json
from dejavu.files.parquet import read_parquet
from dejavu.files.seals import Metadata
from dejavu.job import run


def main(job: Any) -> None:
    """Fit to one half of the images taken, and count on the other whose class is predicted."""
    params = job.params
    shards = shown(job.input.samples, params.classes)
    images = probe.chosen(shards, params.images, params.seed, "vlm").with_row_index("place")
    found: list[tuple[pl.Series, NDArray[Any]]] = []
    first: tuple[str, Metadata] | None = None
    for (shard,), own in images.partition_by("shard", as_dict=True).items():
        path = job.input.embeddings[shard]
        read = read_embeddings(path)
        earlier, facts = first = first or (path, read.metadata)
        fingerprints.check_same_model(facts, earlier, read.metadata, path)
        found.append((own["place"], read.of_samples(own["sample"].to_numpy())))
    places = np.concatenate([place.to_numpy() for place, _ in found])
    features = np.concatenate([each for _, each in found])[np.argsort(places)]
    fact = {"domain": "vlm", "model": params.name}
    counts = probe.counted(features.astype(np.float32), images["label"].to_numpy(), params.threads)
    write_json(job.output[0], fact | counts)


def shown(paths: list[str], classes: dict[str, list[str]]) -> Iterator[pl.DataFrame]:
    """The samples that are of one class alone, shard by shard."""
    for shard, path in enumerate(paths):
        table = read_parquet(path, ["sample", "id", "image", "objects"])
        frame = pl.DataFrame(pl.from_arrow(table))
        truth = utility.true_classes(frame["objects"], classes)
        told = frame.select("sample", "id", "image", label=pl.Series(truth), shard=pl.lit(shard))
        yield told.filter(pl.col("label") != utility.NONE)


run(main)
