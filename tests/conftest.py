"""Runs of the workflow that tests share."""

import fcntl
import json
import os
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

# One thread for all libraries, and no network.
os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
# Kernels for a GPU are interpreted where there is none; Triton asks when it is imported.
os.environ["TRITON_INTERPRET"] = str(int(not Path("/dev/nvidiactl").exists()))

import psutil
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


def snakemake_command(directory, *arguments, config=None, cores=2, snakefile=ROOT / "Snakefile"):
    """What a user would type to run Snakemake on this repository in a folder."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    command += ["--directory", str(directory), "--cores", str(cores)]
    command += map(str, arguments)
    # Last, because --configfile takes every name that follows it.
    return command + (["--configfile", str(config)] if config else [])


@cache
def runner():
    """The process that runs Snakemake and jobs: most of what they take is done there once."""
    command = [sys.executable, "-P", str(ROOT / "tests/runner.py")]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def snakemake(directory, *arguments, check=True, **settings):
    """Run Snakemake on this repository in a folder, as a user would on the command line.

    It and its jobs are forks of processes that have imported what they need; to start all as users
    do, run `snakemake_command`, which takes the same.
    """
    command = snakemake_command(directory, *arguments, **settings)
    with TemporaryDirectory() as folder:
        printed = {name: f"{folder}/{name}" for name in ("stdout", "stderr")}
        # From the program's name on, without the interpreter.
        call = {"words": command[2:], "folder": str(directory), "environment": dict(os.environ)}
        print(json.dumps(call | printed), file=runner().stdin, flush=True)
        status = int(runner().stdout.readline())
        texts = {name: Path(path).read_text() for name, path in printed.items()}
    done = subprocess.CompletedProcess(command, status, **texts)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done


# Of a process, as the system keeps it.
LONGEST_NAME = 15


def runs(process, script):
    """Whether a process, which may end any moment, runs a script."""
    with suppress(psutil.NoSuchProcess):
        is_fork = process.name() == Path(script).stem[:LONGEST_NAME]
        return is_fork or any(part.endswith(script) for part in process.cmdline())
    return False


def jobs_of(done):
    """Rules and how many of their jobs a run, or a dry-run, lists."""
    lines = (done.stdout + done.stderr).splitlines()
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
    "vlm_sweeps": {"figure_sweep", "figure_tradeoff"},
    "vision_sweeps": {"figure_sweep", "figure_tradeoff"},
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


@pytest.fixture
def smoke_config():
    """The smoke-test config as a mapping."""
    return yaml.safe_load(SMOKE.read_text())


@pytest.fixture(scope="session")
def run_once(tmp_path_factory, worker_id):
    """A function that makes a run which all workers share: the first to ask makes it.

    Tests may plan in its folder; what changes files there works on a copy.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def run(name, *arguments, config):
        folder, said = shared / name, shared / f"{name}.txt"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not said.exists():
                folder.mkdir(exist_ok=True)
                done = snakemake(folder, *arguments, config=config)
                said.write_text(done.stdout + done.stderr)
        return folder, said.read_text()

    return run


@pytest.fixture(scope="session")
def small_run(run_once):
    """Tables of the smallest config, finished: the folder and what Snakemake printed."""
    return run_once("small", *SMALL_TABLES, config=SMALL)


@pytest.fixture(scope="session")
def smoke_run(run_once):
    """A finished run of the smoke-test config: the folder and what Snakemake printed."""
    return run_once("smoke", config=SMOKE)


@pytest.fixture(scope="session")
def vision_smoke_run(run_once):
    """A finished run of the vision measurement's smoke-test config: the folder."""
    return run_once("vision", config=VISION_SMOKE)[0]
