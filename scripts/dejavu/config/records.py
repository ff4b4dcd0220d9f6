"""Snakemake's records of what made each output: without its record it is taken for current.

Standard library only: the Snakefile imports it.
"""

import json
import os
import re
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from dejavu.errors import InputError

LONGEST_NAME = 255
# What jobs leave below the results that is no result.
ASIDE = ("logs", "benchmarks")
RECORDS, UNFINISHED = ".snakemake/metadata", ".snakemake/incomplete"
LIST = ".snakemake/unrecorded"
NAMED = re.compile(r"\(\?P<\w+>")


class Record(NamedTuple):
    """Of the job that made an output: the outputs that it read, its start and its end."""

    inputs: list[str]
    start: float
    end: float


class Records(NamedTuple):
    """The outputs that are there and, of these and all that they were made from, the records.

    None stands for a record that is missing, empty or damaged. Outputs that Snakemake has marked
    as unfinished, and makes again, are left out.
    """

    present: frozenset[str]
    of: Mapping[str, Record | None]

    def made_from(self, paths: Iterable[str]) -> list[str]:
        """Those of some outputs, and of all that was made from them, that are there, sorted."""
        makes = defaultdict(list)
        for path, record in self.of.items():
            for each in record.inputs if record else ():
                makes[each].append(path)
        waiting, found = list(paths), set()
        while waiting:
            path = waiting.pop()
            if path not in found:
                found.add(path)
                waiting += makes[path]
        return sorted(found & self.present)


def check(folder: Path, results: str, outputs: Iterable[str]) -> None:
    """See to it that Snakemake takes for current what is current, and nothing else.

    After a failed job its outputs are gone and its record is new, and Snakemake makes them again
    only where something else asks for it: what was made from the earlier ones is marked as
    unfinished, so that it is made again.

    Args:
        folder: of the run.
        results: the folder of the results, relative to it.
        outputs: regular expressions of the whole paths, relative to it, that rules make.

    Raises:
        InputError: a record is missing, empty or damaged, of a file or of one that it was made
            from. All that has to be made anew then is listed in a file.
    """
    records = read(folder, results, outputs)
    found = unrecorded(records)
    for path in overtaken(records):
        mark = folder / UNFINISHED / name_of(path)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text('{"external_jobid": null}', encoding="utf-8")
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


def unrecorded(records: Records) -> list[str]:
    """The outputs that lack a record, or were made from some that do, sorted.

    An output that was deleted since counts as long as its record is there: nothing is made again
    because of it.
    """
    return records.made_from([path for path, record in records.of.items() if record is None])


def overtaken(records: Records) -> list[str]:
    """The outputs made from some that are gone and that a later job was to make anew, sorted."""
    found = []
    for path, record in records.of.items():
        if record is None:
            continue
        gone = [records.of.get(each) for each in record.inputs if each not in records.present]
        if any(each is not None and each.start > record.end for each in gone):
            found.append(path)
    return records.made_from(found)


def read(folder: Path, results: str, outputs: Iterable[str]) -> Records:
    """Read the records of all outputs below the results; the arguments are those of `check`."""
    # A name can't stand for groups of several patterns.
    patterns = [NAMED.sub("(?:", each) for each in outputs]
    is_output = cache(re.compile("|".join(f"(?:{each})" for each in patterns)).match)
    unfinished = _unfinished(folder / UNFINISHED)
    present = frozenset(path for path in _files(folder, results) if is_output(path))
    found: dict[str, Record | None] = {}
    known, waiting = set(present), list(present)
    while waiting:
        path = waiting.pop()
        name = name_of(path)
        if name in unfinished:
            continue
        record = _read(f"{folder}/{RECORDS}/{name}")
        if record is not None:
            record = record._replace(inputs=[each for each in record.inputs if is_output(each)])
            waiting += set(record.inputs) - known
            known.update(record.inputs)
        found[path] = record
    return Records(present, found)


def _files(folder: Path, results: str) -> Iterator[str]:
    """Paths, relative to the folder, of all files below the results that may be outputs."""
    for place, folders, names in os.walk(folder / results):
        relative = os.path.relpath(place, folder)
        if relative == results:
            folders[:] = [name for name in folders if name not in ASIDE]
        yield from (f"{relative}/{name}" for name in names)


def _read(path: str) -> Record | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            told = json.load(file)
        # Parameters that are not recorded are not compared.
        if not isinstance(told["params"], list):
            return None
        return Record(list(told["input"]), float(told["starttime"]), float(told["endtime"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def name_of(path: str) -> str:
    """The name of an output among records; Snakemake cuts a long one into folders."""
    name, step = urlsafe_b64encode(path.encode()).decode(), LONGEST_NAME - 1
    *folders, last = [name[start : start + step] for start in range(0, len(name), step)]
    return "".join(f"@{each}/" for each in folders) + last


def _unfinished(marks: Path) -> set[str]:
    """The names of outputs that Snakemake has marked as unfinished."""
    return {
        os.path.relpath(f"{place}/{name}", marks)
        for place, _, names in os.walk(marks)
        for name in names
    }
