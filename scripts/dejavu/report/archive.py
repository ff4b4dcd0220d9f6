"""A run as one file to be published: a Workflow Run RO-Crate, the same bytes for the same run.

The crate (https://w3id.org/ro/wfrun/workflow/0.5, of RO-Crate 1.1) holds the files that others need
to read and to judge a run, the workflow that made them, and `ro-crate-metadata.json`, which tells
what each of them is. Data, embeddings and weights are not in it.
"""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from dejavu.errors import InputError
from dejavu.job import whole_file

METADATA = "ro-crate-metadata.json"
CRATE_VERSION = "1.1"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
# The workflow of the crate, and what its run was given.
WORKFLOW, CONFIG = "Snakefile", "config.yaml"
RUN = "#run"
LICENCE = "https://spdx.org/licenses/MIT"
FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".png": "image/png",
    ".py": "text/x-python",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}
# A zip knows no earlier moment.
EPOCH = (1980, 1, 1, 0, 0, 0)
# Of text: a path from the root of a disk or from somebody's home, alone or behind a prefix.
ABSOLUTE = re.compile(r"^(?:[/\\]|~\w*/)|:(?:/(?!/)|~\w*/)|(?:^|:)[A-Za-z]:[/\\](?![/\\])")


def check_paths(config: Mapping[str, Any]) -> None:
    """Stop at a config that would tell everybody how somebody's disk is arranged.

    Raises:
        InputError: a value is an absolute path; it names the key and the remedy.
    """
    for key, text in _texts(config):
        if ABSOLUTE.search(text):
            raise InputError(
                f"Config key {key} is an absolute path, and so would stand in what is published:"
                " link to it from the workflow's folder (ln -s), name it relative to that, and run"
                " again; nothing is measured anew."
            )


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """All texts of a config with their keys."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _texts(each, f"{key}.{name}" if key else str(name))
    elif isinstance(value, Sequence):
        for place, each in enumerate(value):
            yield from _texts(each, f"{key}[{place}]")


def described(
    run: Mapping[str, Any], workflow: Sequence[str], results: Sequence[str], title: str
) -> dict[str, Any]:
    """What `ro-crate-metadata.json` tells.

    Args:
        run: facts of run.json.
        workflow: names in the crate of the workflow's files, the Snakefile among them.
        results: likewise of what the run made.
        title: of the crate.
    """
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version=CRATE_VERSION)
    version = run["version"] + (f", commit {run['commit']}" if run["commit"] else "")
    version += ", with changes that are not committed" if run["clean"] is False else ""
    main = crate.add_workflow(
        dest_path=WORKFLOW,
        main=True,
        lang="snakemake",
        lang_version=run["versions"]["snakemake"],
        properties={"name": "Déjà vu memorization of embedding models", "version": version},
    )
    files = {
        name: crate.add_file(dest_path=name, properties=_properties(name))
        for name in sorted({*workflow, *results, CONFIG} - {WORKFLOW})
    }
    files[CONFIG]["description"] = "The config of the run, with its defaults."
    action = crate.add_action(
        main,
        identifier=RUN,
        object=[files[CONFIG]],
        result=[files[name] for name in sorted(results)],
        properties={
            "name": f"The run of {run['date']}",
            "endTime": run["date"],
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    licence = ContextEntity(crate, LICENCE, properties={"@type": "CreativeWork", "name": "MIT"})
    profiles = [
        ContextEntity(
            crate, where, properties={"@type": "CreativeWork", "name": name, "version": number}
        )
        for where, (name, number) in PROFILES.items()
    ]
    crate.add(licence, *profiles)
    root = crate.root_dataset
    root["name"] = title
    root["description"] = (
        f"Report, tables and figures of one run, made by version {version} of the workflow. The"
        " license is that of the workflow; examples in the report are of the measured data, which"
        " have their own."
    )
    root["datePublished"] = run["date"]
    root["license"] = licence
    root["conformsTo"] = profiles
    root["mentions"] = [action]
    found: dict[str, Any] = crate.metadata.generate()
    return found


def _properties(name: str) -> dict[str, str]:
    """What is told of a file, by its name."""
    path = PurePosixPath(name)
    kind = FORMATS.get(path.suffix, "text/plain")
    return {"name": path.name, "encodingFormat": kind}


def write(path: str | Path, metadata: Mapping[str, Any], files: Mapping[str, bytes | Path]) -> None:
    """Write a crate as a zip in which nothing but the files' content counts.

    Args:
        path: of the archive.
        metadata: of the crate.
        files: what each file holds, or where it lies, by its name in the crate.
    """
    text = json.dumps(metadata, indent=2, sort_keys=True, ensure_ascii=False)
    content: dict[str, bytes | Path] = {**files, METADATA: f"{text}\n".encode()}
    with (
        whole_file(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in sorted(content):
            held = content[name]
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            # A plain file of Unix, whatever system writes it.
            info.create_system, info.external_attr = 3, 0o100644 << 16
            archive.writestr(info, held.read_bytes() if isinstance(held, Path) else held)
