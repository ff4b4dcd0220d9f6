"""Nearest public samples of one shard of queries."""

from functools import partial
from typing import TYPE_CHECKING, Any

from dejavu import provenance, search, tables
from dejavu.job import Progress, job_log
from dejavu.search import approximate

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Search the public shards one after the other."""
    queries = tables.read_embeddings(job.input.queries)

    with tables.listed(job.input.indexes) as indexes:
        neighbors, scores = searched(job, queries, indexes)
    facts = {
        **{key: queries.metadata[key] for key in ("model", "fingerprint")},
        "metric": job.params.metric,
        "query": job.wildcards.query,
    }
    tables.write_neighbors(
        job.output[0], tables.Neighbors(queries.samples, neighbors, scores, facts)
    )


def searched(job: Any, queries: tables.Embeddings, indexes: list[str]) -> tuple[Any, Any]:
    """Numbers and scores of the nearest samples of all shards."""
    progress = Progress("searching", len(indexes), "public shards")

    def open_shard(number: int, path: str) -> search.PublicIndex:
        progress.reach(number)
        for following in indexes[number + 1 : number + 2]:
            search.expect(following)
        shard = search.read_index(path)
        provenance.check_same_model(queries.metadata, job.input.queries, shard.metadata, path)
        return shard

    shards = [partial(open_shard, *numbered) for numbered in enumerate(indexes)]
    asked = (queries.vectors, shards, job.params.k, job.params.metric)
    if job.params.approximate:
        found = approximate.top_k(*asked, job.params.search, job.threads)
    else:
        found = search.top_k(*asked, job.threads)
    progress.reach(len(shards))
    return found


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
