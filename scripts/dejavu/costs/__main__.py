"""Before a run: jobs, hours, memory and disk, from finished runs of smaller sizes, the pilots.

    PYTHONPATH=scripts python -m dejavu.costs runs/small runs/smaller --configfile full.yaml
    PYTHONPATH=scripts python -m dejavu.costs runs/small --configfile full.yaml --cores 32 --gpus 2

A pilot is a folder whose run has finished, with the same models and other numbers of samples. Two
sizes tell what every job takes from what every sample takes. With --time-encoders, models that no
pilot had embed samples of one first.
"""

import argparse
import csv
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dejavu.config import reading, sweeps
from dejavu.config.domains import DOMAINS
from dejavu.config.plan import models_in_tests
from dejavu.costs import configs, fits, jobs, pilots, timing
from dejavu.costs.fits import Fit
from dejavu.costs.jobs import Job, Sizes
from dejavu.errors import InputError

NOWHERE, PILOT, TIMED = "no pilot", "pilot", "timed"
ONE_SIZE = ", one size"
# Where the numbers of a job come from, the worst first.
SOURCES = (NOWHERE, TIMED + ONE_SIZE, PILOT + ONE_SIZE, TIMED, PILOT)
QUANTITIES = ("cpu", "seconds", "megabytes", "bytes")
# Of the hours or the disk, what a rule must have for a line of its own.
SHOWN = 0.01
COLUMNS = ("rule", "jobs", "hours", "longest_minutes", "peak_mb", "disk_gb", "beyond", "source")


@dataclass(frozen=True)
class Cost:
    """What a job is expected to take; nothing where no pilot tells."""

    job: Job
    source: str
    hours: float = 0.0
    megabytes: float = 0.0
    bytes: float = 0.0
    beyond: float = 0.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the plan of a config.

    Raises:
        SystemExit: with a sentence that says what is missing or wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m dejavu.costs", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("pilots", nargs="+", type=Path, help="folders of finished runs")
    parser.add_argument(
        "--configfile",
        nargs="+",
        required=True,
        help="of the run that is planned; several are merged, as Snakemake does",
    )
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="default: all there are")
    parser.add_argument(
        "--gpus", type=int, default=0, help="GPUs; the pilots ran with profiles/gpu"
    )
    parser.add_argument(
        "--time-encoders",
        action="store_true",
        help="embed samples of the largest pilot with models that no pilot had",
    )
    parser.add_argument("--targets", nargs="+", default=[], help="files to plan; default: all")
    parser.add_argument("--csv", type=Path, help="write the table of all rules to this file")
    asked = parser.parse_args(arguments)
    if asked.cores < 1 or asked.gpus < 0:
        parser.error("there is at least one core, and no less than no GPU")
    on_gpu = gpu_rules() if asked.gpus else frozenset()
    try:
        config = configs.completed(*asked.configfile)
        found = costs(
            asked.pilots,
            config,
            asked.configfile,
            asked.targets,
            on_gpu,
            time_encoders=asked.time_encoders,
        )
    except InputError as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        sys.exit("Error: interrupted before the plan was made; the pilots are as they were.")
    rows = by_rule(found)
    if asked.csv:
        write(asked.csv, rows)
    for line in told(rows, found, asked.cores, asked.gpus, on_gpu):
        print(line)
    for line in of_sweeps(found, config):
        print(line)


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of all rules as CSV."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(rows)
    except OSError as error:
        sys.exit(f"Error: {path} can't be written ({error.strerror}): name another file.")


def gpu_rules() -> frozenset[str]:
    """The rules that the profile of workstations gives a GPU."""
    profile = reading.load(configs.BASE / "profiles/gpu/config.yaml")
    return frozenset(rule for rule, given in profile["set-resources"].items() if "gpu" in given)


def tell(line: str) -> None:
    """Say what is being done, beside the plan."""
    print(line, file=sys.stderr, flush=True)


