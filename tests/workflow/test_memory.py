"""Peak memory of search, predictions and tables does not grow with the number of shards."""

import json
import os
import subprocess
import sys

import pytest

from dejavu.scores import recovered
from tests.conftest import ROOT
from tests.scale import jobs, synthetic

TARGET = synthetic.Model("a", 96, "t2i")
REFERENCE = synthetic.Model("text", 96, "t2t", noise=1.5)
FEW, MANY = 1, 8
LIMIT = 1.15
# So large that a stage that held eight shards would be over the limit.
SEARCHED_ROWS, PUBLIC_ROWS, TARGET_ROWS, QUERIES = 30_000, 40_000, 60_000, 400
PEAK = """
import json, sys
from tests.scale import jobs
jobs.run(sys.argv[1], json.loads(sys.argv[2]))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak(script, job, folder):
    """Peak resident memory of a script in a process of its own, kB."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "scripts")])
    done = subprocess.run(
        [sys.executable, "-c", PEAK, script, json.dumps(job)],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def ratio(script, job_of, folder):
    """Peak with many shards over that with few."""
    few, many = (peak(script, job_of(count), folder) for count in (FEW, MANY))
    print(f"{script}: {few / 1000:.0f} MB with {FEW} shard, {many / 1000:.0f} MB with {MANY}")
    return many / few


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """One small shard of queries, and public shards."""
    folder = tmp_path_factory.mktemp("public")
    queries, searched = [QUERIES], [SEARCHED_ROWS] * MANY
    synthetic.write_vocabulary(folder)
    synthetic.write_samples(folder, "target", queries)
    synthetic.write_samples(folder, "public", [PUBLIC_ROWS] * MANY)
    synthetic.write_embeddings(folder, TARGET, "caption", "target", queries)
    synthetic.write_embeddings(folder, TARGET, "image", "public", searched)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for shard in range(MANY):
            jobs.run("build_index", jobs.build_index(TARGET, shard))
    return folder


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    """Shards of targets and what two models recover."""
    folder = tmp_path_factory.mktemp("targets")
    shards = [TARGET_ROWS] * MANY
    settings = recovered.settings(jobs.KS, jobs.PREDICT, jobs.OBJECTS)
    for model in (TARGET, REFERENCE):
        synthetic.write_recovered(folder, model, "target", shards, settings)
    synthetic.write_samples(folder, "target", shards, objects=2)
    return folder


def test_memory_of_the_search_depends_on_a_public_shard(public):
    def job(count):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(public)
            jobs.run("list_shards", jobs.list_indexes(TARGET, {"public": count}))
        return jobs.find_neighbors(TARGET, "target", 0)

    assert ratio("find_neighbors", job, public) <= LIMIT


def test_memory_of_predictions_depends_on_a_shard_and_k(public):
    def job(count):
        synthetic.write_neighbors(public, TARGET, "target", [QUERIES], [PUBLIC_ROWS] * count, 100)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(public)
            jobs.run("list_shards", jobs.list_samples({"public": count}))
        return jobs.recover_objects(TARGET, "target", 0, {"target": 1})

    assert ratio("recover_objects", job, public) <= LIMIT


@pytest.mark.parametrize("name", ["vlm_ppg", "vlm_samples", "vlm_agreement", "vlm_memorized"])
def test_memory_of_tables_depends_on_a_shard(name, targets):
    def job(count):
        return jobs.table(name, TARGET, REFERENCE, {"target": count, "public": 1})

    assert ratio(name, job, targets) <= LIMIT
