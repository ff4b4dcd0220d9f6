"""Embeddings of one shard of captions under a general text encoder."""

from typing import TYPE_CHECKING, Any

from dejavu import tables
from dejavu.encoders import forbid_downloads, prepare_torch
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Embed the captions; the library sorts them by length and batches them."""
    if not job.params.allow_download:
        forbid_downloads()
    # The hub's client reads the environment when it is imported.
    from dejavu.encoders import text

    device = prepare_torch(job.params.threads)
    name, allow_download = job.wildcards.model, job.params.allow_download
    encoder = text.load(name, job.params.model, job.params.batch, device, allow_download)
    records = tables.read_parquet(job.input.records, ["sample", "caption"])
    vectors = encoder.encode_texts(tables.column_strings(records, "caption"))
    facts = {**encoder.facts, "input": "caption"}
    tables.write_embeddings(job.output[0], records["sample"].to_numpy(), vectors, facts)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
