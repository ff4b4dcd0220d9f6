"""Runs killed without warning go on where they were: same tables, nothing finished done again."""

import base64
import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml

from dejavu.files.parquet import rows_of
from tests.conftest import ROOT, SMALL, SMALL_TABLES, SMOKE, runs, snakemake, snakemake_command

NEVER_FINAL = ("logs", "benchmarks")
VISION_SMALL = ROOT / "tests/workflow/vision_small.yaml"
VISION_TABLES = ["results/tables/vision_dejavu.csv"]


def start(folder, targets, config):
    """Start a run as the leader of a process group of its own."""
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen(
            snakemake_command(folder, *targets, config=config),
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )


def kill(run):
    """Kill Snakemake and all its jobs at once, as a power failure does."""
    jobs = psutil.Process(run.pid).children(recursive=True)
    os.killpg(run.pid, signal.SIGKILL)
    for job in jobs:
        # One in another group, if there is any, and no process that has its number since.
        with suppress(psutil.NoSuchProcess):
            job.kill()
    run.wait()
    psutil.wait_procs(jobs, timeout=10)


def outputs(folder):
    """Files of results but logs, checkpoints, locks and partial ones: their times and inodes."""
    found = {}
    for path in (folder / "results").rglob("*"):
        name = path.relative_to(folder)
        if path.is_file() and name.parts[1] not in NEVER_FINAL:
            if path.name.endswith((".partial", ".lock")) or path.name == "checkpoint.pt":
                continue
            found[str(name)] = (path.stat().st_mtime_ns, path.stat().st_ino)
    return found


def unfinished(folder):
    """Outputs of the jobs that Snakemake had started and not yet seen finished."""
    marks = (folder / ".snakemake/incomplete").rglob("*")
    return {base64.urlsafe_b64decode(mark.name).decode() for mark in marks if mark.is_file()}


def wait_for(run, what, seconds=600):
    """Wait until something holds; False where the run has ended before."""
    end = time.monotonic() + seconds
    while not what():
        if run.poll() is not None:
            return False
        assert time.monotonic() < end, "the run neither ended nor went on"
        time.sleep(0.05)
    return True


def undisturbed_tables(folder):
    return {path.name: path.read_bytes() for path in (folder / "results/tables").glob("*.csv")}


def killed_at(folder, moments, targets, config):
    """Run, kill and resume; a moment tells when to kill. Gives how many kills there were."""
    finished, kills = {}, 0
    for moment in moments:
        run = start(folder, targets, config)
        try:
            struck = wait_for(run, lambda moment=moment: moment(folder))
        finally:
            if run.poll() is None:
                kill(run)
        if not struck:
            break
        kills += 1
        now = outputs(folder)
        for name, state in finished.items():
            assert now.get(name) == state, f"{name} was finished and has been made again"
        marked = unfinished(folder)
        finished = {name: state for name, state in now.items() if name not in marked}
        snakemake(folder, "--unlock", config=config)
    snakemake(folder, *targets, config=config)
    now = outputs(folder)
    for name, state in finished.items():
        assert now.get(name) == state, f"{name} was finished and has been made again"
    return kills


def after(files, seconds):
    """A moment: so many seconds after there are so many files."""
    seen = []

    def moment(folder):
        if not seen and len(outputs(folder)) >= files:
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() >= seen[0] + seconds

    return moment


def in_training(folder):
    """A moment: a training has written its first checkpoint."""
    return any((folder / "results").glob("*/models/*/checkpoint.pt"))


def random_moments(count, files, seed):
    """Moments spread over the making of so many files."""
    rng = random.Random(seed)
    places = sorted(rng.sample(range(1, files), count))
    return [after(place, rng.uniform(0, 2)) for place in places]


