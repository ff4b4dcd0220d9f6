"""Snakemake's records of what made each output: without its record it is taken for current.

Standard library only: the Snakefile imports it.
"""

import json
import os
import re
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from dejavu.errors import InputError

LONGEST_NAME = 255
# What jobs leave below results/ that is no result.
ASIDE = ("logs", "benchmarks")
LIST = ".snakemake/unrecorded"
NAMED = re.compile(r"\(\?P<\w+>")


def check(folder: Path, outputs: Iterable[str]) -> None:
    """Stop where Snakemake could not tell that a config's edit concerns what is there.

    Args:
        folder: of the run.
        outputs: regular expressions of the whole paths, relative to it, that rules make.

    Raises:
        InputError: a record is missing, empty or damaged, of a file or of one that it was made
            from. All that has to be made anew then is listed in a file.
    """
    found = unrecorded(folder, outputs)
    if not found:
        return
    with suppress(OSError):
        (folder / LIST).parent.mkdir(exist_ok=True)
        (folder / LIST).write_text("".join(f"{path}\n" for path in found), encoding="utf-8")
    raise InputError(
        f"Of {found[0]}{f' and {len(found) - 1} other files' if found[1:] else ''} no record tells"
        " what made them, or what they were made from, so that they would be taken for current"
        " whatever the config says: copy the folder .snakemake along with the results, or delete"
        f" these files (`xargs rm < {LIST}`) and run again, they will be made anew."
    )


def unrecorded(folder: Path, outputs: Iterable[str]) -> list[str]:
    """The outputs below results/ that lack a record, or were made from some that do, sorted.

    An output that was deleted since counts as long as its record is there: nothing is made again
    because of it. One that Snakemake has marked as unfinished does not: it is made again.
    """
    # A name can't stand for groups of several patterns.
    patterns = [NAMED.sub("(?:", each) for each in outputs]
    is_output = cache(re.compile("|".join(f"(?:{each})" for each in patterns)).match)
    records, unfinished = f"{folder}/.snakemake/metadata", _unfinished(folder)
    present = [path for path in _files(folder) if is_output(path)]
    made_of: dict[str, list[str]] = {}
    lacking, waiting = [], list(present)
    while waiting:
        path = waiting.pop()
        if path in made_of:
            continue
        name = _name(path)
        inputs = [] if name in unfinished else _inputs(f"{records}/{name}")
        if inputs is None:
            lacking.append(path)
        made_of[path] = [each for each in inputs or () if is_output(each)]
        waiting += made_of[path]
    if not lacking:
        return []
    makes = defaultdict(list)
    for path, inputs in made_of.items():
        for each in inputs:
            makes[each].append(path)
    doubtful: set[str] = set()
    while lacking:
        path = lacking.pop()
        if path not in doubtful:
            doubtful.add(path)
            lacking += makes[path]
    return sorted(doubtful.intersection(present))


def _files(folder: Path) -> Iterator[str]:
    """Paths, relative to the folder, of all files below results/ that may be outputs."""
    for place, folders, names in os.walk(folder / "results"):
        relative = os.path.relpath(place, folder)
        if relative == "results":
            folders[:] = [name for name in folders if name not in ASIDE]
        yield from (f"{relative}/{name}" for name in names)


def _inputs(record: str) -> list[str] | None:
    """The input of the job that made a file, by its record; None where there is no whole one."""
    try:
        with open(record, "rb") as file:  # noqa: PTH123
            told = json.load(file)
        # Parameters that are not recorded are not compared.
        return told["input"] if isinstance(told["params"], list) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _name(path: str) -> str:
    """The name of an output among records; Snakemake cuts a long one into folders."""
    name, step = urlsafe_b64encode(path.encode()).decode(), LONGEST_NAME - 1
    *folders, last = [name[start : start + step] for start in range(0, len(name), step)]
    return "".join(f"@{each}/" for each in folders) + last


def _unfinished(folder: Path) -> set[str]:
    """The names of outputs that Snakemake has marked as unfinished."""
    marks = folder / ".snakemake/incomplete"
    return {
        os.path.relpath(f"{place}/{name}", marks)
        for place, _, names in os.walk(marks)
        for name in names
    }
