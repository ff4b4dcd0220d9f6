"""Verdicts of the tests of image models, with their checks: results/tables/vision_checks.csv."""

from typing import Any

from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.report import verdict
from dejavu.report.tables import read_csv


def main(job: Any) -> None:
    """Judge every test."""
    params = job.params
    verdicts = verdict.vision_verdicts(
        read_csv(job.input.scores).to_dicts(),
        params.sources,
        params.smallest,
        [row for path in job.input.blind for row in read_csv(path).to_dicts()],
    )
    write_csv(job.output[0], verdict.rows_of(verdicts), verdict.COLUMNS)


run(main)
