"""The workflow on a real SLURM, through the profile that users take."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.cluster import slurm
from tests.conftest import ROOT, SMALL, SMOKE, snakemake

TABLE = "results/tables/vlm_ppg.csv"


@pytest.fixture(scope="module")
def cluster():
    """A SLURM of one node."""
    reason = slurm.missing()
    if reason:
        pytest.skip(reason)
    # Not pytest's folder: paths of sockets are short.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, slurm.one_node(Path(folder)):
        yield


def on_cluster(folder, *arguments, snakefile=ROOT / "Snakefile", config=None, seconds=900):
    """Run Snakemake with the profile, and with what only a SLURM for tests needs."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    command += ["--profile", str(ROOT / "profiles/slurm"), "--directory", str(folder)]
    command += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks"]
    command += ["2", "--seconds-between-status-checks", "2", "--latency-wait", "10", "--jobs", "8"]
    command += [*arguments, *(["--configfile", str(config)] if config else [])]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, timeout=seconds, check=False
    )
    assert not slurm.jobs()
    return done


def same_table_on_the_cluster(local, folder, config):
    done = on_cluster(folder, TABLE, config=config, seconds=3600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SLURM run ID" in done.stdout + done.stderr
    assert (folder / TABLE).read_bytes() == (local / TABLE).read_bytes()


def test_a_cluster_gives_the_table_of_a_local_run_byte_for_byte(cluster, small_run, tmp_path):
    same_table_on_the_cluster(small_run[0], tmp_path, SMALL)


@pytest.mark.full
def test_a_cluster_gives_the_table_of_the_smoke_test(cluster, smoke_run, tmp_path):
    same_table_on_the_cluster(smoke_run[0], tmp_path, SMOKE)


@pytest.mark.full
def test_a_cluster_gives_the_default_table(cluster, tmp_path):
    for place in ("local", "cluster"):
        (tmp_path / place).mkdir()
    config = ROOT / "config.yaml"
    snakemake(tmp_path / "local", TABLE, config=config)
    same_table_on_the_cluster(tmp_path / "local", tmp_path / "cluster", config)


def test_a_job_killed_for_its_memory_is_tried_again_with_more(cluster, tmp_path):
    done = on_cluster(tmp_path, "hungry.txt", snakefile=ROOT / "tests/cluster/hungry.smk")
    assert done.returncode == 0, done.stdout + done.stderr
    allowed, held = map(int, (tmp_path / "hungry.txt").read_text().split())
    assert held == 500_000_000
    assert allowed in (int(450 * 1.5), int(450 * 1.5**2))
    assert "Error in rule hungry" in done.stdout + done.stderr
