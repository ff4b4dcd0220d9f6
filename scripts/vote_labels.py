"""Labels that the public neighbours of a set's crops vote for."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dejavu import predictions, splits, tables
from dejavu.errors import InputError
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Let the neighbours vote, shard by shard."""
    public = [
        tables.column_strings(tables.read_parquet(path, ["label"]), "label")
        for path in job.input.public
    ]
    classes = sorted({label for shard in public for label in shard})
    codes = {label: code for code, label in enumerate(classes)}
    shards = [np.array([codes[label] for label in labels], dtype=np.int64) for labels in public]
    found = []
    for path, records in zip(job.input.neighbors, job.input.records, strict=True):
        ranking = tables.read_neighbors(path)
        crops = tables.read_crops([records])
        if not np.array_equal(crops["sample"].to_numpy(), ranking.samples):
            raise InputError(
                f"{path} ranks other samples than {records} has crops of: delete it and run again."
            )
        labels = np.empty(ranking.neighbors.shape, dtype=np.int64)
        shard, row = splits.shard_of(ranking.neighbors), splits.row_of(ranking.neighbors)
        for place, values in enumerate(shards):
            labels[shard == place] = values[row[shard == place]]
        distances = ranking.scores.astype(np.float64)
        if ranking.metadata["metric"] == "cosine":
            distances = 1 - distances
        voted = predictions.from_votes(labels, distances)
        found.append(tables.predictions_table(crops, voted, classes))
    tables.write_predictions(job.output[0], found)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
