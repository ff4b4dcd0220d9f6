"""Embeddings of one shard of images or background crops under a self-supervised model."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dejavu import tables
from dejavu.embedding import embed_images
from dejavu.encoders import precision, prepare_torch, ssl
from dejavu.job import Progress, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Embed the shard batch by batch; of crops, those that there are."""
    device = prepare_torch(job.params.threads)
    name, part = job.wildcards.model, job.wildcards.input
    folder, normalise = Path(job.input.weights).parent, job.params.metric == "cosine"
    loaded = ssl.load(name, folder, job.params.model, normalise, device)
    encoder = precision.applied(loaded, job.params.precision, device)
    samples, places = tables.read_places(job.input.records, part)
    progress = Progress(f"embedding with {name}", len(samples), f"{part}s")
    prepare = partial(encoder.prepare_image, part=part)
    vectors = embed_images(
        places, prepare, encoder.encode_images, job.params.batch, job.threads, progress
    )
    facts = {**encoder.facts, "input": part}
    tables.write_embeddings(job.output[0], samples, vectors.reshape(-1, loaded.dimension), facts)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
