"""Shared by all rule files: the completed config, versions of code, memory and time of jobs."""

import functools
import json
import os
from contextlib import suppress
from functools import cache
from importlib.metadata import distributions, version

from dejavu.config import (
    checks,
    clip_retrieval,
    contents,
    digests,
    domains,
    endings,
    faults,
    kinds,
    layout,
    paths,
    plan,
    plan_vision,
    plan_vlm,
    ranges,
    reading,
    records,
    replicates,
    reruns,
    schema,
    sweeps,
)

SCRIPTS = BASE / "scripts"
# Where results lie: elsewhere, if another workflow uses this one as a module with a prefix.
RESULTS = str(workflow.modifier.modify_path("results"))
FOLDER = os.path.dirname(RESULTS) or "."
# What jobs read it from.
PICTURES = "DEJAVU_PICTURES"
# Either gives `faiss`; only one can be installed.
FAISS = "faiss-gpu" if any(distributions(name="faiss-gpu")) else "faiss-cpu"


# What turns a table into a figure.
DRAWING = ("altair", "vl-convert-python", "polars")


def complete_config(given):
    """Check the config, as it was written and as it was merged, and fill in its defaults.

    Gives it without the points of sweeps, and with them as models.
    """
    if workflow.modifier.is_main_snakefile():
        for path in workflow.configfiles:
            reading.check(path)
    rules = schema.read(BASE / "rules/schemas/config.schema.yaml")
    completed = schema.complete(given, rules)
    expanded = dict(completed)
    for domain in plan.configured(completed):
        complete = functools.partial(schema.complete, schema=schema.models_of(rules, domain))
        expanded[domain] = sweeps.expanded(
            completed[domain], domain, given[domain]["models"], complete
        )
    checks.check(expanded, BASE)
    return completed, expanded


def from_base(path):
    """A path of the config as seen from the working directory; absolute paths stay."""
    return paths.from_here(path, BASE)


def folders_of_pictures(others):
    """The folders of all sources whose pictures lie outside the workflow, from the working directory.

    `others` are those that another use of this workflow, as a module of the same, has told.
    """
    folders = dict(others)
    for domain in plan.configured(config):
        for name, settings in config[domain]["sources"].items():
            key = kinds.SOURCES[settings["kind"]].pictures
            if key is not None:
                place = BASE / settings[key]
                folder = settings[key] if place.is_dir() else os.path.dirname(settings[key])
                folder = from_base(folder or ".")
                if folders.setdefault(f"{domain}.{name}", folder) != folder:
                    raise InputError(
                        f"{domain}.sources.{name} is the name of sources in two folders"
                        f" ({folders[f'{domain}.{name}']} and {folder}), of two uses of this"
                        " workflow as a module: give one of them another name."
                    )
    return folders


installed = cache(version)


def versions(*packages):
    """Installed versions of the packages that a rule's results depend on."""
    return {package: installed(package) for package in packages}


def code_version(script):
    """Hash of what a script does, told when it is asked for: a job reads the code of its rule."""
    return lambda wildcards: reruns.code_version(SCRIPTS, script)


def digest_of(domain):
    """Digest of what of the config may change a domain's results, or those of all domains.

    A sweep changes none of them.
    """
    return digests.config_digest(written, domain, BASE)


def digest_of_sweeps(domain):
    """Digest of what of the config may change the results of a domain's sweeps and contrasts."""
    return digests.config_digest(written, domain, BASE, with_sweeps=True)


def content_of(path):
    """What tells that a file or folder of the config has changed, wherever it lies."""
    return contents.content_of(BASE / path)


def told(of):
    """Parameter: settings in which hashes of content stand for the paths of files.

    `of` gives settings, and the files that they may name, for wildcards.
    """
    return lambda wildcards: paths.told(*of(wildcards), BASE)


def located(of):
    """Parameter: the same settings with the paths, as seen from the working directory.

    By itself it reruns nothing, for Snakemake takes what asks for the output for derived from it:
    a file that has moved is the same file. So it stands beside what is `told` of the same.
    """

    def settings(wildcards, output):
        named, files = of(wildcards)
        return paths.replaced(named, files, BASE, lambda _, path: from_base(path))

    return settings


def limits_of(domain):
    """Parameter: the settings of a domain, for a job that only refuses what exceeds some of them.

    It asks for the output to rerun nothing, as above: a limit changes no result that has passed.
    """
    return lambda wildcards, output: config[domain]


def whole_file_megabytes(path, attempt):
    """Memory for a file read whole: as Python objects it takes about eight times its size."""
    return int((2000 + 8 * (BASE / path).stat().st_size / 1e6) * 1.5 ** (attempt - 1))


def size_mb(input):
    """Megabytes of a job's input; of many files, which are alike, an estimate by the last.

    Asking each of them for its size would take longer than all else that is done before a run.
    """
    sizes = some_sizes(input)
    return (sum(sizes) + max(0, len(input) - len(sizes)) * sizes[-1] if sizes else 0) / 1e6


def some_sizes(input):
    """Bytes of a job's files: of all, or of the first few and the last."""
    files = list(input)
    return [
        os.path.getsize(file) for file in (files if len(files) <= 8 else files[:7] + files[-1:])
    ]


def megabytes(base, per_input=0.0):
    """Memory that grows with the input and, after a failure, with the attempt."""
    return lambda wildcards, input, attempt: int(
        (base + per_input * size_mb(input)) * 1.5 ** (attempt - 1)
    )


def megabytes_a_file(base, per_file, whole=None, per_whole=0.0):
    """Memory of a job that holds a few of its input files at a time: the largest one counts.

    Where numbers of all samples are held, too, it also grows with all files of the input `whole`.
    """

    def asked(wildcards, input, attempt):
        held = base + per_file * max(some_sizes(input)) / 1e6
        held += per_whole * size_mb(getattr(input, whole)) if whole else 0
        return int(held * 1.5 ** (attempt - 1))

    return asked


def minutes(base, per_gigabyte=0.0):
    """Time that grows with the input and, after a failure, with the attempt."""
    return lambda wildcards, input, attempt: int(
        (base + per_gigabyte * size_mb(input) / 1000) * 2 ** (attempt - 1)
    )
