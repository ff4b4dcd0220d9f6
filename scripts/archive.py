"""A run as one file to be published: results/archive.zip."""

from pathlib import Path
from typing import Any

import yaml

from dejavu.errors import InputError
from dejavu.files import csvw, seals
from dejavu.files.facts import read_json, read_noted
from dejavu.job import run
from dejavu.report import archive


def main(job: Any) -> None:
    """Check that all files are of one run, and write them with what tells of them."""
    params = job.params
    facts = read_json(job.input.run)
    for name, made_by in facts["digests"].items():
        csvw.check_config(job.input.run, made_by, params.digests.get(name))
    archive.check_paths(facts["config"])
    check_tables(job.input.tables, facts)
    check_figures(job.input.charts, job.input.pictures, params.digests)
    made = [job.input.run, job.input.page, *job.input.tables, *job.input.descriptions]
    made += [*job.input.charts, *job.input.pictures]
    results = {f"results/{seals.place(path).decode()}": Path(path) for path in made}
    workflow = {name: Path(params.base) / name for name in params.workflow}
    config = yaml.safe_dump(facts["config"], sort_keys=False, allow_unicode=True)
    metadata = archive.described(facts, [*workflow], [*results], params.title)
    held = {**workflow, **results, archive.CONFIG: config.encode()}
    archive.write(job.output[0], metadata, held)


def check_tables(paths: list[str], facts: dict[str, Any]) -> None:
    """Raise `InputError` unless tables are those that run.json tells of."""
    for path in map(Path, paths):
        csvw.description(path, facts["digests"][path.stem])
        if csvw.sha256(path) != facts["tables"][path.name]:
            raise InputError(f"{path} is not the table that run.json tells of: run again.")


def check_figures(charts: list[str], pictures: list[str], digests: dict[str, str]) -> None:
    """Raise `InputError` unless pictures are those of the charts, made by this config."""
    notes = {}
    for path in map(Path, charts):
        notes[path.stem] = read_noted(path, lambda read: read["usermeta"])["usermeta"]
        csvw.check_config(path, notes[path.stem]["config"], digests[path.stem])
    for path in map(Path, pictures):
        if csvw.sha256(path) != notes[path.stem][path.suffix[1:]]:
            raise seals.spoiled(path)


run(main)
