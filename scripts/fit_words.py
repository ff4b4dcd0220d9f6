"""Visual words, fitted to the background crops of one set."""

from typing import Any

import faiss

from dejavu.job import run
from dejavu.labels import visual_words
from dejavu.samples.images import read_crops
from dejavu.sources.images import crop_pixels


def main(job: Any) -> None:
    """Cut the crops out and cluster their patches."""
    crops = read_crops(job.input, needed_by="the vocabulary of visual words")
    pixels = crop_pixels(crops["image"], crops["crop"], job.params.tags["side"])
    faiss.omp_set_num_threads(job.threads)
    visual_words.fit(pixels, job.params.tags, job.params.seed).save(job.output[0])


run(main)
