"""Architectures are known without an import of OpenCLIP, and are those that it lists."""

import subprocess
import sys

import pytest

from dejavu.config import architectures


def test_names_are_those_that_open_clip_lists():
    # In a process of its own: other tests give OpenCLIP architectures of theirs.
    command = "import open_clip; print(*sorted(open_clip.list_models()))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, check=True)
    assert architectures.known() == tuple(done.stdout.decode().split())


def test_nothing_is_refused_where_open_clip_is_not_installed(monkeypatch):
    monkeypatch.setattr(architectures, "find_spec", lambda name: None)
    monkeypatch.setattr(architectures, "known", architectures.known.__wrapped__)
    architectures.check("x", "no such name")


@pytest.mark.parametrize("name", ["ViT-B-32", "ViT-L-14-quickgelu"])
def test_known_names_pass(name):
    architectures.check("x", name)
