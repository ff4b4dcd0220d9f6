"""A FAISS index over one public shard: flat, or filled from a trained one."""

from typing import Any

from dejavu.files import fingerprints
from dejavu.files.embeddings import read_embeddings
from dejavu.job import run
from dejavu.search import approximate, indexes


def main(job: Any) -> None:
    """Index the vectors under their sample numbers."""
    public = read_embeddings(job.input.public)
    facts = {key: public.metadata[key] for key in ("model", "fingerprint", "input", "normalised")}
    if job.input.trained:
        trained = indexes.read_index(job.input.trained)
        fingerprints.check_same_model(
            public.metadata, job.input.public, trained.metadata, job.input.trained
        )
        index = trained.index
        approximate.fill(index, public.samples, public.vectors)
    else:
        index = indexes.build_index(public.samples, public.vectors, job.params.metric)
    indexes.write_index(job.output[0], index, facts)


run(main)
