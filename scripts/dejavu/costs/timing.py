"""Encoders that no pilot had, timed: they embed samples of one, in a copy of its folder."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from dejavu.config import kinds, layout, replicates, sweeps
from dejavu.costs import configs, jobs, pilots
from dejavu.costs.configs import BASE
from dejavu.costs.jobs import Job, Sizes
from dejavu.costs.pilots import Pilot
from dejavu.errors import InputError

# Files that a run writes in place, as logs, are smaller; larger ones of a pilot are not copied.
SMALL = 1 << 20
# Seconds that a run may take to end by itself when it is interrupted.
ENDING = 5
# What Snakemake knows of files, and what is known of the data.
KNOWN = (".snakemake/metadata", ".snakemake/incomplete", ".snakemake/contents")
# Stages that no encoder reads.
LATER = ("models", "embeddings", "index", "neighbors", "recovered", "predictions")


def untimed(
    planned: Sequence[Job], config: Mapping[str, Any], domain: str, known: Mapping[Any, Any]
) -> list[Job]:
    """The jobs that embed with models of a domain which no pilot had, and no training makes.

    Args:
        planned: all jobs.
        config: completed, of the run that is planned.
        domain: whose models are meant.
        known: what jobs took, by what they are like.
    """
    found = []
    for job in planned:
        where, model = jobs.model_of(job, config)
        embeds = "embeddings" in PurePath(job.outputs[0]).parts[2:3]
        if where == domain and model and embeds:
            trained = replicates.is_trained(config[domain]["models"][model])
            if not trained and next(jobs.alike(job, config)) not in known:
                found.append(job)
    return found


def timed(
    pilot: Pilot,
    domain: str,
    planned: Mapping[str, Any],
    asked: Sequence[Job],
    *,
    with_gpu: bool,
) -> list[tuple[tuple[str, ...], dict[str, float]]]:
    """What it takes to embed a shard of the smallest and of the largest set of a pilot.

    Args:
        pilot: a finished run with samples of the domain.
        domain: whose models are timed.
        planned: completed config of the run that is planned.
        asked: jobs of it that embed with the models that are timed.
        with_gpu: whether on a GPU.

    Returns:
        As of a pilot: what jobs took, with their work, by what they are like.

    Raises:
        InputError: a model can't be loaded, or does not fit; the pilot can't be copied.
    """
    models = planned[domain]["models"]
    names = sorted({job.wildcards["model"] for job in asked})
    called = {name: _free(name, pilot.config[domain]["models"]) for name in names}
    settings = {
        called[name]: {key: value for key, value in models[name].items() if key not in sweeps.MARKS}
        for name in names
    }
    config = {
        **pilot.given,
        # What is no part of a pilot: whether weights may be fetched.
        "allow_download": planned["allow_download"],
        domain: {
            **pilot.given[domain],
            "embedding": planned[domain]["embedding"],
            "models": {**pilot.given[domain]["models"], **settings},
        },
    }
    files = _files(asked, pilot.sizes[domain], models, called)
    if not files:
        return []
    with _copied(pilot.folder, domain) as folder:
        path = folder.parent / "timing.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", *files]
        command += ["--snakefile", str(BASE / "Snakefile")]
        command += ["--directory", str(folder), "--cores", str(os.cpu_count())]
        # The samples are there, whatever has changed since: nothing else is made again.
        command += ["--rerun-triggers", "mtime"]
        command += ["--profile", str(BASE / "profiles/gpu")] if with_gpu else []
        command += ["--configfile", str(path)]
        if _run(command):
            raise InputError(
                f"{domain}.models: {', '.join(names)} could not be timed on samples of"
                f" {pilot.folder}; the reason stands above."
            )
        completed = configs.completed(path)
        ran = [
            job
            for job in jobs.read(jobs.dry_run([path], files))
            if jobs.model_of(job, completed)[1] in settings
        ]
        return list(pilots.records(pilot, folder, ran, completed))


def _free(name: str, taken: Collection[str]) -> str:
    """A model's name, or one like it where the pilot has another model of that name."""
    while name in taken:
        name = f"{name}_timed"
    return name


def _run(command: Sequence[str]) -> int:
    """The exit status of a run, which ends before this process does."""
    # What the run tells is no line of the plan.
    with subprocess.Popen(command, stdout=sys.stderr) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # It has to end before its folder goes; a terminal has interrupted it, too.
            try:
                process.wait(ENDING)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
                process.wait()
            raise


def _files(
    asked: Sequence[Job], sizes: Sizes, models: Mapping[str, Any], called: Mapping[str, str]
) -> list[str]:
    """The first shards, for each model and input, of the pilot's smallest and largest set.

    Of embeddings that exist already, and of crops, only of sets that are asked for. Models stand
    there as they are called in the pilot's copy.
    """
    sets: dict[tuple[str, ...], set[str]] = {}
    for job in asked:
        *stage, model, part, name, _ = PurePath(job.outputs[0]).parts
        loads = kinds.MODELS[models[model]["kind"]].loader is not None
        names = sizes.sets if loads and part != kinds.CROP else {name} & sizes.sets.keys()
        sets.setdefault((*stage, called[model], part), set()).update(names)
    return [
        str(PurePath(*place, name, f"{layout.shard_name(0)}.parquet"))
        for place, names in sets.items()
        for name in sorted(
            {pick(names, key=lambda each: sizes.sets[each][0]) for pick in (min, max) if names}
        )
    ]


@contextmanager
def _copied(folder: Path, domain: str) -> Iterator[Path]:
    """A copy of a run's samples, for a while; large files are linked where they can be.

    Raises:
        InputError: there is no space for it, or something can't be read.
    """
    samples = folder / "results" / domain

    def take(source: str, target: str) -> None:
        if Path(source).stat().st_size > SMALL:
            with suppress(OSError):
                os.link(source, target)
                return
        shutil.copy2(source, target)

    def left_out(place: str, names: list[str]) -> Collection[str]:
        return LATER if Path(place) == samples else ()

    with TemporaryDirectory(prefix="timing-") as place:
        copy = Path(place) / "pilot"
        try:
            for part in (samples, *(folder / name for name in KNOWN)):
                if part.is_dir():
                    target = copy / part.relative_to(folder)
                    shutil.copytree(part, target, ignore=left_out, copy_function=take)
            # Folders of a pilot may be read-only.
            for inside, *_ in os.walk(copy):
                Path(inside).chmod(0o700)
        except OSError as error:
            # Of several files Python raises one error, which lists what each was refused for.
            several = error.args[0] if isinstance(error, shutil.Error) else []
            raise InputError(
                f"{folder} can't be copied to {place}"
                f" ({several[0][2] if several else error.strerror}): free some space there, or set"
                " TMPDIR to a folder on another disk."
            ) from None
        yield copy
