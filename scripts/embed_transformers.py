"""Embeddings of one shard of images or captions under a CLIP or SigLIP model of Transformers."""

from typing import TYPE_CHECKING, Any

from dejavu.embedding import embed_records
from dejavu.encoders import downloads_allowed, precision, prepare_torch, transformers
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Embed the shard batch by batch."""
    device = prepare_torch(job.params.threads)
    encoder = transformers.load(job.wildcards.model, job.params.model, device, downloads_allowed())
    embed_records(
        precision.applied(encoder, job.params.precision, device),
        job.input.records,
        job.wildcards.input,
        batch=job.params.batch,
        workers=job.threads,
        output=job.output[0],
    )


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
