"""Verdicts of the tests of captions, with their checks: results/tables/vlm_checks.csv."""

from typing import Any

from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.report import verdict
from dejavu.report.tables import read_csv


def main(job: Any) -> None:
    """Judge every test."""
    params = job.params
    verdicts = verdict.vlm_verdicts(
        read_csv(job.input.scores).to_dicts(),
        params.tests,
        params.headline,
        params.sources,
        params.smallest,
        [row for path in job.input.blind for row in read_csv(path).to_dicts()],
    )
    write_csv(job.output[0], verdict.rows_of(verdicts), verdict.COLUMNS)


run(main)
