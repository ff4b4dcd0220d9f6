"""Verdicts of the tests of captions, with their checks: results/tables/vlm_checks.csv."""

from typing import Any

from dejavu.files.csv import read_csv, write_csv
from dejavu.job import run
from dejavu.report import verdict


def main(job: Any) -> None:
    """Judge every test."""
    params = job.params
    verdicts = verdict.vlm_verdicts(
        read_csv(job.input.scores[0], params.digest).to_dicts(),
        params.tests,
        params.headline,
        params.sources,
        params.smallest,
        read_csv(job.input.blind[0], params.digest).to_dicts() if job.input.blind else [],
    )
    write_csv(job.output[0], verdict.rows_of(verdicts), verdict.COLUMNS, params.digest)


run(main)
