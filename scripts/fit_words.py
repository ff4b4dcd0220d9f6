"""Visual words, fitted to the background crops of one set."""

from typing import TYPE_CHECKING, Any

import faiss

from dejavu import tables, visual_words
from dejavu.job import job_log
from dejavu.sources.images import crop_pixels

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Cut the crops out and cluster their patches."""
    crops = tables.read_crops(job.input, needed_by="the vocabulary of visual words")
    pixels = crop_pixels(crops["image"], crops["crop"], job.params.tags["side"])
    faiss.omp_set_num_threads(job.threads)
    visual_words.fit(pixels, job.params.tags, job.params.seed).save(job.output[0])


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