def test_a_run_killed_at_random_moments_ends_with_the_same_tables(small_run, tmp_path):
    files = len(outputs(small_run[0]))
    early, late = random_moments(2, files, seed=1)
    assert killed_at(tmp_path, [early, in_training, late], SMALL_TABLES, SMALL) == 3
    assert undisturbed_tables(tmp_path) == undisturbed_tables(small_run[0])
    log = (tmp_path / "results/logs/train_clip/clip_a_s0.log").read_text()
    assert "resumed after step" in log
    assert not list((tmp_path / "results").rglob("*.partial"))


def test_a_vision_run_killed_at_random_moments_ends_with_the_same_tables(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    snakemake(whole, *VISION_TABLES, config=VISION_SMALL)
    [late] = random_moments(1, len(outputs(whole)), seed=5)
    assert killed_at(killed, [in_training, late], VISION_TABLES, VISION_SMALL) == 2
    assert undisturbed_tables(killed) == undisturbed_tables(whole)
    for name in ("model.safetensors", "training.csv"):
        place = Path("results/vision/models/vicreg_a_s0") / name
        assert (killed / place).read_bytes() == (whole / place).read_bytes()
    log = (killed / "results/logs/train_ssl/vicreg_a_s0.log").read_text()
    assert "resumed after step" in log
    assert not list((killed / "results").rglob("*.partial"))


def test_a_training_that_outlives_snakemake_is_not_done_again(small_run, tmp_path):
    weights = "results/vlm/models/clip_a_s0/open_clip_model.safetensors"
    run = start(tmp_path, [weights], SMALL)
    jobs = []
    try:
        assert wait_for(run, lambda: in_training(tmp_path))
        jobs = psutil.Process(run.pid).children(recursive=True)
        assert any(runs(job, "train_clip.py") for job in jobs)
        # Snakemake alone.
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        psutil.wait_procs(jobs, timeout=300)
    finally:
        for job in jobs:
            with suppress(psutil.NoSuchProcess):
                job.kill()
    assert (tmp_path / weights).is_file() and weights in unfinished(tmp_path)
    snakemake(tmp_path, "--unlock", config=SMALL)
    snakemake(tmp_path, weights, config=SMALL)
    log = (tmp_path / "results/logs/train_clip/clip_a_s0.log").read_text()
    settings = yaml.safe_load(SMALL.read_text())["vlm"]["models"]["clip_a"]
    samples = rows_of(tmp_path / "results/vlm/records/target/0000.parquet")
    assert f"resumed after step {settings['epochs'] * (samples // settings['batch'])} from" in log
    for name in (weights, "results/vlm/models/clip_a_s0/training.csv"):
        assert (tmp_path / name).read_bytes() == (small_run[0] / name).read_bytes()


@pytest.mark.full
def test_a_run_killed_at_twenty_random_moments_ends_with_the_same_tables(smoke_run, tmp_path):
    moments = random_moments(20, len(outputs(smoke_run[0])), seed=20)
    assert killed_at(tmp_path, moments, [], SMOKE) >= 15
    assert undisturbed_tables(tmp_path) == undisturbed_tables(smoke_run[0])


def test_a_killed_run_leaves_a_lock_that_the_next_one_explains(tmp_path):
    run = start(tmp_path, SMALL_TABLES, SMALL)
    try:
        assert wait_for(run, lambda: (tmp_path / "results/logs/generate_scenes").exists())
        # The same sentence for two runs at once in one folder.
        second = snakemake(tmp_path, config=SMALL, check=False)
    finally:
        kill(run)
    third = snakemake(tmp_path, config=SMALL, check=False)
    for done in (second, third):
        said = done.stdout + done.stderr
        assert done.returncode and "Directory cannot be locked" in said and "--unlock" in said
        assert "Traceback" not in said
    snakemake(tmp_path, "--unlock", config=SMALL)
    snakemake(tmp_path, "results/vlm/scenes/world/0000.tar", config=SMALL)
    assert Path(tmp_path / "results/vlm/scenes/world/0000.tar").is_file()
