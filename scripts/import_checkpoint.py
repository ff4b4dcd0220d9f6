"""A published self-supervised model, brought into the form of those that the workflow trains."""

from typing import Any

from dejavu.encoders import published
from dejavu.encoders.ssl import check_sides
from dejavu.files.weights import write_settings
from dejavu.job import run
from dejavu.training.weights import save


def main(job: Any) -> None:
    """Read the checkpoint once, and write its weights and architecture."""
    settings = job.params.model
    model, architecture = published.load(
        job.params.file,
        settings["format"],
        settings["backbone"],
        settings["network"],
        settings["state_key"],
        settings["prefix"],
    )
    check_sides(job.wildcards.model, model, settings["sides"])
    save(model, job.output.weights)
    write_settings(job.output.settings, architecture, job.output.weights)


run(main)
