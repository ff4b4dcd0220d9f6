"""How many of the exact neighbours an approximate index finds, for a sample of queries."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dejavu import tables
from dejavu.job import job_log
from dejavu.search import approximate, exact, indexes

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Search the public vectors themselves and compare with the neighbours that were found."""
    shards = map(tables.read_embeddings, job.input.queries)
    samples, queries = approximate.lowest_hashed(
        ((shard.samples, shard.vectors) for shard in shards), job.params.queries, job.params.seed
    )

    def open_public(path: str) -> indexes.PublicIndex:
        public = tables.read_embeddings(path)
        index = indexes.build_index(public.samples, public.vectors, job.params.metric)
        return indexes.PublicIndex(index, public.metadata)

    public = [partial(open_public, path) for path in job.input.public]
    most = max(job.params.k)
    nearest, _ = exact.top_k(queries, public, most, job.params.metric, job.threads)
    found = np.empty_like(nearest)
    for path in job.input.neighbors:
        ranking = tables.read_neighbors(path)
        places, rows = np.intersect1d(samples, ranking.samples, return_indices=True)[1:]
        found[places] = ranking.neighbors[rows, :most]
    recalls = {str(k): approximate.recall(found[:, :k], nearest[:, :k]) for k in job.params.k}
    tables.write_json(job.output[0], {"queries": len(samples), "recall": recalls})


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
