"""Embeddings of one shard of captions under a general text encoder."""

from typing import TYPE_CHECKING, Any

from dejavu import tables
from dejavu.embedding import CAPTIONS_A_CALL, embed_texts
from dejavu.encoders import downloads_allowed, precision, prepare_torch, text
from dejavu.job import Progress, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Embed the captions; the library sorts them by length and batches them."""
    device = prepare_torch(job.params.threads)
    encoder = text.load(
        job.wildcards.model, job.params.model, job.params.batch, device, downloads_allowed()
    )
    encoder = precision.applied(encoder, job.params.precision, device)
    records = tables.read_parquet(job.input.records, ["sample", "caption"])
    captions = tables.column_strings(records, "caption")
    progress = Progress(f"embedding with {job.wildcards.model}", len(captions), "captions")
    vectors = embed_texts(captions, encoder.encode_texts, CAPTIONS_A_CALL, progress)
    facts = {**encoder.facts, "input": "caption"}
    tables.write_embeddings(job.output[0], records["sample"].to_numpy(), vectors, facts)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