def costs(
    folders: Sequence[Path],
    config: Mapping[str, Any],
    paths: Sequence[str | Path],
    targets: Sequence[str],
    on_gpu: frozenset[str],
    *,
    time_encoders: bool = False,
) -> list[Cost]:
    """What each job of a config is expected to take.

    Args:
        folders: of finished runs.
        config: completed, of the run that is planned.
        paths: of its files.
        targets: what is to be made; all, where there are none.
        on_gpu: rules whose time is a GPU's, and so not their CPU seconds.
        time_encoders: whether models that no pilot had embed samples of one first.

    Raises:
        InputError: a pilot is not finished, or lacks a source or a set; a model can't be timed.
    """
    found = []
    for folder in folders:
        tell(f"Reading {folder} …")
        found.append(pilots.read(folder))
    seen: dict[tuple[str, ...], list[dict[str, float]]] = {}
    for pilot in found:
        for key, took in pilots.records(pilot, pilot.folder, pilot.jobs, pilot.config):
            seen.setdefault(key, []).append(took)
    largest = pilots.largest(found)
    sizes = jobs.expected(
        config,
        {domain: pilot.config[domain] for domain, pilot in largest.items()},
        {domain: pilot.sizes[domain] for domain, pilot in largest.items()},
    )
    tell(f"Planning {', '.join(map(str, paths))} …")
    planned = jobs.read(jobs.dry_run(paths, targets))
    timed: dict[tuple[str, ...], list[dict[str, float]]] = {}
    for domain, pilot in largest.items() if time_encoders else ():
        asked = timing.untimed(planned, config, domain, seen)
        if asked:
            names = sorted({job.wildcards["model"] for job in asked})
            tell(f"Timing {', '.join(names)} on samples of {pilot.folder} …")
            for key, took in timing.timed(pilot, domain, config, asked, with_gpu=bool(on_gpu)):
                timed.setdefault(key, []).append(took)
    fitted = {key: fits_of(records) for key, records in (seen | timed).items()}
    return [cost(job, fitted, timed.keys(), sizes, config, job.rule in on_gpu) for job in planned]


# What each quantity grows with.
GROWS_WITH = {"cpu": "work", "seconds": "work", "megabytes": "held", "bytes": "stored"}


def fits_of(records: Sequence[Mapping[str, float]]) -> dict[str, Fit]:
    """The fit of each quantity to jobs that are alike."""
    return {
        name: fits.fit(
            [each[GROWS_WITH[name]] for each in records],
            [each[name] for each in records],
            fits.LEAST[name],
        )
        for name in QUANTITIES
    }


def cost(
    job: Job,
    fitted: Mapping[tuple[str, ...], Mapping[str, Fit]],
    timed: Collection[tuple[str, ...]],
    sizes: Mapping[str, Sizes],
    config: Mapping[str, Any],
    is_on_gpu: bool,
) -> Cost:
    """What a job is expected to take, from the pilots' jobs that are most like it."""
    keys = [key for key in jobs.alike(job, config) if key in fitted]
    if not keys:
        return Cost(job, NOWHERE)
    known = [fitted[key] for key in keys]
    asked = jobs.works(job, sizes, config)
    time = _first_told([each["seconds" if is_on_gpu else "cpu"] for each in known])
    memory, disk = (_first_told([each[name] for each in known]) for name in QUANTITIES[2:])
    return Cost(
        job,
        (TIMED if keys[0] in timed else PILOT) + ("" if time.is_told else ONE_SIZE),
        time.at(asked["work"]) / 3600,
        # What imports take is most of it: of one size, no growth is told, and none is taken.
        memory.at(asked["held"] if memory.is_told else memory.most),
        disk.at(asked["stored"]),
        asked["work"] / time.most if time.most else 1.0,
    )


def _first_told(several: Sequence[Fit]) -> Fit:
    """Of fits to jobs less and less alike the first that knows sizes apart, or else the first."""
    return next((each for each in several if each.is_told), several[0])


def by_rule(found: Sequence[Cost]) -> list[dict[str, Any]]:
    """A row for each rule, the longest first."""
    rules: dict[str, list[Cost]] = {}
    for each in found:
        rules.setdefault(each.job.rule, []).append(each)
    rows = [
        {
            "rule": rule,
            "jobs": len(several),
            "hours": sum(each.hours for each in several),
            "longest_minutes": 60 * max(each.hours for each in several),
            "peak_mb": max(each.megabytes for each in several),
            "disk_gb": sum(each.bytes for each in several) / 1e9,
            "beyond": max(each.beyond for each in several),
            "source": _source([each.source for each in several]),
        }
        for rule, several in rules.items()
    ]
    return sorted(rows, key=lambda row: -row["hours"])


