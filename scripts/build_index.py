"""A flat FAISS index over one public shard."""

from typing import TYPE_CHECKING, Any

from dejavu import search, tables
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Index the vectors under their sample numbers."""
    public = tables.read_embeddings(job.input[0])
    facts = {key: public.metadata[key] for key in ("model", "fingerprint", "input", "normalised")}
    index = search.build_index(public.samples, public.vectors, job.params.metric)
    search.write_index(job.output[0], index, facts)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
