"""What may be wrong with models from elsewhere is told before trainings take hours."""

import re

import polars as pl
import pytest
import yaml

from dejavu.costs import jobs
from tests.conftest import SMOKE, VISION_SMOKE, snakemake, written

TRAINING = {"train_clip", "train_ssl", "train_classifier"}


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """The jobs of a run of both domains with models of many kinds, and their priorities."""
    folder = tmp_path_factory.mktemp("planned")
    for query in ("t2i", "t2t", "crop"):
        pl.DataFrame({"sample": []}).write_parquet(folder / f"{query}.parquet")
    (folder / "labels.txt").write_text("apple\ncar\n")
    config = yaml.safe_load(SMOKE.read_text()) | yaml.safe_load(VISION_SMOKE.read_text())
    for domain, target in (("vlm", "clip_a"), ("vision", "vicreg_a")):
        models = config[domain]["models"]
        given = f"{folder}/{{query}}.parquet"
        models["hub"] = {"kind": "transformers", "model": "nobody/nothing"}
        models["voted"] = {"kind": "neighbors", "path": given}
        models["answered"] = {"kind": "predictions", "path": given}
        others = ["hub", "voted", "answered"]
        if domain == "vlm":
            models["open"] = {"kind": "open_clip", "architecture": "ViT-B-32"}
            models["open"]["pretrained"] = "openai"
            config["vlm"]["tests"] |= {
                name: {"kind": "one_model", "target": name, "reference": "minilm"}
                for name in (*others, "open")
            }
            config["vlm"]["sources"]["world"]["annotations"] = {
                "kind": "detector",
                "model": "nobody/nothing",
                "vocabulary": str(folder / "labels.txt"),
            }
        else:
            models["timm"] = {"kind": "timm", "model": "resnet18"}
            config["vision"]["tests"]["one_model"]["targets"] = [target, *others, "timm"]
    told = snakemake(folder, "-n", config=written(folder / "config.yaml", config)).stdout
    listed = re.split(r"\n(?=(?:local)?rule \w+:)", told)
    found = []
    for text in listed[1:]:
        priority = re.search(r"^    priority: ([\d.]+)", text, re.MULTILINE)
        found += [(job, float(priority[1]) if priority else 0.0) for job in jobs.read(text)]
    return found


def is_asked_early(job):
    """Whether a job is the first of those that read a model, or its answers, from elsewhere."""
    rules = "embed_transformers embed_text embed_clip embed_timm detect_objects"
    rules += " import_neighbors import_objects import_predictions"
    is_first = job.wildcards.get("shard", "0000") == "0000"
    return job.rule in rules.split() and is_first and "clip_" not in job.outputs[0]


def test_nothing_that_a_model_from_elsewhere_waits_for_comes_after_a_training(planned):
    made_by = {path: (job, priority) for job, priority in planned for path in job.outputs}
    last = max(priority for job, priority in planned if job.rule in TRAINING)
    waiting = [pair for pair in planned if is_asked_early(pair[0])]
    assert {job.rule for job, _ in waiting} == {
        *("embed_transformers", "embed_text", "embed_clip", "embed_timm", "detect_objects"),
        *("import_neighbors", "import_objects", "import_predictions"),
    }
    late = set()
    while waiting:
        job, priority = waiting.pop()
        if priority <= last:
            late.add(job.rule)
        waiting += [made_by[path] for path in job.inputs if path in made_by]
    assert not late


def test_names_of_encoders_are_told_before_a_detector_has_looked_at_all_pictures(planned):
    first = min(
        priority
        for job, priority in planned
        if is_asked_early(job) and job.rule.startswith("embed_")
    )
    others = {priority for job, priority in planned if job.rule == "detect_objects"}
    assert max(others) < first
