"""Zero-shot classification: how well a vision-language model tells the classes of images."""

from typing import Any

import numpy as np
import polars as pl

from dejavu.audits import utility
from dejavu.encoders.device import prepare_torch
from dejavu.encoders.hub import downloads_allowed
from dejavu.errors import InputError
from dejavu.files import fingerprints
from dejavu.files.embeddings import read_embeddings
from dejavu.files.facts import write_json
from dejavu.files.parquet import read_parquet
from dejavu.job import run


def main(job: Any) -> None:
    """Count the images whose class's vector is the nearest, shard by shard."""
    params = job.params
    encoder = loaded(job)
    prompts = utility.class_vectors(encoder.encode_texts, list(params.classes), params.templates)
    right, images = 0, np.zeros(len(prompts), dtype=np.int64)
    for path, samples in zip(job.input.embeddings, job.input.samples, strict=True):
        shard = read_embeddings(path)
        fingerprints.check_same_model(encoder.facts, "results/vlm/models", shard.metadata, path)
        objects = pl.Series("objects", read_parquet(samples, ["objects"])["objects"])
        truth = utility.true_classes(objects, params.classes)
        shown = truth != utility.NONE
        scores = shard.vectors[shown].astype(np.float64) @ prompts.T
        right += int((scores.argmax(axis=1) == truth[shown]).sum())
        images += np.bincount(truth[shown], minlength=len(prompts))
    if not images.all():
        missing = list(params.classes)[int(images.argmin())]
        raise InputError(
            f"Config key vlm.utility.classes: no public image is of the class {missing!r} alone:"
            " correct its labels, or leave it out."
        )
    fact = {"domain": "vlm", "model": params.name, "task": "zero_shot"}
    write_json(job.output[0], {**fact, "right": right, "images": int(images.sum())})


def loaded(job: Any) -> Any:
    """The model, by the library that it is of."""
    place = job.wildcards.model, job.params.model, prepare_torch(job.params.threads)
    if job.params.loader == "transformers":
        from dejavu.encoders import transformers

        return transformers.load(*place, downloads_allowed())
    from dejavu.encoders import clip

    return clip.load(*place, downloads_allowed())


run(main)