def _source(sources: Sequence[str]) -> str:
    """Where the numbers of a rule come from; of several places the worst."""
    unknown = sources.count(NOWHERE)
    if unknown:
        return NOWHERE if unknown == len(sources) else f"{NOWHERE} for {unknown} jobs"
    return min(sources, key=SOURCES.index)


def told(
    rows: Sequence[Mapping[str, Any]],
    found: Sequence[Cost],
    cores: int,
    gpus: int,
    on_gpu: frozenset[str],
) -> list[str]:
    """The table and the totals, in lines."""
    line = "{:<24}{:>7}{:>11}{:>13}{:>10}{:>10}{:>9}  {}"
    heads = ("rule", "jobs", "hours", "longest, min", "peak MB", "disk, GB", "beyond", "from")
    lines = [line.format(*heads)]
    hours, disk = (sum(row[key] for row in rows) for key in ("hours", "disk_gb"))
    small = []
    for row in rows:
        is_large = row["hours"] > SHOWN * hours or row["disk_gb"] > SHOWN * disk
        if not (is_large or NOWHERE in row["source"]):
            small.append(row)
            continue
        lines.append(line.format(*_texts(row)))
    if small:
        rest = {
            "rule": f"{len(small)} other rules",
            **{key: sum(row[key] for row in small) for key in ("jobs", "hours", "disk_gb")},
            **{
                key: max(row[key] for row in small)
                for key in ("longest_minutes", "peak_mb", "beyond")
            },
            "source": _source([row["source"] for row in small]),
        }
        lines.append(line.format(*_texts(rest)))
    with_gpu = sum(each.hours for each in found if each.job.rule in on_gpu)
    least = max((hours - with_gpu) / cores, with_gpu / gpus if gpus else 0, chain(found))
    where = f"{cores} cores" + (f" and {gpus} GPUs" if gpus else "")
    unknown = sum(each.source == NOWHERE for each in found)
    lines.append("")
    lines.append(
        f"{len(found)} jobs, {_rounded(hours)} hours of jobs, {_rounded(disk)} GB;"
        f" on {where} at least {_rounded(least)} hours"
        + (f", without {unknown} jobs that no pilot tells of." if unknown else ".")
    )
    return lines


def _texts(row: Mapping[str, Any]) -> list[str]:
    numbers = [_rounded(row[key]) for key in COLUMNS[2:6]]
    return [row["rule"], f"{row['jobs']:,}", *numbers, f"{row['beyond']:,.1f}×", row["source"]]


def _rounded(value: float) -> str:
    """Two digits, or whole numbers."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def chain(found: Sequence[Cost]) -> float:
    """Hours of the longest chain of jobs, each of which needs the files of the one before."""
    maker = {path: number for number, each in enumerate(found) for path in each.job.outputs}
    ends: dict[int, float] = {}
    for first in range(len(found)):
        waiting = [first]
        while waiting:
            number = waiting[-1]
            needed = {maker[path] for path in found[number].job.inputs if path in maker}
            later = [each for each in needed if each not in ends]
            if later:
                waiting += later
                continue
            before = max((ends[each] for each in needed), default=0.0)
            ends[number] = before + found[number].hours
            waiting.pop()
    return max(ends.values(), default=0.0)


def of_sweeps(found: Sequence[Cost], config: Mapping[str, Any]) -> list[str]:
    """What each sweep adds, in lines: jobs of models or numbers of votes that no test has."""
    lines = []
    models = [jobs.model_of(each.job, config) for each in found]
    for domain in (name for name in DOMAINS if name in config):
        known = set(models_in_tests(domain, config[domain]))
        for sweep in sweeps.sweeps_of(config[domain]):
            named = {*sweep.targets, *sweep.references}
            votes = {f"@{point['k']}" for point in sweep.points if "k" in point}
            theirs = [
                each
                for each, (where, model) in zip(found, models, strict=True)
                if where == domain
                and model in named
                and (model not in known or each.job.wildcards.get("votes") in votes)
            ]
            hours = sum(each.hours for each in theirs)
            unknown = sum(each.source == NOWHERE for each in theirs)
            lines.append(
                f"{domain}.sweeps.{sweep.name} adds {len(named - known)} models and"
                f" {len(theirs)} jobs, {_rounded(hours)} hours"
                + (f", without {unknown} jobs that no pilot tells of" if unknown else "")
            )
    return lines


if __name__ == "__main__":
    main()
