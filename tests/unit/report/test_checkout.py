"""What git tells of the workflow, and what is told where there is no git."""

import shutil
import subprocess

import pytest

from dejavu.report import checkout

UNKNOWN = {"commit": None, "clean": None}
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


@pytest.fixture
def repository(tmp_path):
    """A checkout with one commit, and that commit."""
    folder = tmp_path / "workflow"
    (folder / "inside").mkdir(parents=True)
    (folder / "inside/file").write_text("one")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    written = (folder / ".git/refs/heads").rglob("*")
    [head] = [path.read_text().strip() for path in written if path.is_file()]
    return folder, head


@needs_git
def test_a_commit_is_told_with_whether_tracked_files_are_those_of_it(repository, monkeypatch):
    folder, head = repository
    assert checkout.facts(folder) == {"commit": head, "clean": True}
    (folder / "results").touch()
    assert checkout.facts(folder) == {"commit": head, "clean": True}
    # As a hook of another repository has it.
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert checkout.facts(folder) == {"commit": head, "clean": True}
    (folder / "inside/file").write_text("two")
    assert checkout.facts(folder) == {"commit": head, "clean": False}


@needs_git
def test_a_copy_inside_of_another_repository_does_not_take_its_commit(repository, tmp_path):
    assert checkout.facts(repository[0] / "inside") == UNKNOWN
    assert checkout.facts(tmp_path) == UNKNOWN
    assert checkout.facts(tmp_path / "missing") == UNKNOWN


@needs_git
def test_a_repository_without_a_commit_has_none(tmp_path):
    subprocess.run(["git", "-C", str(tmp_path), "init", "-q"], check=True)
    assert checkout.facts(tmp_path)["commit"] is None


def test_without_git_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checkout.facts() == UNKNOWN
