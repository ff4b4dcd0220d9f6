"""What is asked of the run that times encoders, and how it ends."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from dejavu.costs import configs, timing
from dejavu.costs.jobs import Job, Sizes
from dejavu.costs.pilots import Pilot
from dejavu.errors import InputError

SMOKE = configs.BASE / "tests/workflow/smoke.yaml"
EMBEDDED = "results/vlm/embeddings/{model}/image/{name}/0000.parquet"


def pilot(folder):
    """A finished run with samples, and with what no encoder reads."""
    for name in ("results/vlm/records/target/0000.parquet", ".snakemake/metadata/record"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("kept")
    for name in ("results/vlm/embeddings/other/0000.parquet", "results/tables/t.csv", "data/big"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("left")
    given = yaml.safe_load(SMOKE.read_text())
    sizes = {"vlm": Sizes({"target": [10], "public": [90, 90]}, {})}
    return Pilot(folder, given, configs.completed(SMOKE), sizes, [])


def planned(folder, models):
    """The completed config of a run with other models; where weights may be fetched."""
    given = yaml.safe_load(SMOKE.read_text())
    given["allow_download"] = True
    given["vlm"]["embedding"] = {"batch": 7}
    given["vlm"]["models"] |= models
    path = folder / "planned.yaml"
    path.write_text(yaml.safe_dump(given))
    return configs.completed(path)


def embedding(model, name="target"):
    """A job that embeds images of a set."""
    path = EMBEDDED.format(model=model, name=name)
    return Job("embed_transformers", (), (path,), "", {"model": model, "set": name})


HUB = {"kind": "transformers", "model": "owner/name"}


def test_models_are_timed_as_the_planned_run_has_them(tmp_path, monkeypatch):
    asked = {}

    def run(command):
        folder = Path(command[command.index("--directory") + 1])
        asked["command"] = command
        asked["config"] = yaml.safe_load(Path(command[-1]).read_text())
        folders = (path for path in folder.rglob("*") if path.is_dir())
        asked["modes"] = {path.stat().st_mode & 0o777 for path in folders}
        asked["files"] = {str(path.relative_to(folder)) for path in folder.rglob("*.*")}
        return 1

    monkeypatch.setattr(timing, "_run", run)
    # One by a name that the pilot has.
    config = planned(tmp_path, {"hub": HUB, "minilm": HUB})
    jobs = [embedding("hub"), embedding("minilm", "public")]
    run_of_pilot = pilot(tmp_path / "pilot")
    # Somebody's finished run may be read-only.
    (tmp_path / "pilot/results/vlm/records/target").chmod(0o555)
    with pytest.raises(InputError, match=r"vlm\.models: hub, minilm could not be timed"):
        timing.timed(run_of_pilot, "vlm", config, jobs, with_gpu=False)
    assert asked["modes"] == {0o700}
    assert asked["config"]["allow_download"] is True
    assert asked["config"]["vlm"]["embedding"]["batch"] == 7
    models = asked["config"]["vlm"]["models"]
    assert models["hub"]["kind"] == models["minilm_timed"]["kind"] == "transformers"
    assert models["minilm"]["kind"] == "sentence_transformers"
    for model in ("hub", "minilm_timed"):
        for name in ("target", "public"):
            assert EMBEDDED.format(model=model, name=name) in asked["command"]
    assert "results/vlm/records/target/0000.parquet" in asked["files"]
    assert not [path for path in asked["files"] if "embeddings" in path or "tables" in path]


def test_nothing_is_run_where_the_pilot_has_no_samples_of_what_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "_run", lambda command: pytest.fail("it ran"))
    settings = {"kind": "clip_retrieval", "path": str(tmp_path), "encoder": "e"}
    config = planned(tmp_path, {"given": settings})
    jobs = [embedding("given", "control")]
    run = pilot(tmp_path / "pilot")
    assert timing.timed(run, "vlm", config, jobs, with_gpu=False) == []


def test_a_disk_that_is_full_is_told_in_a_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(timing.shutil, "copy2", full)
    config = planned(tmp_path, {"hub": HUB})
    told = r"pilot can't be copied to \S+ \(.*No space left on device.*\): free some space there"
    with pytest.raises(InputError, match=told):
        timing.timed(pilot(tmp_path / "pilot"), "vlm", config, [embedding("hub")], with_gpu=False)


SLOW = """
import pathlib, signal, sys, time
place = pathlib.Path(sys.argv[1])
def end(*_):
    signal.signal(signal.SIGINT, lambda *_: (place / "twice").touch())
    time.sleep(0.6)
    (place / "ended").touch()
    sys.exit(1)
signal.signal(signal.SIGINT, end)
(place / "started").touch()
time.sleep(60)
"""
WAITING = """
import sys
from dejavu.costs import timing
timing.ENDING = 1
timing._run([sys.executable, "-c", sys.argv[1], sys.argv[2]])
"""


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["alone", "as a terminal does"])
def test_a_run_that_is_interrupted_ends_before_its_folder_goes(tmp_path, send):
    command = [sys.executable, "-c", WAITING, SLOW, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(configs.BASE / "scripts")}
    given = {"env": environment, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(command, **given) as process:
        end = time.monotonic() + 30
        while not (tmp_path / "started").exists() and time.monotonic() < end:
            time.sleep(0.05)
        send(process.pid, signal.SIGINT)
        told = process.stderr.read()
    assert re.search("KeyboardInterrupt", told)
    assert (tmp_path / "ended").exists()
    assert not (tmp_path / "twice").exists()
