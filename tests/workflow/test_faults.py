"""Faults end in one sentence, and once mended a plain rerun ends with the same results."""

import os
import shutil
import signal
import subprocess
import time

import numpy as np
import psutil
import pytest

from dejavu.errors import InputError
from dejavu.files import seals
from dejavu.files.csv import read_csv
from dejavu.files.embeddings import read_embeddings
from dejavu.files.facts import read_json
from dejavu.files.neighbors import read_neighbors
from dejavu.files.parquet import read_parquet
from dejavu.files.weights import read_settings
from dejavu.search.indexes import read_index
from tests.conftest import SMALL, jobs_of, runs, snakemake, snakemake_command

TABLE = "results/tables/vlm_ppg.csv"
TAR = "results/vlm/scenes/world/0000.tar"


@pytest.fixture
def finished(small_run, tmp_path):
    """A copy of a finished run, to be harmed."""
    folder = tmp_path / "copy"
    shutil.copytree(small_run[0], folder, symlinks=True)
    return folder


def content(path):
    """What a job reads from a file of another job, comparable; None where none does."""
    kind = path.parts[path.parts.index("results") + 2]
    if kind == "embeddings":
        found = read_embeddings(path)
        return found.samples.tolist(), found.vectors.tolist(), found.metadata
    if kind == "neighbors":
        found = read_neighbors(path)
        return found.samples.tolist(), found.neighbors.tolist(), found.scores.tolist()
    if path.suffix == ".faiss":
        found = read_index(path)
        return found.numbers.tolist(), found.vectors.tolist(), found.metadata
    if path.suffix == ".tar":
        seals.check_end(path)
        return path.read_bytes()
    if path.suffix == ".safetensors":
        return read_settings(path.with_name("open_clip_config.json"), path)
    if path.name == "open_clip_config.json":
        return read_settings(path, path.with_name("open_clip_model.safetensors"))
    if path.name.startswith("training.csv"):
        return read_csv(str(path).removesuffix("-metadata.json"), None).rows()
    if path.suffix == ".json":
        return read_json(path)
    return read_parquet(path) if path.suffix == ".parquet" else None


def between_stages(folder):
    """One file of each kind that jobs hand on, and another one of its kind, if there is one."""
    kinds = {}
    for path in sorted((folder / "results/vlm").rglob("*")):
        if path.suffix in (".parquet", ".faiss", ".json", ".csv", ".safetensors", ".tar"):
            kind = (path.parts[path.parts.index("results") + 2], *path.suffixes, len(path.parts))
            kinds.setdefault(kind, []).append(path)
    return [(paths[0], paths[-1]) for paths in kinds.values()]


def harmed(whole, other, places):
    """A file's bytes, cut off, replaced and with single bits flipped."""
    yield "emptied", b""
    for part in (0.3, 0.9):
        yield f"cut off at {part}", whole[: int(len(whole) * part)]
    yield "cut off by a byte", whole[:-1]
    yield "overwritten", bytes(len(whole))
    if other != whole:
        yield "replaced", other
    for place in places:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        yield f"bit of byte {place} flipped", bytes(flipped)


def test_no_harm_to_any_file_between_stages_goes_unseen(finished):
    rng = np.random.default_rng(0)
    files = between_stages(finished)
    assert len(files) >= 10
    for path, other in files:
        whole, right = path.read_bytes(), content(path)
        assert right is not None, path
        # Many places in the last kilobyte, where Parquet's footers and indexes' provenance lie.
        size = len(whole)
        places = [*rng.integers(size, size=6), *(size - 1 - rng.integers(min(size, 1000), size=12))]
        for what, bytes_left in harmed(whole, other.read_bytes(), map(int, places)):
            path.write_bytes(bytes_left)
            try:
                found = content(path)
            except InputError as error:
                assert path.name in str(error) and "\n" not in str(error), (path, what)
                continue
            assert found == right, (path, what)
        path.write_bytes(whole)
        assert content(path) == right


