"""Runs Snakemake for tests: every run is a fork of a process that has imported it.

Reads one call a line, as JSON: `words`, `folder`, `environment`, and the files that take what it
prints. Answers with one line, the exit status. Scripts of jobs are run by `jobs.py`.
"""

import json
import os
import socket
import subprocess
import sys
from contextlib import nullcontext
from functools import cache
from pathlib import Path

from snakemake.benchmark import benchmarked
from snakemake.cli import main
from snakemake.script import PythonScript

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from dejavu.config import reruns

SCRIPTS = Path(sys.path[0])
# The scripts don't change while tests run: their hashes are taken once.
for script in SCRIPTS.glob("*.py"):
    reruns.code_version(SCRIPTS, script.name)
# As Snakemake sets them for a script.
THREADS = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")


@cache
def jobs():
    """The socket of the process that runs scripts."""
    here, there = socket.socketpair(type=socket.SOCK_SEQPACKET)
    command = [sys.executable, "-P", str(Path(__file__).with_name("jobs.py"))]
    # What packages print when they are imported is no answer.
    subprocess.Popen(command, stdin=there, stdout=subprocess.DEVNULL)
    there.close()
    return here


def execute_script(self, fname, edit=False):
    """Run a job's script, in the place of `PythonScript.execute_script`."""
    environment = dict(os.environ)
    environment |= {f"{name}_NUM_THREADS": str(self.threads) for name in THREADS}
    environment |= dict.fromkeys(("TMPDIR", "TMP", "TEMPDIR", "TEMP"), self.resources.tmpdir)
    place = str(Path(fname).absolute())
    call = {"script": place, "folder": str(Path.cwd()), "environment": environment}
    reading, writing = os.pipe()
    socket.send_fds(jobs(), [json.dumps(call).encode()], [1, 2, writing])
    os.close(writing)
    with os.fdopen(reading) as answers:
        process = int(answers.readline())
        is_measured = self.bench_record is not None
        with benchmarked(process, self.bench_record) if is_measured else nullcontext():
            status = int(answers.readline())
    if status:
        raise subprocess.CalledProcessError(status, f"{sys.executable} {place}")


PythonScript.execute_script = execute_script


def run(call):
    """Do what the command line would; this process is a fork's."""
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(call["environment"])
    for descriptor, path in enumerate((os.devnull, call["stdout"], call["stderr"])):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), descriptor)
    sys.argv = call["words"]
    main()


for line in sys.stdin:
    call = json.loads(line)
    if "-n" not in call["words"]:
        # Before the fork: all share one.
        jobs()
    if not (child := os.fork()):
        run(call)
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
