"""A CLIP model trained from scratch on one set."""

from typing import Any

import polars as pl

from dejavu.encoders.device import prepare_torch
from dejavu.files.csvw import write_frames
from dejavu.job import run
from dejavu.samples import fractions
from dejavu.training import clip, loop


def main(job: Any) -> None:
    """Train the model, or go on from its checkpoint."""
    device = prepare_torch(threads=1)
    settings, seed = job.params.model, job.params.seed
    taken = job.params.taken
    images, captions = fractions.read_pairs(
        job.input.records, taken["train_fraction"], job.input.extra, taken["extra"]
    )
    fractions.check_batch("The model", taken["train_fraction"], len(images), settings["batch"])
    model = clip.build(settings["model_cfg"], seed)
    checkpoint = loop.checkpoint_of(job)
    with checkpoint.held():
        history = clip.train(
            model,
            images,
            captions,
            preprocessing=settings["preprocess_cfg"],
            settings=settings,
            seed=seed,
            checkpoint=checkpoint,
            device=device,
        )
        write_frames(job.output.history, [pl.DataFrame(history)], None)
        clip.save(
            model,
            settings["model_cfg"],
            settings["preprocess_cfg"],
            weights_path=job.output.weights,
            config_path=job.output.config,
        )


run(main)
