"""How many of the exact neighbours an approximate index finds, for a sample of queries."""

from functools import partial
from typing import Any

import numpy as np

from dejavu.files.embeddings import read_embeddings
from dejavu.files.facts import write_json
from dejavu.files.neighbors import read_neighbors
from dejavu.job import run
from dejavu.search import approximate, exact, indexes


def main(job: Any) -> None:
    """Search the public vectors themselves and compare with the neighbours that were found."""
    shards = map(read_embeddings, job.input.queries)
    samples, queries = approximate.lowest_hashed(
        ((shard.samples, shard.vectors) for shard in shards), job.params.queries, job.params.seed
    )

    def open_public(path: str) -> indexes.PublicIndex:
        public = read_embeddings(path)
        index = indexes.build_index(public.samples, public.vectors, job.params.metric)
        return indexes.PublicIndex(index, public.metadata)

    public = [partial(open_public, path) for path in job.input.public]
    most = max(job.params.k)
    nearest, _ = exact.top_k(queries, public, most, job.params.metric, job.threads)
    found = np.empty_like(nearest)
    for path in job.input.neighbors:
        ranking = read_neighbors(path)
        places, rows = np.intersect1d(samples, ranking.samples, return_indices=True)[1:]
        found[places] = ranking.neighbors[rows, :most]
    recalls = {str(k): approximate.recall(found[:, :k], nearest[:, :k]) for k in job.params.k}
    write_json(job.output[0], {"queries": len(samples), "recall": recalls})


run(main)
