"""The documentation is true: its commands run, its configs are accepted, its links lead somewhere.

Commands of the workflow run in a copy of the repository whose config.yaml is the smoke-test one and
whose results are finished; what needs a cluster or photographs is planned (`-n`) and not run.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch

import pytest
import yaml

from dejavu.config import schema
from dejavu.report.checkout import VERSION
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import config_reference

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SCHEMA = schema.read(ROOT / "rules/schemas/config.schema.yaml")


def blocks(language):
    """Fenced blocks of a language: the page's name and the text."""
    found = []
    for page in PAGES:
        for match in re.finditer(
            rf"^( *)```{language}\n(.*?)^ *```", page.read_text(), re.M | re.S
        ):
            indent = match[1]
            lines = [line.removeprefix(indent) for line in match[2].splitlines()]
            found.append((str(page.relative_to(ROOT)), "\n".join(lines) + "\n"))
    return found


def commands():
    """Every command line of the pages, without comments, each once."""
    found = {}
    for page, text in blocks("sh"):
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                found.setdefault(shlex.join(words), page)
    return [pytest.param(shlex.split(line), id=f"{page}: {line}") for line, page in found.items()]


def without_cuda():
    """The commands that make an environment without CUDA."""
    [text] = [text for _, text in blocks("sh") if "/whl/cpu" in text]
    return [shlex.split(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def clone(tmp_path_factory, smoke_run, vision_smoke_run):
    """A copy of what git tracks, with the smoke-test configs and their finished results."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    smoke = [
        yaml.safe_load((ROOT / f"tests/workflow/{name}.yaml").read_text())
        for name in ("smoke", "vision_smoke")
    ]
    (folder / "config.yaml").write_text(yaml.safe_dump(smoke[0] | smoke[1], sort_keys=False))
    for _, text in blocks("yaml"):
        if named := re.match(r"# (\w+\.yaml)\n", text):
            (folder / named[1]).write_text(text)
    for run in (smoke_run[0], vision_smoke_run):
        for part in ("results", ".snakemake"):
            shutil.copytree(run / part, folder / part, dirs_exist_ok=True)
    # What the documented comparison reads.
    for name, run in (("a", vision_smoke_run), ("b", smoke_run[0])):
        (folder / "runs" / name).mkdir(parents=True)
        (folder / "runs" / name / "results").symlink_to(run / "results")
    for name in ("photo_scenes", "imagenet_small"):
        photographs = ROOT.parent / "shared/data" / name
        if photographs.is_dir():
            (folder / "data" / name).symlink_to(photographs)
    return folder


def run(folder, *words):
    """Run a command in a folder and return what it printed."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.parametrize("words", commands())
def test_a_documented_command_does_what_it_should(clone, words):
    program, *arguments = words
    settings = []
    if program.startswith("CUDA_VISIBLE_DEVICES="):
        settings, (program, *arguments) = ["env", program], arguments
    if program == "make":
        assert f"{arguments[0]}:" in (ROOT / "Makefile").read_text()
        run(clone, "make", "-n", *arguments)
    elif program == "snakemake":
        plan_only = ["--configfile", "--profile", "--sdm"]
        planned = [] if not set(plan_only) & set(arguments) else ["-n"]
        missing = [
            name
            for name in re.findall(r"config/(\w+)\.yaml", " ".join(arguments))
            if not lies_ready(clone, name)
        ]
        if missing:
            pytest.skip(f"there is no data for config/{missing[0]}.yaml")
        # After the program's name: --configfile takes every name that follows it.
        run(clone, *settings, sys.executable, "-m", "snakemake", *planned, *arguments)
    elif program == "pip":
        assert arguments[0] == "install"
        options = ["--dry-run", "--no-index"]
        if arguments[1] != "-r":
            # tests/rules/test_environments.py looks after what the core needs.
            options += ["--no-deps", "--no-build-isolation"]
        run(clone, sys.executable, "-m", "pip", "install", *options, *arguments[1:])
    elif program == "PYTHONPATH=scripts":
        # The plan of a run needs runs of two sizes: tests/rules/test_costs.py makes them up.
        asked = [*arguments[1:], "--help"] if "dejavu.costs" in arguments else arguments[1:]
        run(clone, "env", program, sys.executable, *asked)
    elif program in ("python", "bash"):
        assert (ROOT / arguments[0]).is_file()
        if arguments[0] == "docs/config_reference.py":
            run(clone, sys.executable, *arguments)
    elif program in ("python3", ".venv/bin/pip", "sed"):
        # tests/rules/test_environments.py follows them to an environment without CUDA.
        assert words in without_cuda()
    else:
        assert words == [".", ".venv/bin/activate"], "this command has no test: add one"


def lies_ready(clone, name):
    """Whether the data that a shipped config reads are there."""
    config = yaml.safe_load((clone / f"config/{name}.yaml").read_text())
    paths = re.findall(r"'path': '([^']*)'", repr(config))
    return all((clone / path).exists() for path in paths)


def test_the_documented_commands_are_found():
    assert any(param.values[0][:2] == ["make", "table"] for param in commands())
    assert any("--profile" in param.values[0] for param in commands())


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=f"{page}-{n}") for n, (page, text) in enumerate(blocks("yaml"))]
)
def test_a_documented_config_is_accepted(text):
    given = yaml.safe_load(text)
    # Of a workflow that uses this one as a module.
    given = given.get("dejavu", given)
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    if {"vlm", "vision"} & set(given) and all(
        {"sources", "sets", "models", "tests"} <= set(given[domain])
        for domain in ("vlm", "vision")
        if domain in given
    ):
        schema.complete(given, SCHEMA)  # a whole config
        return
    # A part of a config, by default of the vision-language measurement: it goes into the default.
    if not set(given) & set(SCHEMA["properties"]):
        given = {"vlm": given}
    schema.complete(merged(config, given), SCHEMA)


