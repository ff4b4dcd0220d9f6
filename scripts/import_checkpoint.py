"""A published self-supervised model, brought into the form of those that the workflow trains."""

from typing import TYPE_CHECKING, Any

from dejavu import tables
from dejavu.encoders import published
from dejavu.encoders.ssl import check_sides
from dejavu.job import job_log
from dejavu.training.weights import save

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Read the checkpoint once, and write its weights and architecture."""
    settings = job.params.model
    model, architecture = published.load(
        job.params.file, settings["format"], settings["backbone"], settings["network"]
    )
    check_sides(job.wildcards.model, model, settings["sides"])
    save(model, job.output.weights)
    tables.write_settings(job.output.settings, architecture, job.output.weights)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
