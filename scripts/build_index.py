"""A FAISS index over one public shard: flat, or filled from a trained one."""

from typing import TYPE_CHECKING, Any

from dejavu import provenance, tables
from dejavu.job import job_log
from dejavu.search import approximate, indexes

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Index the vectors under their sample numbers."""
    public = tables.read_embeddings(job.input.public)
    facts = {key: public.metadata[key] for key in ("model", "fingerprint", "input", "normalised")}
    if job.input.trained:
        trained = indexes.read_index(job.input.trained)
        provenance.check_same_model(
            public.metadata, job.input.public, trained.metadata, job.input.trained
        )
        index = trained.index
        approximate.fill(index, public.samples, public.vectors)
    else:
        index = indexes.build_index(public.samples, public.vectors, job.params.metric)
    indexes.write_index(job.output[0], index, facts)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
