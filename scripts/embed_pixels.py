"""Embeddings of one shard of images or background crops under the fixed encoder of pixels."""

from typing import TYPE_CHECKING, Any

from dejavu import tables, thumbnails
from dejavu.embedding import embed_images
from dejavu.job import Progress, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Embed the shard batch by batch; of crops, those that there are."""
    part = job.wildcards.input
    samples, places = tables.read_places(job.input.records, part)
    progress = Progress(f"embedding with {job.wildcards.model}", len(samples), f"{part}s")
    prepare, encode = thumbnails.prepare_image, thumbnails.encode_images
    vectors = embed_images(places, prepare, encode, job.params.batch, job.threads, progress)
    facts = {**thumbnails.facts(job.wildcards.model), "input": part}
    tables.write_embeddings(
        job.output[0], samples, vectors.reshape(-1, thumbnails.DIMENSION), facts
    )


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
