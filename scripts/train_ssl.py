"""A self-supervised image model trained from scratch on one training set."""

from contextlib import nullcontext
from typing import Any

import polars as pl

from dejavu.encoders.device import prepare_torch
from dejavu.files.csvw import write_frames
from dejavu.files.weights import write_settings
from dejavu.job import run
from dejavu.samples import fractions
from dejavu.training import loop, processes, ssl
from dejavu.training.weights import save


def main(job: Any) -> None:
    """Train the model on all GPUs that the job has, or go on from its checkpoint."""
    device = prepare_torch(threads=1)
    settings, seed = job.params.model, job.params.seed
    taken = job.params.taken
    images, labels = fractions.read_images(
        job.input.records, taken["train_fraction"], job.input.extra, taken.get("extra")
    )
    fractions.check_batch("The model", taken["train_fraction"], len(images), settings["batch"])
    if settings["method"] == "supervised":
        settings = {**settings, "labels": sorted(set(labels))}
    else:
        labels = []
    checkpoint = loop.checkpoint_of(job)
    with checkpoint.held() if processes.is_first() else nullcontext():
        team = processes.on_all_gpus(min(settings["batch"], len(images)))
        model, history = ssl.train(settings, images, seed, checkpoint, device, team, labels)
        if not team.leads:
            return
        write_frames(job.output.history, [pl.DataFrame(history)], None)
        save(model, job.output.weights)
        write_settings(job.output.settings, settings, job.output.weights)


run(main)
