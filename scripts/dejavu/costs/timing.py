"""Encoders that no pilot had, timed: they embed samples of one, in a copy of its folder."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
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
        embeds = PurePath(job.outputs[0]).parts[2] == "embeddings"
        if where == domain and model and embeds:
            trained = replicates.is_trained(config[domain]["models"][model])
            if not trained and next(jobs.alike(job, config)) not in known:
                found.append(job)
    return found


def timed(
    pilot: Pilot,
    domain: str,
    models: Mapping[str, Any],
    asked: Sequence[Job],
    *,
    with_gpu: bool,
) -> list[tuple[tuple[str, ...], dict[str, float]]]:
    """What it takes to embed a shard of the smallest and of the largest set of a pilot.

    Args:
        pilot: a finished run with samples of the domain.
        domain: whose models are timed.
        models: completed settings of all models of the run that is planned.
        asked: jobs of it that embed with the models that are timed.
        with_gpu: whether on a GPU.

    Returns:
        As of a pilot: what jobs took, with their work, by what they are like.

    Raises:
        InputError: a model can't be loaded, or does not fit.
    """
    names = sorted({job.wildcards["model"] for job in asked})
    settings = {
        name: {key: value for key, value in models[name].items() if key not in sweeps.MARKS}
        for name in names
    }
    config = configs.merged(pilot.given, {domain: {"models": {}}})
    # Not merged: a model that the pilot had by that name is another one.
    config[domain]["models"] |= settings
    files = _files(asked, pilot.sizes[domain], models)
    with _copied(pilot.folder) as folder:
        # What is there under the same name is of another model; the page is not made again.
        for file in (*files, "results/report/index.html"):
            (folder / file).unlink(missing_ok=True)
        path = folder.parent / "timing.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", *files]
        command += ["--snakefile", str(BASE / "Snakefile")]
        command += ["--directory", str(folder), "--cores", str(os.cpu_count())]
        # The samples are there, whatever has changed since: nothing else is made again.
        command += ["--rerun-triggers", "mtime"]
        command += ["--profile", str(BASE / "profiles/gpu")] if with_gpu else []
        # What the run tells is no line of the plan.
        command += ["--configfile", str(path)]
        done = subprocess.run(command, stdout=sys.stderr, check=False)
        if done.returncode:
            raise InputError(
                f"{domain}.models: {', '.join(names)} could not be timed on samples of"
                f" {pilot.folder}; the reason stands above."
            )
        ran = [job for job in jobs.read(jobs.dry_run([path], files)) if job.outputs[0] in files]
        return list(pilots.records(pilot, folder, ran, configs.completed(path)))


def _files(asked: Sequence[Job], sizes: Sizes, models: Mapping[str, Any]) -> list[str]:
    """The first shards, for each model and input, of the pilot's smallest and largest set.

    Of embeddings that exist already, and of crops, only of sets that are asked for.
    """
    sets: dict[tuple[str, ...], set[str]] = {}
    for job in asked:
        *place, name, _ = PurePath(job.outputs[0]).parts
        loads = kinds.MODELS[models[job.wildcards["model"]]["kind"]].loader is not None
        names = sizes.sets if loads and place[-1] != kinds.CROP else {name} & sizes.sets.keys()
        sets.setdefault(tuple(place), set()).update(names)
    return [
        str(PurePath(*place, name, f"{layout.shard_name(0)}.parquet"))
        for place, names in sets.items()
        for name in sorted(
            {pick(names, key=lambda each: sizes.sets[each][0]) for pick in (min, max) if names}
        )
    ]


@contextmanager
def _copied(folder: Path) -> Iterator[Path]:
    """A copy of a run's folder, for a while; large files are linked where they can be."""

    def take(source: str, target: str) -> None:
        if Path(source).stat().st_size > SMALL:
            with suppress(OSError):
                os.link(source, target)
                return
        shutil.copy2(source, target)

    with TemporaryDirectory(prefix="timing-") as place:
        copy = Path(place) / "pilot"
        shutil.copytree(folder, copy, copy_function=take)
        yield copy
