"""Labels that a classifier gives to a set's background crops."""

from typing import TYPE_CHECKING, Any

from dejavu import predictions, tables
from dejavu.encoders import prepare_torch
from dejavu.job import job_log
from dejavu.training import classifier

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Classify the crops of every shard."""
    device = prepare_torch(job.params.threads)
    model, settings = classifier.load(job.input.weights, job.input.settings, device)
    found = []
    for path in job.input.records:
        crops = tables.read_crops([path])
        probabilities = classifier.probabilities(model, settings, crops, job.params.batch, device)
        judged = predictions.from_probabilities(probabilities)
        found.append(tables.predictions_table(crops, judged, settings["labels"]))
    tables.write_predictions(job.output[0], found)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