def merged(config, part):
    """A config with a part of another put into it; named things are replaced, not mixed."""
    result = dict(config)
    for key, value in part.items():
        mixes = (
            isinstance(value, dict) and isinstance(result.get(key), dict) and "kind" not in value
        )
        result[key] = merged(result[key], value) if mixes else value
    return result


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), target


def test_the_version_and_its_date_are_told_alike_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == VERSION
    newest = re.search(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert newest.groups() == (VERSION, str(citation["date-released"]))


def test_every_script_has_its_stage_and_every_layer_its_place():
    page = (ROOT / "docs/architecture.md").read_text()
    stages = page.partition("## Scripts by stage")[2].partition("\n## ")[0]
    scripts = [path.name for path in (ROOT / "scripts").glob("*.py")]
    patterns = re.findall(r"`([\w*]+\.py)`", stages)
    for script in scripts:
        assert any(fnmatch(script, pattern) for pattern in patterns), script
    for pattern in patterns:
        assert any(fnmatch(script, pattern) for script in scripts), pattern
    assert set(re.findall(r"`(\w+\.py)`", page.partition(stages)[2])) <= set(scripts)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [name for layer in settings["contracts"][0]["layers"] for name in layer.split(" | ")]
    drawing = page.partition("```mermaid")[2].partition("```")[0]
    places = [re.search(rf"\b{name}\b", drawing) for name in layers]
    assert all(places)


def test_the_config_reference_is_that_of_the_schema():
    page = config_reference.page(SCHEMA)
    assert page == (ROOT / "docs/config.md").read_text(), "run: python docs/config_reference.py"


def test_every_key_of_the_config_has_a_description_and_is_in_the_reference():
    page = (ROOT / "docs/config.md").read_text()
    for name, rows in config_reference.sections(SCHEMA, SCHEMA, ""):
        for key, _, _, described in rows:
            assert described or name.startswith(("`vlm.sets", "`vision.sets")), (name, key)
            assert f"| {key} |" in page


def test_every_table_is_described_with_its_columns(smoke_run, vision_smoke_run):
    text = re.sub(r"[`,()]", " ", (ROOT / "docs/files.md").read_text())
    for run_folder in (smoke_run[0], vision_smoke_run):
        for path in (run_folder / "results/tables").glob("*.csv"):
            domain = path.stem.partition("_")[0]
            generic = path.name.replace(domain, "{domain}", 1)
            [row] = [
                line
                for line in text.splitlines()
                if f" {path.name} " in line[:60] or f" {generic} " in line[:60]
            ]
            header = path.open().readline().strip().split(",")
            for column in header:
                base = re.sub(r"_(low|high|beta|target|reference)$", "", column)
                assert f" {column} " in row or f" {base} " in row or f" {base}_* " in row, (
                    path.name,
                    column,
                )
