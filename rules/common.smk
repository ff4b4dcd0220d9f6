"""Shared by the files of rules: config, code versions, lists of files. Standard library only."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

from dejavu import faults, plan, reruns, settings, splits

BASE = Path(workflow.basedir)
SCRIPTS = BASE / "scripts"
FAISS = "faiss-gpu" if sys.platform == "linux" and os.uname().machine == "x86_64" else "faiss-cpu"


# What turns a table into a figure.
DRAWING = ("altair", "vl-convert-python", "polars")


def complete_config(given):
    """Fill in the config's defaults and check it."""
    import yaml

    schema = yaml.safe_load((BASE / "rules/schemas/config.schema.yaml").read_text())
    completed = settings.complete(given, schema)
    settings.check(completed, BASE)
    return completed


def from_base(path):
    """A path of the config as seen from the working directory; absolute paths stay."""
    return path if os.path.isabs(path) else os.path.relpath(BASE / path)


def versions(*packages):
    """Installed versions of the packages that a rule's results depend on."""
    return {package: version(package) for package in packages}


def code_version(script):
    """Hash of what a script does."""
    return reruns.code_version(SCRIPTS, script)


def content_of(path):
    """What tells that a file or folder of the config has changed."""
    return reruns.content_of(BASE / path)


def listing_of(*paths):
    """What tells that folders of very many files have changed: names and sizes."""
    return reruns.listing_of(*(BASE / path for path in paths))


def size_mb(input):
    """Megabytes of a job's input; of many files, which are alike, an estimate by first and last.

    Asking each of them for its size would take longer than all else that is done before a run.
    """
    if len(input) <= 8:
        return input.size_mb
    return len(input) * (os.path.getsize(input[0]) + os.path.getsize(input[-1])) / 2e6


def megabytes(base, per_input=0.0):
    """Memory that grows with the input and, after a failure, with the attempt."""
    return lambda wildcards, input, attempt: int(
        (base + per_input * size_mb(input)) * 1.5 ** (attempt - 1)
    )


def megabytes_a_file(base, per_file):
    """Memory of a job that holds a few of its input files at a time, and they are much alike."""
    return lambda wildcards, input, attempt: int(
        (base + per_file * size_mb(input) / max(1, len(input))) * 1.5 ** (attempt - 1)
    )


def minutes(base, per_gigabyte=0.0):
    """Time that grows with the input and, after a failure, with the attempt."""
    return lambda wildcards, input, attempt: int(
        (base + per_gigabyte * size_mb(input) / 1000) * 2 ** (attempt - 1)
    )