def flip(path):
    """Change one bit in the middle of a file."""
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(bytes(whole))


def cut(path):
    """Cut a file off."""
    path.write_bytes(path.read_bytes()[:-300])


def test_faults_of_three_stages_are_three_sentences_and_mended_give_the_same_table(finished):
    results = finished / "results/vlm"
    table = (finished / TABLE).read_bytes()
    index = results / "index/minilm/caption/0000.faiss"
    ranking = results / "neighbors/clip_a_s0/t2i/target/0000.parquet"
    embeddings = results / "embeddings/clip_a_s0/caption/control/0000.parquet"
    shutil.copyfile(results / "index/clip_a_s0/image/0000.faiss", index)
    flip(ranking)
    cut(embeddings)
    done = snakemake(finished, TABLE, "--keep-going", config=SMALL, check=False)
    assert done.returncode and "Traceback" not in done.stdout + done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    for path, sentence in {
        index: "or the file of another model",
        ranking: "does not hold what was written to it",
        embeddings: "cannot be read as Parquet",
    }.items():
        name = str(path.relative_to(finished))
        assert any(name in line and sentence in line for line in told), (name, told)
        # As the sentence says.
        path.unlink()
    snakemake(finished, TABLE, config=SMALL)
    assert (finished / TABLE).read_bytes() == table


def test_a_deleted_shard_is_made_again_and_nothing_else(finished):
    (finished / TABLE).unlink()
    (finished / "results/vlm/recovered/clip_a_s0/t2i/target/0000.parquet").unlink()
    planned = jobs_of(snakemake(finished, TABLE, "-n", config=SMALL))
    assert planned == {"recover_objects": 1, "vlm_ppg": 1}


@pytest.fixture
def small_disk(tmp_path):
    """A disk of half a megabyte for the results; a function mounts it anew, otherwise."""
    results = tmp_path / "results"
    results.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(results)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = mount("size=512k") if os.geteuid() == 0 and shutil.which("mount") else None
    if done is None or done.returncode:
        pytest.skip(f"no disk can be mounted: {done.stderr.strip() if done else 'not root'}")
    yield mount
    subprocess.run(["umount", str(results)], check=True)


def test_a_full_disk_and_a_read_only_one_are_told_and_mended_go_on(small_disk, tmp_path):
    full = snakemake(tmp_path, TAR, config=SMALL, check=False)
    assert full.returncode and "Traceback" not in full.stdout + full.stderr
    assert f"Error: {TAR} can't be written (No space left on device)" in full.stderr
    assert small_disk("remount,size=64m,ro").returncode == 0
    locked = snakemake(tmp_path, TAR, config=SMALL, check=False)
    assert locked.returncode and "Traceback" not in locked.stdout + locked.stderr
    assert f"The folder {tmp_path}/results can't be written to" in locked.stdout + locked.stderr
    assert small_disk("remount,size=64m,rw").returncode == 0
    snakemake(tmp_path, TAR, config=SMALL)
    assert (tmp_path / TAR).is_file()


def test_a_job_that_the_system_kills_is_told_with_its_remedy(tmp_path):
    run = subprocess.Popen(
        snakemake_command(tmp_path, TAR, config=SMALL),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
    )
    parent, struck, end = psutil.Process(run.pid), False, time.monotonic() + 120
    while not struck and run.poll() is None and time.monotonic() < end:
        for process in parent.children(recursive=True):
            # As the system does when memory runs out: the largest process, and no warning.
            if runs(process, "generate_scenes.py"):
                process.send_signal(signal.SIGKILL)
                struck = True
        time.sleep(0.02)
    said, _ = run.communicate(timeout=120)
    assert struck and run.returncode
    assert "A job of the rule generate_scenes (results/logs/generate_scenes/world.0000.log)" in said
    assert "--set-resources generate_scenes:mem_mb=N" in said
    snakemake(tmp_path, TAR, config=SMALL)
    assert (tmp_path / TAR).is_file()
