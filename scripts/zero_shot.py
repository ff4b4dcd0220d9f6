"""Zero-shot classification: how well a vision-language model tells the classes of images."""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from dejavu import classes, provenance, tables
from dejavu.encoders import downloads_allowed, prepare_torch
from dejavu.errors import InputError
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Count the images whose class's vector is the nearest, shard by shard."""
    params = job.params
    encoder = loaded(job)
    prompts = classes.class_vectors(encoder.encode_texts, list(params.classes), params.templates)
    right, images = 0, np.zeros(len(prompts), dtype=np.int64)
    for path, samples in zip(job.input.embeddings, job.input.samples, strict=True):
        shard = tables.read_embeddings(path)
        provenance.check_same_model(encoder.facts, "results/vlm/models", shard.metadata, path)
        objects = pl.Series("objects", tables.read_parquet(samples, ["objects"])["objects"])
        truth = classes.true_classes(objects, params.classes)
        shown = truth != classes.NONE
        scores = shard.vectors[shown].astype(np.float64) @ prompts.T
        right += int((scores.argmax(axis=1) == truth[shown]).sum())
        images += np.bincount(truth[shown], minlength=len(prompts))
    if not images.all():
        missing = list(params.classes)[int(images.argmin())]
        raise InputError(
            f"Config key vlm.utility.classes: no public image is of the class {missing!r} alone:"
            " correct its labels, or leave it out."
        )
    fact = {"model": params.name, "task": "zero_shot"}
    tables.write_json(job.output[0], {**fact, "right": right, "images": int(images.sum())})


def loaded(job: Any) -> Any:
    """The model, by the library that it is of."""
    place = job.wildcards.model, job.params.model, prepare_torch(job.params.threads)
    if job.params.kind == "transformers":
        from dejavu.encoders import transformers

        return transformers.load(*place, downloads_allowed())
    from dejavu.encoders import clip

    return clip.load(*place, downloads_allowed())


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
