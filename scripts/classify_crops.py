"""Labels that a classifier gives to a set's background crops."""

from typing import Any

from dejavu.encoders.device import prepare_torch
from dejavu.files.weights import weights_fingerprint
from dejavu.job import run
from dejavu.predictions import label_votes
from dejavu.predictions.files import predictions_table, write_predictions
from dejavu.samples.images import read_crops
from dejavu.training import classifier


def main(job: Any) -> None:
    """Classify the crops of every shard."""
    device = prepare_torch(job.params.threads)
    model, settings = classifier.load(job.input.weights, job.input.settings, device)
    labels, preprocessing = settings["labels"], job.params.preprocessing
    found = []
    for path in job.input.records:
        crops = read_crops([path])
        probabilities = classifier.probabilities(
            model, len(labels), crops, preprocessing, job.params.batch, device
        )
        judged = label_votes.from_probabilities(probabilities)
        found.append(predictions_table(crops, judged, labels))
    fingerprint = weights_fingerprint(job.input.weights, preprocessing)
    write_predictions(job.output[0], found, job.wildcards.model, fingerprint)


run(main)
