"""An empty approximate index, trained on a sample of the public vectors."""

from typing import TYPE_CHECKING, Any

from dejavu import tables
from dejavu.job import job_log
from dejavu.search import approximate, indexes

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Train on the vectors whose sample numbers hash lowest."""
    first = tables.read_embeddings(job.input[0]).metadata
    shards = map(tables.read_embeddings, job.input)
    _, vectors = approximate.lowest_hashed(
        ((shard.samples, shard.vectors) for shard in shards),
        job.params.train_samples,
        job.params.seed,
    )
    index = approximate.train(job.params.factory, vectors, job.params.metric)
    facts = {key: first[key] for key in ("model", "fingerprint")}
    indexes.write_index(job.output[0], index, facts)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
