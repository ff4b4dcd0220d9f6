"""Runs scripts of jobs as forks of a process that has imported the packages that they import.

An import of PyTorch takes longer than most jobs. Of the workflow's own modules none is kept: each
job imports them anew. There is a process for each number of threads, which libraries take from the
environment when they are imported. Standard library only.

As a program it takes one request a message from the socket that is its standard input, as JSON:
`script`, `folder`, `environment`, and `packages`, which it imports first. With it come the
descriptors of the job's output, of its errors and of a pipe, which gets the job's process number
and, at its end, its exit status, a line each.
"""

import atexit
import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

# As Snakemake sets them for a script.
THREADS = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")
FOLDERS = ("TMPDIR", "TMP", "TEMPDIR", "TEMP")
LONGEST_MESSAGE = 1 << 20
# What glibc reads when a process starts (mallopt(3)), in bytes. A network's activations would else
# go back to the system layer by layer, and come back page by page. Larger blocks, as of a shard,
# still go back at once.
KEEPING = {"MALLOC_MMAP_THRESHOLD_": f"{2**27}", "MALLOC_TRIM_THRESHOLD_": f"{2**29}"}

_processes: dict[int, socket.socket] = {}
_starting = threading.Lock()


def process_for(threads: int) -> socket.socket:
    """The socket of the process whose libraries run that many threads, started if there is none."""
    with _starting:
        if threads not in _processes:
            here, there = socket.socketpair(type=socket.SOCK_SEQPACKET)
            numbers = {f"{name}_NUM_THREADS": str(threads) for name in THREADS}
            # What packages print when they are imported is nobody's.
            subprocess.Popen(
                [sys.executable, "-P", __file__],
                stdin=there.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **numbers},
            )
            there.close()
            _processes[threads] = here
        return _processes[threads]


def run_script(
    script: str | Path,
    packages: Sequence[str],
    threads: int,
    temporary: str,
    measured: Callable[[int], AbstractContextManager[Any]],
) -> None:
    """Run a script in this folder, as `python script` would, and wait for its end.

    Args:
        script: its path.
        packages: that the process imports before it forks, where it has not.
        threads: of its libraries.
        temporary: folder for its temporary files.
        measured: is given the script's process number, and entered as long as it runs.

    Raises:
        CalledProcessError: it failed, or was killed, or the process that was to fork it was.
    """
    numbers = {f"{name}_NUM_THREADS": str(threads) for name in THREADS}
    call = {
        "script": str(Path(script).absolute()),
        "folder": str(Path.cwd()),
        "environment": {**os.environ, **numbers, **dict.fromkeys(FOLDERS, temporary)},
        "packages": list(packages),
    }
    reading, writing = os.pipe()
    try:
        socket.send_fds(process_for(threads), [json.dumps(call).encode()], [1, 2, writing])
    finally:
        os.close(writing)
    status = None
    with os.fdopen(reading) as answers:
        number = answers.readline()
        if number:
            with measured(int(number)):
                status = answers.readline()
    if not status:
        with _starting:
            _processes.pop(threads, None)
    if not status or int(status):
        raise subprocess.CalledProcessError(
            int(status or -signal.SIGKILL), f"{sys.executable} {call['script']}"
        )


def _run(call: dict[str, Any], output: int, errors: int) -> None:
    """Do what `python script` would; this process is a fork's."""
    # What `top` and `ps -o comm` show: the script's name, without what Snakemake puts before it.
    called = Path(call["script"]).stem.rpartition(".")[2]
    Path("/proc/self/comm").write_bytes(called.encode())
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(call["environment"])
    for descriptor, target in enumerate((os.open(os.devnull, os.O_RDONLY), output, errors)):
        os.dup2(target, descriptor)
    # What imported packages drew, or took from the environment, before it was this job's.
    tempfile.tempdir = None
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    sys.path.insert(0, str(Path(call["script"]).parent))
    sys.argv = [call["script"]]
    runpy.run_path(call["script"], run_name="__main__")


def _status_of(call: dict[str, Any], output: int, errors: int) -> int:
    """Run a job; its exit status, as Python gives it."""
    try:
        _run(call, output, errors)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _look_after(call: dict[str, Any], output: int, errors: int, answers: int) -> None:
    """Start a job and tell its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if not (job := os.fork()):
        os.close(answers)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        status = _status_of(call, output, errors)
        atexit._run_exitfuncs()
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        # Taking all packages down again takes longer than most jobs.
        os._exit(status)
    os.write(answers, f"{job}\n".encode())
    end = os.waitid(os.P_PID, job, os.WEXITED | os.WNOWAIT)
    assert end is not None
    status = end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
    with suppress(BrokenPipeError):
        os.write(answers, f"{status}\n".encode())
    # Who asked may still look at the process, as at one of its own that it has not waited for.
    asker = select.poll()
    asker.register(answers, 0)
    asker.poll()


def _import(packages: Sequence[str]) -> None:
    """Import packages; what can't be imported is the job's to tell."""
    for name in packages:
        if name not in sys.modules:
            with suppress(Exception):
                importlib.import_module(name)
    gc.collect()
    gc.freeze()


def serve(requests: socket.socket) -> None:
    """Start a job for each request, until whoever asks is gone."""
    # No zombies; and an interrupt is for the jobs.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        message, descriptors, *_ = socket.recv_fds(requests, LONGEST_MESSAGE, 3)
        if not message:
            return
        call = json.loads(message)
        _import([name for name in call["packages"] if name not in sys.modules])
        if not os.fork():
            requests.close()
            _look_after(call, *descriptors)
            os._exit(0)
        for each in descriptors:
            os.close(each)


if __name__ == "__main__":
    serve(socket.socket(fileno=os.dup(0)))
