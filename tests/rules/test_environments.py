"""The locks, the conda environment and the package of the core ask for one and the same."""

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dejavu.report.checkout import VERSION

ROOT = Path(__file__).parents[2]
ENVS = ROOT / "envs"
CORE = ROOT / "scripts/dejavu"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


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
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
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


def imported(files):
    """Names of the packages outside Python's own that some modules import, wherever they do."""
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names} - {"dejavu", *sys.stdlib_module_names}


def test_the_package_asks_for_what_the_core_imports_in_versions_that_are_locked():
    holders = packages_distributions()
    needed = {
        canonicalize_name(holder)
        for name in imported(CORE.rglob("*.py"))
        for holder in holders[name]
        # Either gives `faiss`, and only one can be installed.
    } - {"faiss-gpu"} | {"faiss-cpu"}
    asked = by_name([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["all"]])
    assert asked.keys() == needed
    lock = requirements("requirements.lock")
    for package, wanted in asked.items():
        [least] = wanted.specifier
        assert least.operator == ">="
        [pin] = lock[package].specifier
        assert wanted.specifier.contains(pin.version), package


def test_the_wheel_holds_the_core_with_its_data_and_nothing_else(tmp_path):
    pytest.importorskip("setuptools")
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "scripts", source / "scripts", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy2(ROOT / name, source / name)
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", tmp_path]
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", *map(str, options), str(source)]
    subprocess.run(pip, check=True)
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name == f"dejavu_memorization-{VERSION}-py3-none-any.whl"
    told = f"dejavu_memorization-{VERSION}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if not name.startswith(told)}
        metadata = archive.read(f"{told}/METADATA").decode()
    files = [path for path in CORE.rglob("*") if path.is_file() and "__pycache__" not in str(path)]
    assert held == {str(path.relative_to(CORE.parent)) for path in files}
    assert f"Version: {VERSION}\n" in metadata
    assert "License-Expression: MIT\n" in metadata
