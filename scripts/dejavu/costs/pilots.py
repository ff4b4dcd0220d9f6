"""Pilots: finished runs of smaller sizes, and what their jobs took."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from dejavu.costs import configs, fits, jobs
from dejavu.costs.jobs import Job, Sizes
from dejavu.errors import InputError
from dejavu.files import facts


@dataclass(frozen=True)
class Pilot:
    """A finished run.

    Attributes:
        folder: where it lies.
        given: its config, as it was written.
        config: completed.
        sizes: its samples, by domain.
        jobs: all that it had.
    """

    folder: Path
    given: Mapping[str, Any]
    config: dict[str, Any]
    sizes: Mapping[str, Sizes]
    jobs: Sequence[Job]


def read(folder: Path) -> Pilot:
    """What a finished run tells of itself.

    Raises:
        InputError: it is not finished.
    """
    path = folder / "results/run.json"
    if not path.is_file():
        raise InputError(
            f"{path} does not exist: a pilot is the folder of a run that has finished, with its"
            " report; run it to its end."
        )
    run = facts.read_json(path)
    with TemporaryDirectory() as place:
        file = Path(place) / "pilot.yaml"
        file.write_text(yaml.safe_dump(run["config"]), encoding="utf-8")
        planned = jobs.read(jobs.dry_run([file], called=str(folder)))
        return Pilot(folder, run["config"], configs.completed(file), jobs.measured(run), planned)


def largest(pilots: Sequence[Pilot]) -> dict[str, Pilot]:
    """Of each domain the pilot with the most samples."""
    found: dict[str, Pilot] = {}
    for pilot in pilots:
        for domain in pilot.sizes:
            if domain not in found or _samples(pilot, domain) > _samples(found[domain], domain):
                found[domain] = pilot
    return found


def _samples(pilot: Pilot, domain: str) -> float:
    return sum(map(sum, pilot.sizes[domain].sets.values()))


def records(
    pilot: Pilot, folder: Path, of: Sequence[Job], config: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], dict[str, float]]]:
    """What jobs took, with their work, by all that they are like.

    Args:
        pilot: whose samples they had.
        folder: where they ran.
        of: the jobs; those that left no benchmark are left out.
        config: completed, of the jobs.
    """
    for job in of:
        took = fits.took(folder / job.benchmark)
        if took is None:
            continue
        made = [folder / name for name in job.outputs]
        took["bytes"] = sum(file.stat().st_size for file in made if file.is_file())
        took |= jobs.works(job, pilot.sizes, config)
        for key in jobs.alike(job, config):
            yield key, took
