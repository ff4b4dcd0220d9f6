"""Nearest public samples of one shard of queries."""

from functools import partial
from typing import Any

from dejavu.files import fingerprints
from dejavu.files.embeddings import Embeddings, read_embeddings
from dejavu.files.lists import listed
from dejavu.files.neighbors import Neighbors, write_neighbors
from dejavu.job import Progress, run
from dejavu.search import approximate
from dejavu.search.exact import top_k
from dejavu.search.indexes import PublicIndex, expect, read_index


def main(job: Any) -> None:
    """Search the public shards one after the other."""
    queries = read_embeddings(job.input.queries)

    with listed(job.input.indexes) as indexes:
        neighbors, scores = searched(job, queries, indexes)
    facts = {
        **{key: queries.metadata[key] for key in ("model", "fingerprint")},
        "metric": job.params.metric,
        "query": job.wildcards.query,
    }
    write_neighbors(job.output[0], Neighbors(queries.samples, neighbors, scores, facts))


def searched(job: Any, queries: Embeddings, indexes: list[str]) -> tuple[Any, Any]:
    """Numbers and scores of the nearest samples of all shards."""
    progress = Progress("searching", len(indexes), "public shards")

    def open_shard(number: int, path: str) -> PublicIndex:
        progress.reach(number)
        for following in indexes[number + 1 : number + 2]:
            expect(following)
        shard = read_index(path)
        fingerprints.check_same_model(queries.metadata, job.input.queries, shard.metadata, path)
        return shard

    shards = [partial(open_shard, *numbered) for numbered in enumerate(indexes)]
    asked = (queries.vectors, shards, job.params.k, job.params.metric)
    if job.params.approximate:
        found = approximate.top_k(*asked, job.params.search, job.threads)
    else:
        found = top_k(*asked, job.threads)
    progress.reach(len(shards))
    return found


run(main)
