"""Scripts of jobs as forks, compared with what `python script` does."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dejavu import forking


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to run scripts in, with processes of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(forking, "_processes", {})
    yield tmp_path
    for each in forking._processes.values():
        each.close()


def run(folder, lines, packages=(), threads=1):
    """Run lines as a script."""
    script = folder / "job.py"
    script.write_text(lines)
    return forking.run_script(script, packages, threads, str(folder / "temporary"))


def test_a_job_sees_what_a_process_of_its_own_would(folder, monkeypatch):
    monkeypatch.setenv("TOLD", "here")
    (folder / "beside.py").write_text("VALUE = 1")
    lines = """
import json, os, sys, beside
names = ("TOLD", "OMP_NUM_THREADS", "TMPDIR")
facts = [os.getcwd(), sys.argv, __name__, beside.VALUE, *map(os.environ.get, names)]
facts += ["polars" in sys.modules, sys.stdin.read()]
facts += [open("/proc/self/comm").read()]
with open("facts.json", "w") as file:
    json.dump(facts, file)
"""
    run(folder, lines, threads=3)
    facts = json.loads((folder / "facts.json").read_text())
    script = str(folder / "job.py")
    told = [str(folder), [script], "__main__", 1, "here", "3", str(folder / "temporary")]
    assert facts == [*told, False, "", "job\n"]
    # An edited module of the workflow counts; packages that are asked for are there.
    (folder / "beside.py").write_text("VALUE = 22")
    run(folder, lines, packages=["polars", "no_such_package"], threads=3)
    facts = json.loads((folder / "facts.json").read_text())
    assert facts[3] == 22
    assert facts[7]


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("raise SystemExit(3)", 3),
        ("raise ValueError('no')", 1),
        ("import sys; sys.exit('told')", 1),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
    ],
)
def test_a_job_that_fails_fails_as_its_own_process_would(folder, lines, status, capfd):
    with pytest.raises(subprocess.CalledProcessError) as failure:
        run(folder, lines)
    alone = subprocess.run(
        [sys.executable, str(folder / "job.py")], capture_output=True, text=True, check=False
    )
    assert failure.value.returncode == alone.returncode == status
    said = capfd.readouterr().err
    assert said.splitlines()[-1:] == alone.stderr.splitlines()[-1:]


def test_what_a_job_used_is_told_with_what_its_own_processes_used(folder):
    busy = "import time\nwhile time.process_time() < .3: pass"
    lines = f"""
import subprocess, sys
held = bytearray(b"x") * (200 * 2**20)
subprocess.run([sys.executable, "-c", {busy!r}], check=True)
{busy}
"""
    used = run(folder, lines)
    assert 0.6 <= used.cpu_seconds < 3
    assert 200 < used.megabytes < 300
    assert run(folder, "").megabytes < 100


def test_what_ends_with_a_process_ends_with_a_job(folder):
    lines = "import atexit; atexit.register(open('ended', 'w').write, 'yes')"
    run(folder, lines)
    assert (folder / "ended").read_text() == "yes"


def test_jobs_draw_anew_and_can_be_interrupted(folder):
    lines = """
import random, signal, numpy
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
open('drawn', 'a').write(f'{random.random()} {numpy.random.random()}\\n')
"""
    for _ in range(3):
        run(folder, lines, packages=["numpy"])
    drawn = (folder / "drawn").read_text().split()
    assert len(set(drawn)) == 6


PARENTS = """
import os
after = os.getppid()
process = int(open(f'/proc/{after}/stat').read().rpartition(')')[2].split()[1])
"""


def test_where_the_process_is_killed_the_job_fails_and_the_next_has_another(folder):
    # Whoever looks after a job is a fork of the process, too.
    lines = f"{PARENTS}\nfor each in (after, process): os.kill(each, 9)"
    with pytest.raises(subprocess.CalledProcessError) as failure:
        run(folder, lines)
    assert failure.value.returncode == -signal.SIGKILL
    run(folder, "open('again', 'w').write('yes')")
    assert (folder / "again").read_text() == "yes"


def test_the_process_ends_with_whoever_asked(folder):
    lines = """
import sys
from dejavu import forking
forking.run_script(sys.argv[1], [], 1, '.')
"""
    (folder / "job.py").write_text(f"{PARENTS}\nopen('process', 'w').write(str(process))")
    scripts = Path(forking.__file__).parents[1]
    words = [sys.executable, "-c", lines, str(folder / "job.py")]
    subprocess.run(words, env={**os.environ, "PYTHONPATH": str(scripts)}, check=True)
    process = Path("/proc", (folder / "process").read_text())
    deadline = time.monotonic() + 20
    while process.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not process.exists()


def test_a_job_keeps_the_memory_that_a_network_frees(folder, monkeypatch):
    lines = """
import json, resource
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for size in (60, 80, 70, 100, 60, 80):
    bytearray(size << 20)
with open("faults.json", "w") as file:
    json.dump(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, file)
"""
    faults = {}
    for keeping in (False, True):
        monkeypatch.setattr(forking, "_processes", {})
        for name, value in forking.KEEPING.items():
            if keeping:
                monkeypatch.setenv(name, value)
            else:
                monkeypatch.delenv(name, raising=False)
        run(folder, lines)
        faults[keeping] = json.loads((folder / "faults.json").read_text())
    # Pages of 4 kB: 100 MB of them once, where 450 MB came and went.
    assert faults[True] < 110 * 256 < 400 * 256 < faults[False]
