"""Runs Snakemake for tests: every run is a fork of a process that has imported it.

Reads one call a line, as JSON: `words`, `folder`, `environment`, and the files that take what it
prints. Answers with one line, the exit status. All runs share the processes that their jobs fork
from.
"""

import json
import os
import sys
from pathlib import Path

from snakemake.cli import main

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from dejavu import forking
from dejavu.config import reruns

SCRIPTS = Path(sys.path[0])
# The scripts don't change while tests run: their hashes are taken once.
for script in SCRIPTS.glob("*.py"):
    reruns.code_version(SCRIPTS, script.name)


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
        # Before the fork: all share them.
        for threads in (1, 2):
            forking.process_for(threads)
    if not (child := os.fork()):
        run(call)
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
