"""An empty approximate index, trained on a sample of the public vectors."""

from typing import Any

from dejavu.files.embeddings import read_embeddings
from dejavu.job import run
from dejavu.search import approximate, indexes


def main(job: Any) -> None:
    """Train on the vectors whose sample numbers hash lowest."""
    first = read_embeddings(job.input[0]).metadata
    shards = map(read_embeddings, job.input)
    _, vectors = approximate.lowest_hashed(
        ((shard.samples, shard.vectors) for shard in shards),
        job.params.train_samples,
        job.params.seed,
    )
    index = approximate.train(job.params.factory, vectors, job.params.metric)
    facts = {key: first[key] for key in ("model", "fingerprint")}
    indexes.write_index(job.output[0], index, facts)


run(main)
