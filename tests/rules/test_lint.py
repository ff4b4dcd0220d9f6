"""What Snakemake's own linter says of the workflow."""

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

# A function that serves one rule file stands in it, where it is read; the linter, which can't be
# told so, wants all functions in files of their own.
MEANT = {"Mixed rules and functions in same snakefile."}


@pytest.mark.slow
def test_the_linter_finds_nothing_that_is_not_meant():
    command = [sys.executable, "-m", "snakemake", "--lint"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    titles = re.findall(r"^    \* (.+?):?$", said, re.M)
    assert titles, said
    assert set(titles) == MEANT
