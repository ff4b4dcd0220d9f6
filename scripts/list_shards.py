"""The shards of a folder, with sizes and hashes: one input for jobs that read all of them."""

from typing import Any

from dejavu.files.lists import write_list
from dejavu.job import run


def main(job: Any) -> None:
    """List the shards in their order."""
    write_list(job.output[0], job.input)


run(main)
