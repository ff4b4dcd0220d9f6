"""Labels that the public neighbours of a set's crops vote for."""

from typing import Any

import numpy as np
import pyarrow as pa

from dejavu.errors import InputError
from dejavu.files.fingerprints import check_same_model
from dejavu.files.neighbors import read_neighbors
from dejavu.files.parquet import read_parquet, read_provenance
from dejavu.job import run
from dejavu.predictions import label_votes
from dejavu.predictions.files import predictions_table, write_predictions
from dejavu.samples.hashes import row_of, shard_of
from dejavu.samples.images import read_crops


def main(job: Any) -> None:
    """Let the neighbours vote, shard by shard."""
    codes, starts, classes = public_labels(job.input.public)
    first = read_provenance(job.input.neighbors[0])

    def voted(path: str, records: str) -> pa.Table:
        ranking = read_neighbors(path)
        check_same_model(first, job.input.neighbors[0], ranking.metadata, path)
        crops = read_crops([records])
        if not np.array_equal(crops["sample"].to_numpy(), ranking.samples):
            raise InputError(
                f"{path} ranks other samples than {records} has crops of: delete it and run again."
            )
        neighbors = ranking.neighbors[:, : job.params.k]
        shard, row = shard_of(neighbors), row_of(neighbors)
        distances = ranking.scores[:, : job.params.k].astype(np.float64)
        if ranking.metadata["metric"] == "cosine":
            distances = 1 - distances
        found = label_votes.from_votes(codes[starts[shard] + row], distances)
        return predictions_table(crops, found, classes)

    shards = zip(job.input.neighbors, job.input.records, strict=True)
    answers = (voted(*each) for each in shards)
    write_predictions(job.output[0], answers, first["model"], first["fingerprint"])


def public_labels(paths: list[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The public images' labels as codes, int32, where each shard starts, and the classes."""
    shards = [
        read_parquet(path, ["label"])["label"].combine_chunks().dictionary_encode()
        for path in paths
    ]
    starts = np.cumsum([0, *map(len, shards)])
    labels = pa.chunked_array(shards).unify_dictionaries().combine_chunks()
    names = labels.dictionary.to_pylist()
    classes = sorted(names)
    places = {name: code for code, name in enumerate(classes)}
    codes = np.array([places[name] for name in names], dtype=np.int32)
    return codes[labels.indices.to_numpy()], starts, classes


run(main)
