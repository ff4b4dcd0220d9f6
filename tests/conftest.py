"""Runs of the workflow that tests share."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SMOKE = ROOT / "tests/workflow/smoke.yaml"
VISION_SMOKE = ROOT / "tests/workflow/vision_smoke.yaml"
SMALL = ROOT / "tests/workflow/small.yaml"
SMALL_TABLES = [f"results/tables/vlm_{name}.csv" for name in ("ppg", "samples", "memorized")]


# What needs a finished run of the workflow is slow; tests that are slow for another reason say so.
RUNS = {"small_run", "smoke_run", "vision_smoke_run"}


def pytest_ignore_collect(collection_path, config):
    """Where slow tests are left out, leave out files of them alone, whose imports take long."""
    if config.option.markexpr == "not slow" and collection_path.suffix == ".py":
        return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text() or None
    return None


def pytest_collection_modifyitems(items):
    """Mark what `make test-unit` leaves out."""
    for item in items:
        if RUNS & set(item.fixturenames):
            item.add_marker("slow")


def snakemake_command(directory, *arguments, config=None, cores=2):
    """What a user would type to run Snakemake on this repository in a folder."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(directory), "--cores", str(cores)]
    command += map(str, arguments)
    # Last, because --configfile takes every name that follows it.
    return command + (["--configfile", str(config)] if config else [])


def snakemake(directory, *arguments, config=None, cores=2, check=True):
    """Run Snakemake on this repository in a folder, as a user would on the command line."""
    command = snakemake_command(directory, *arguments, config=config, cores=cores)
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done


def jobs_of(done):
    """Rules and how many of their jobs a dry-run lists."""
    lines = done.stdout.splitlines()
    if not any(line.startswith("Job stats") for line in lines):
        return {}
    table = lines[next(n for n, line in enumerate(lines) if line.startswith("Job stats")) + 3 :]
    rows = [line.split() for line in table]
    jobs = {}
    for row in rows:
        if len(row) != 2 or row[0] == "total":
            break
        jobs[row[0]] = int(row[1])
    jobs.pop("all", None)
    return jobs


# What shows the results of a rule: the figures drawn from a table, the galleries.
SHOWN = {
    "train_clip": {"figure_training"},
    "train_ssl": {"figure_training"},
    "train_classifier": {"figure_training"},
    "vlm_ppg": {"figure_vlm_population", "figure_vlm_sets", "vlm_checks", "figure_verdicts"},
    "vlm_samples": {"figure_vlm_records"},
    "vlm_distributions": {"figure_vlm_distributions"},
    "vlm_agreement": {"figure_vlm_agreement"},
    "vlm_memorized": {"vlm_gallery"},
    "membership": {"figure_membership"},
    "vlm_groups": {"figure_groups"},
    "vision_groups": {"figure_groups"},
    "vision_dejavu": {
        *("figure_vision_dejavu", "figure_vision_sets", "vision_checks", "figure_verdicts"),
    },
    "vision_quadrants": {"figure_vision_quadrants"},
    "vision_confidence": {"figure_vision_confidence"},
    "vision_correlation": {"figure_vision_correlation"},
    "vision_classes": {"figure_vision_classes"},
    "vision_agreement": {"figure_vision_agreement"},
    "vision_memorized": {"vision_gallery"},
}


def and_shown(rules):
    """Rules, or their numbers of jobs, with what shows or describes their results."""
    shown = set().union(
        *(SHOWN.get(rule, set()) for rule in rules), {"describe_run", "report_page"}
    )
    if isinstance(rules, dict):
        return {**rules, **dict.fromkeys(shown, 1)}
    return rules | shown


def written(path, config):
    """Write a config."""
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def smoke_config():
    """The smoke-test config as a mapping."""
    return yaml.safe_load(SMOKE.read_text())


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """Tables of the smallest config, finished: the folder and what Snakemake printed."""
    folder = tmp_path_factory.mktemp("small")
    return folder, snakemake(folder, *SMALL_TABLES, config=SMALL)


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory):
    """A finished run of the smoke-test config: the folder and what Snakemake printed."""
    folder = tmp_path_factory.mktemp("smoke")
    return folder, snakemake(folder, config=SMOKE)


@pytest.fixture(scope="session")
def vision_smoke_run(tmp_path_factory):
    """A finished run of the vision measurement's smoke-test config: the folder."""
    folder = tmp_path_factory.mktemp("vision")
    snakemake(folder, config=VISION_SMOKE)
    return folder
