"""The pip locks and the conda environment hold one and the same set of pins."""

from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENVS = Path(__file__).parents[2] / "envs"


def requirements(name):
    """Return the requirements of a file by package name; options such as `-c` stay out."""
    lines = (line.partition("#")[0].strip() for line in (ENVS / name).read_text().splitlines())
    return by_name(line for line in lines if line and not line.startswith("-"))


def by_name(lines):
    parsed = [Requirement(line) for line in lines]
    named = {canonicalize_name(requirement.name): requirement for requirement in parsed}
    assert len(named) == len(parsed), "a package is listed twice"
    return named


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_lock_satisfies_its_requirements(name):
    lock = requirements(f"{name}.lock")
    for package, wanted in requirements(f"{name}.in").items():
        assert package in lock, f"{package} is not locked: run `make lock`"
        [pin] = lock[package].specifier
        assert wanted.specifier.contains(pin.version), f"{wanted} is locked at {pin}"


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_lock_pins_every_package_exactly_and_names_no_package_index(name):
    for requirement in requirements(f"{name}.lock").values():
        assert [pin.operator for pin in requirement.specifier] == ["=="], requirement
        assert requirement.url is None
    lines = (ENVS / f"{name}.lock").read_text().splitlines()
    assert not [line for line in lines if line.startswith("-") or "://" in line]


def test_both_locks_agree_on_what_they_share():
    runtime, dev = requirements("requirements.lock"), requirements("requirements-dev.lock")
    for package in runtime.keys() & dev.keys():
        assert runtime[package].specifier == dev[package].specifier, package


def test_conda_environment_has_the_pins_of_the_lock():
    environment = yaml.safe_load((ENVS / "dejavu.yaml").read_text())
    *conda, pip = environment["dependencies"]
    assert conda == ["python=3.11", "pip"]
    assert by_name(pip["pip"]) == requirements("requirements.lock"), "run `make lock`"


def test_hooks_have_the_locked_versions():
    lock = requirements("requirements-dev.lock")
    hooks = yaml.safe_load((ENVS.parent / ".pre-commit-config.yaml").read_text())
    revisions = {Path(repo["repo"]).name: repo["rev"] for repo in hooks["repos"]}
    for package, repo in {
        "ruff": "ruff-pre-commit",
        "snakefmt": "snakefmt",
        "codespell": "codespell",
    }.items():
        [pin] = lock[package].specifier
        assert revisions[repo] == f"v{pin.version}", package


@pytest.mark.parametrize(
    ("platform", "machine", "expected"),
    [
        ("linux", "x86_64", {"faiss-gpu", "nvidia-cublas-cu12", "triton"}),
        ("linux", "aarch64", {"faiss-cpu", "triton"}),
        ("darwin", "arm64", {"faiss-cpu"}),
    ],
)
def test_each_platform_gets_its_faiss_and_its_cuda_libraries(platform, machine, expected):
    here = {"sys_platform": platform, "platform_machine": machine}
    lock = requirements("requirements.lock")
    chosen = {
        package
        for package in ("faiss-gpu", "faiss-cpu", "nvidia-cublas-cu12", "triton")
        if lock[package].marker is None or lock[package].marker.evaluate(here)
    }
    assert chosen == expected
