"""Faults that no job can tell of: a folder that takes no files, jobs that were killed.

Standard library only: the Snakefile imports it.
"""

import os
import re
from pathlib import Path

from dejavu.errors import InputError

# How Snakemake tells of a job's end: a signal of a process or of its shell, or SLURM's state.
KILLED = re.compile(r"died with <Signals\.SIGKILL|exit status 137\b|OUT_OF_MEMORY")
FAILED = re.compile(r"Error in rule (?P<rule>\w+):")
LOG = re.compile(r"\s+log: (?P<path>[^\s,]+)")


def check_folder(folder: str | Path) -> None:
    """Stop if a run could write nothing into its folder or the results, or if they lost content.

    Raises:
        InputError: the folder is read-only, belongs to somebody else, or its disk is full; or a
            table or figure, which no later job may read, is an empty file.
    """
    for place in (Path(folder), Path(folder) / "results"):
        if not place.exists():
            continue
        if not os.access(place, os.W_OK | os.X_OK):
            raise InputError(
                f"The folder {place.resolve()} can't be written to: make it writable (it may belong"
                " to another user, or lie on a disk that is mounted read-only), or run elsewhere"
                " with --directory."
            )
        if os.statvfs(place).f_bavail == 0:
            raise InputError(
                f"The disk of {place.resolve()} is full: free some space and run again; what is"
                " finished is kept."
            )
    for kind in ("tables", "figures"):
        for path in sorted((Path(folder) / "results" / kind).glob("*.*")):
            if path.stat().st_size == 0 and not path.name.startswith("."):
                raise InputError(
                    f"{path} is empty, and was not when it was made: delete it and run again, it"
                    " will be made anew."
                )


def killed_jobs(log: str) -> list[str]:
    """A sentence for each job that the system killed, by what Snakemake's log says."""
    sentences = {}
    killed, rule = False, ""
    for line in log.splitlines():
        failed = FAILED.match(line)
        if failed:
            rule = failed["rule"]
        elif not line.strip():
            rule = ""
        killed |= KILLED.search(line) is not None
        path = LOG.match(line)
        if rule and path and killed:
            sentences[path["path"]] = (
                f"A job of the rule {rule} ({path['path']}) was killed, most likely because memory"
                " ran out: run fewer jobs side by side (--resources mem_mb=N, N being the"
                f" megabytes there are, or fewer --cores) or give it more (--set-resources"
                f" {rule}:mem_mb=N), and run again; what is finished is kept."
            )
            killed = False
    return list(sentences.values())
