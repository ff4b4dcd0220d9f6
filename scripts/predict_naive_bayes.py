"""Labels that Naive Bayes gives to a set's background crops, from their tags."""

from typing import Any

from dejavu.files.fingerprints import fingerprint
from dejavu.job import run
from dejavu.predictions import label_votes, naive_bayes
from dejavu.predictions.files import predictions_table, write_predictions
from dejavu.samples.images import read_crops


def main(job: Any) -> None:
    """Fit on one set's crops, predict another's."""
    fitted_on = read_crops(job.input.fitted_on, ["tags"], needed_by="Naive Bayes")
    model = naive_bayes.fit(
        fitted_on["tags"], fitted_on["label"].to_list(), int(job.wildcards.tags)
    )
    crops = read_crops(job.input.samples, ["tags"])
    judged = label_votes.from_probabilities(model.posterior(crops["tags"]))
    answers = [predictions_table(crops, judged, model.classes)]
    fitted = model.model
    weights = {"prior": fitted.class_log_prior_, "tags": fitted.feature_log_prob_}
    settings = {"tags": model.vocabulary.to_list(), "classes": model.classes}
    name = f"naive_bayes@{job.wildcards.tags}"
    write_predictions(job.output[0], answers, name, fingerprint(weights.items(), settings))


run(main)
