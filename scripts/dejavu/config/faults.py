"""Faults that no job can tell of: a folder that takes no files, edited tables, killed jobs.

Standard library only: the Snakefile imports it.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from dejavu.errors import InputError

# How Snakemake tells of a job's end: a signal of a process or of its shell, or SLURM's state.
KILLED = re.compile(r"died with <Signals\.SIGKILL|exit status 137\b|OUT_OF_MEMORY")
FAILED = re.compile(r"Error in rule (?P<rule>\w+):")
LOG = re.compile(r"\s+log: (?P<path>[^\s,]+)")
TOUCH = "--touch"
# What looks after a folder and plans nothing in it.
TENDING = {
    *("--cleanup-metadata", "--delete-all-output", "--delete-temp-output", "--lint", "--list"),
    *("--list-rules", "--list-target-rules", "--summary", "-S", "--detailed-summary", "-D"),
    "--unlock",
}


def check_folder(folder: str | Path) -> None:
    """Stop if a run could write nothing into its folder or the results, or if they lost content.

    Raises:
        InputError: the folder is read-only, belongs to somebody else, or its disk is full; or a
            table, which no later job may read, is an empty file.
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


def check_core(scripts: Path) -> None:
    """Stop if jobs would run an installed core, and rules hash this one.

    Snakemake puts the folder of a script behind all else that Python looks through.

    Raises:
        InputError: the environment has a package `dejavu`.
    """
    own = scripts.resolve(), Path.cwd()
    found = PathFinder.find_spec("dejavu", [at for at in sys.path if Path(at).resolve() not in own])
    if found is not None and found.origin is not None:
        raise InputError(
            f"Jobs would run {Path(found.origin).parent}, which is installed here, and not"
            f" {scripts / 'dejavu'}: uninstall it from the workflow's environment (pip uninstall"
            " dejavu-memorization, or whatever package it is of), or take it out of PYTHONPATH."
        )


def check_options(arguments: Sequence[str]) -> None:
    """Stop if Snakemake was told to record that this config made what is there.

    Raises:
        InputError: `--touch` is given, by which other configs' results would be taken for current.
    """
    if any(each == "-t" or (len(each) > 4 and TOUCH.startswith(each)) for each in arguments):
        raise InputError(
            f"{TOUCH} would have the results taken for current, whatever config made them: leave it"
            " out; where times were lost in copying, copy again and keep them (cp -a, rsync -a)."
        )


def only_tends(arguments: Sequence[str]) -> bool:
    """Whether Snakemake was asked for something that takes no result for current."""
    return not TENDING.isdisjoint(arguments)


def check_tables(folder: str | Path) -> None:
    """Stop if somebody edited a table, which would be lost where it is made anew.

    Raises:
        InputError: a table is not the one that its description tells of, or is empty.
    """
    results = Path(folder) / "results"
    for path in sorted([*results.glob("tables/*.csv"), *results.glob("*/models/*/training.csv")]):
        if path.stat().st_size == 0:
            raise InputError(
                f"{path} is empty, and was not when it was made: delete it and run again, it"
                " will be made anew."
            )
        try:
            described = Path(f"{path}-metadata.json").read_text(encoding="utf-8")
            written = json.loads(described)["notes"][0]["sha256"]
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            # A description that is gone or damaged tells of no edit; the jobs that need it tell.
            continue
        with path.open("rb") as file:
            is_edited = hashlib.file_digest(file, "sha256").hexdigest() != written
        if is_edited:
            raise InputError(
                f"{path} was edited, or damaged, since it was made: move your copy away, or delete"
                " it, and run again; it will be made anew, and nothing of yours is overwritten."
            )


def emptied_figures(folder: str | Path) -> list[str]:
    """A sentence for each figure that is an empty file; no job may ever read it."""
    figures = sorted((Path(folder) / "results/figures").glob("[!.]*"))
    return [
        f"{path} is empty, and was not when it was made: delete it and run again, it will be made"
        " anew."
        for path in figures
        if path.stat().st_size == 0
    ]


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
