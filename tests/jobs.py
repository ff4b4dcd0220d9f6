"""Runs scripts of jobs for tests: every job is a fork of a process that has imported packages.

Of the repository's own modules none is kept: each job imports them anew. Takes one request a
message from the socket that is its standard input, as JSON: `script`, `folder`, `environment`. With
it come the descriptors of the job's output, of its errors and of a pipe, which gets the job's
process number and, at its end, its exit status, a line each.
"""

import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np
import threadpoolctl
from snakemake import script  # noqa: F401  What Snakemake puts before each script imports it.

SCRIPTS = Path(__file__).parents[1] / "scripts"


def run(call, output, errors):
    """Do what `python script` would; this process is a fork's."""
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(call["environment"])
    for descriptor, target in enumerate((os.open(os.devnull, os.O_RDONLY), output, errors)):
        os.dup2(target, descriptor)
    # What imported packages took from the environment, or drew, before it was this job's.
    threadpoolctl.threadpool_limits(int(os.environ["OMP_NUM_THREADS"]))
    tempfile.tempdir = None
    random.seed()
    np.random.seed()  # noqa: NPY002
    sys.path.insert(0, str(Path(call["script"]).parent))
    sys.argv = [call["script"]]
    runpy.run_path(call["script"], run_name="__main__")


def status_of(call, output, errors):
    """Run a job; its exit status, as Python gives it."""
    try:
        run(call, output, errors)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def look_after(call, output, errors, answers):
    """Start a job and tell its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if not (job := os.fork()):
        os.close(answers)
        status = status_of(call, output, errors)
        sys.stdout.flush()
        sys.stderr.flush()
        # Taking all packages down again takes longer than most jobs.
        os._exit(status)
    os.write(answers, f"{job}\n".encode())
    end = os.waitid(os.P_PID, job, os.WEXITED | os.WNOWAIT)
    status = end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
    os.write(answers, f"{status}\n".encode())
    # Who asked may still look at the process, as at one of its own that it has not waited for.
    asker = select.poll()
    asker.register(answers, 0)
    asker.poll()


def serve(requests):
    """Start a job for each request."""
    while True:
        message, descriptors, *_ = socket.recv_fds(requests, 1 << 20, 3)
        if not message:
            return
        if not os.fork():
            look_after(json.loads(message), *descriptors)
            os._exit(0)
        for each in descriptors:
            os.close(each)


if __name__ == "__main__":
    sys.path.insert(0, str(SCRIPTS))
    for path in sorted(SCRIPTS.glob("*.py")):
        importlib.import_module(path.stem)
    del sys.path[0]
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(f"{SCRIPTS}/"):
            del sys.modules[name]
    gc.collect()
    gc.freeze()
    # No zombies.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    serve(socket.socket(fileno=os.dup(0)))
