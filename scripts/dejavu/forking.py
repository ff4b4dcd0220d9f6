"""Runs scripts of jobs as forks of a process that has imported the packages that they import.

An import of PyTorch takes longer than most jobs. Of the workflow's own modules none is kept: each
job imports them anew. There is a process for each number of threads, which libraries take from the
environment when they are imported. Standard library only.

As a program it takes one request a message from the socket that is its standard input, as JSON:
`script`, `folder`, `environment`, and `packages`, which it imports first. With it come the
descriptors of the job's output, of its errors and of a pipe, which gets the job's exit status, CPU
seconds and peak of memory, at its end.
"""

import atexit
import gc
import importlib
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Used:
    """What a job used: CPU seconds, and megabytes (2^20 bytes) of memory at its peak."""

    cpu_seconds: float
    megabytes: float


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


def has_gpu() -> bool:
    """Whether this machine has a GPU of NVIDIA, by its files: no fork survives the driver."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def run_script(
    script: str | Path,
    packages: Sequence[str],
    threads: int,
    temporary: str,
) -> Used:
    """Run a script in this folder, as `python script` would, and tell at its end what it used.

    Args:
        script: its path.
        packages: that the process imports before it forks, where it has not.
        threads: of its libraries.
        temporary: folder for its temporary files.

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
    with os.fdopen(reading) as answers:
        answer = answers.read()
    if not answer:
        with _starting:
            _processes.pop(threads, None)
    status, seconds, megabytes = json.loads(answer or f"[{-signal.SIGKILL}, 0, 0]")
    if status:
        raise subprocess.CalledProcessError(status, f"{sys.executable} {call['script']}")
    return Used(seconds, megabytes)


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
    """Start a job and tell its end, and what it used."""
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
    _, status, used = os.wait4(job, 0)
    told = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    with suppress(BrokenPipeError):
        os.write(answers, json.dumps(told).encode())


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
