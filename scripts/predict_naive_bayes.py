"""Labels that Naive Bayes gives to a set's background crops, from their tags."""

from typing import TYPE_CHECKING, Any

from dejavu import naive_bayes, predictions, tables
from dejavu.job import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Fit on one set's crops, predict another's."""
    fitted_on = tables.read_crops(job.input.fitted_on, ["tags"], needed_by="Naive Bayes")
    model = naive_bayes.fit(
        fitted_on["tags"], fitted_on["label"].to_list(), int(job.wildcards.tags)
    )
    crops = tables.read_crops(job.input.samples, ["tags"])
    judged = predictions.from_probabilities(model.posterior(crops["tags"]))
    tables.write_predictions(
        job.output[0], [tables.predictions_table(crops, judged, model.classes)]
    )


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
