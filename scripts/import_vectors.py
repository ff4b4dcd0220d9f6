"""Embeddings of one shard of images or background crops, taken from a file by the images' ids."""

from pathlib import Path
from typing import Any

import polars as pl

from dejavu.files import fingerprints
from dejavu.files.embeddings import write_embeddings
from dejavu.files.parquet import column_strings, read_parquet
from dejavu.job import run
from dejavu.samples.images import read_crops
from dejavu.sources import given
from dejavu.sources.clip_retrieval import of_length_one


def main(job: Any) -> None:
    """Find the rows of the shard's images and write them as they are, or with length 1."""
    params, part = job.params, job.wildcards.input
    if part == "crop":
        crops = read_crops([job.input.records])
        samples, ids = crops["sample"].to_numpy(), crops["id"]
    else:
        records = read_parquet(job.input.records, ["sample", "id"])
        samples = records["sample"].to_numpy()
        ids = pl.Series(column_strings(records, "id"), dtype=pl.String)
    vectors = given.vectors(Path(params.file), ids)
    if part == "crop":
        given.check_width(Path(params.file), vectors.shape[1], Path(params.searched))
    normalise = params.metric == "cosine"
    # What made them stands in no file: the config says it.
    made_by = {"encoder": params.encoder, "dimension": vectors.shape[1], "normalised": normalise}
    facts = {
        "model": job.wildcards.model,
        "fingerprint": fingerprints.fingerprint([], made_by),
        "normalised": normalise,
        "versions": fingerprints.versions("numpy"),
        "input": part,
    }
    unit = of_length_one(vectors) if normalise else vectors
    write_embeddings(job.output[0], samples, unit, facts)


run(main)
