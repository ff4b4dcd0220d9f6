"""Verdicts of the tests of image models, with their checks: results/tables/vision_checks.csv."""

from typing import Any

from dejavu.files.csv import read_csv, write_csv
from dejavu.job import run
from dejavu.report import verdict


def main(job: Any) -> None:
    """Judge every test."""
    params = job.params
    verdicts = verdict.vision_verdicts(
        read_csv(job.input.scores[0], params.digest).to_dicts(),
        params.sources,
        params.smallest,
        read_csv(job.input.blind[0], params.digest).to_dicts() if job.input.blind else [],
    )
    write_csv(job.output[0], verdict.rows_of(verdicts), verdict.COLUMNS, params.digest)


run(main)
