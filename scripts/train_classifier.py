"""A classifier from background crops to labels, trained from scratch on one set."""

from typing import Any

import polars as pl

from dejavu.encoders.device import prepare_torch
from dejavu.files.csvw import write_frames
from dejavu.files.weights import write_settings
from dejavu.job import run
from dejavu.samples import fractions
from dejavu.samples.images import read_crops
from dejavu.training import classifier, loop
from dejavu.training.weights import save


def main(job: Any) -> None:
    """Train the classifier, or go on from its checkpoint."""
    device = prepare_torch(threads=1)
    settings, seed = job.params.model, job.params.seed
    crops = read_crops(job.input.records, needed_by=f"the classifier {job.wildcards.model}")
    labels, fraction = crops["label"].to_list(), job.params.taken["train_fraction"]
    fractions.check_classes("The model", fraction, labels)
    crops = crops.filter(fractions.first_of_classes(labels, fraction))
    fractions.check_batch("The model", fraction, len(crops), settings["batch"])
    checkpoint = loop.checkpoint_of(job)
    with checkpoint.held():
        model, labels, history = classifier.train(settings, crops, seed, checkpoint, device)
        write_frames(job.output.history, [pl.DataFrame(history)], None)
        save(model, job.output.weights)
        write_settings(job.output.settings, {**settings, "labels": labels}, job.output.weights)


run(main)
