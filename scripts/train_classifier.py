"""A classifier from background crops to labels, trained from scratch on one set."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import tables
from dejavu.encoders import prepare_torch
from dejavu.job import discard, job_log, whole_file
from dejavu.training import classifier
from dejavu.training.weights import save

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Train the classifier, or go on from its checkpoint."""
    device = prepare_torch(threads=1)
    settings, seed = job.params.model, job.params.seed
    crops = tables.read_crops(job.input.records, needed_by=f"the classifier {job.wildcards.model}")
    checkpoint = Path(job.output.weights).with_name("checkpoint.pt")
    model, labels, history = classifier.train(settings, crops, seed, checkpoint, device)
    with whole_file(job.output.history) as partial:
        pl.DataFrame(history).write_csv(partial)
    save(model, job.output.weights)
    tables.write_settings(job.output.settings, {**settings, "labels": labels}, job.output.weights)
    discard(checkpoint)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
