"""The locks, the conda environment and the package of the core ask for one and the same."""

import ast
import re
import shlex
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


PYTHONS = ("3.11", "3.12", "3.13")
# Their makers have none, but they are Python alone.
WITHOUT_WHEELS = {"antlr4-python3-runtime", "connection-pool"}
CUDA = re.compile(r"cuda|nvidia|triton|faiss-gpu")


def test_every_place_names_the_same_pythons():
    first, last = PYTHONS[0], PYTHONS[-1]
    after = f"3.{int(last[2:]) + 1}"
    assert PROJECT["requires-python"] == f">={first},<{after}"
    makefile = (ROOT / "Makefile").read_text()
    ends = tuple(f"({version.replace('.', ', ')})" for version in (first, last))
    assert f"not {ends[0]} <= sys.version_info[:2] <= {ends[1]}" in makefile
    assert " ".join(f"python{version}" for version in PYTHONS) in makefile
    assert f"--python-version {first} " in makefile
    listed = f"Python {', '.join(PYTHONS[:-1])} or {last}"
    assert listed in makefile
    assert listed in (ROOT / "README.md").read_text()
    assert f"Python {first} to {last}" in (ROOT / "docs/python.md").read_text()
    ci = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())
    runs = ci["jobs"]["test"]["strategy"]["matrix"]["include"]
    for part in ("unit", "workflow"):
        tested = {run.get("python", first) for run in runs if part in run["parts"].split()}
        assert tested == set(PYTHONS)


def resolved(lines, python):
    """What uv says of pins, without what they need, and whether it finds a wheel of each."""
    options = ["--no-deps", "--only-binary", ":all:", "--no-python-downloads", "--python-version"]
    platform = ["--python-platform", "x86_64-manylinux_2_28"]
    return subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", *options, python, *platform, "-"],
        input="\n".join(lines), capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_every_pin_has_a_wheel_for_every_python(python):
    pytest.importorskip("uv")
    pins = {**requirements("requirements.lock"), **requirements("requirements-dev.lock")}
    if resolved([str(pins["packaging"])], python).returncode:
        pytest.skip("no package index can be reached")
    asked = [str(pin) for name, pin in pins.items() if name not in WITHOUT_WHEELS]
    done = resolved(asked, python)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 150


def test_an_environment_without_cuda_has_all_other_pins(tmp_path):
    [command] = re.findall(r"^sed -E .*$", (ROOT / "README.md").read_text(), re.M)
    words = shlex.split(command)
    assert words[-3:] == ["envs/requirements.lock", ">", "cpu.txt"]
    done = subprocess.run(words[:-2], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = (line.partition("#")[0].strip() for line in done.stdout.splitlines())
    left = by_name(line for line in lines if line)
    lock = requirements("requirements.lock")
    gone = {name for name in lock if CUDA.match(name)}
    assert lock.keys() - left.keys() == gone | {"torch", "torchvision"}
    assert left["faiss-cpu"].marker is None
    assert left["faiss-cpu"].specifier == lock["faiss-gpu"].specifier
    same = left.keys() - {"faiss-cpu"}
    assert {name: left[name] for name in same} == {name: lock[name] for name in same}
