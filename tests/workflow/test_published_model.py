"""A published model, every set with a source of its own: from the checkpoint to the tables."""

import copy

import numpy as np
import polars as pl
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from tests.conftest import jobs_of, snakemake, written
from tests.workflow.test_vision_photographs import CLASSES, photographs

SETS = {"A": (0, 8), "B": (100, 8), "public": (200, 10), "control": (300, 8)}


def network():
    """A backbone and a projector with random weights."""
    torch.manual_seed(5)
    backbone = torchvision.models.resnet18(weights=None)
    backbone.fc = nn.Identity()
    projector = nn.Sequential(
        nn.Linear(512, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 8, bias=False)
    )
    return backbone.eval(), projector.eval()


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """An audit of a checkpoint in VICReg's layout with two references fitted on B."""
    folder = tmp_path_factory.mktemp("published")
    parts = zip(("backbone", "projector"), network(), strict=True)
    state = {
        f"module.{part}.{name}": value
        for part, module in parts
        for name, value in module.state_dict().items()
    }
    torch.save({"epoch": 1, "model": state}, folder / "fullckpt.pth")
    # DejaVu's training has the same layers in blocks, and names them otherwise.
    names = {"backbone.": "net.", **{f"projector.{i}.": f"projector.0.{i}." for i in (0, 1)}}
    names["projector.3."] = "projector.1."
    renamed = {
        f"module.{names[start]}{rest}": value
        for start in names
        for name, value in state.items()
        for rest in [name.removeprefix(f"module.{start}")]
        if rest != name
    }
    torch.save({"epoch": 100, "model": renamed}, folder / "model_ep100.pth")
    sources = {
        name.lower(): {
            "kind": "imagenet",
            "path": str(photographs(folder / name, first, count) / "images"),
            "annotations": str(folder / name / "boxes"),
            "parts": 1,
        }
        for name, (first, count) in SETS.items()
    }
    preprocessing = {"image_side": 32, "crop_side": 32}
    return {
        "vision": {
            "max_rejected": 0.5,
            "sources": sources,
            "sets": {name: {"source": name.lower(), "shards": 1} for name in SETS},
            "min_side": 15,
            "tags": {"kind": "visual_words", "words": 10},
            "models": {
                "vicreg": {
                    "kind": "checkpoint",
                    "format": "vicreg",
                    "checkpoint": str(folder / "fullckpt.pth"),
                    "backbone": {"library": "torchvision", "name": "resnet18"},
                    "preprocessing": preprocessing,
                },
                "dejavu": {
                    "kind": "checkpoint",
                    "format": "dejavu",
                    "checkpoint": str(folder / "model_ep100.pth"),
                    "backbone": {"library": "torchvision", "name": "resnet18"},
                    "preprocessing": preprocessing,
                },
                "resnet": {
                    "kind": "classifier",
                    "train_on": "B",
                    "backbone": {"name": "test_byobnet"},
                    "stored_side": 32,
                    "epochs": 1,
                    "batch": 8,
                    "views": {"side": 32},
                    "preprocessing": {"crop_side": 32},
                },
            },
            "k": 5,
            "tests": {
                "one_model": {
                    "targets": ["vicreg", "dejavu"],
                    "references": ["resnet", "naive_bayes@2"],
                }
            },
        }
    }


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    """A finished run: the folder, the config's file and what Snakemake printed."""
    folder = tmp_path_factory.mktemp("run")
    path = written(folder / "config.yaml", config)
    return folder, path, snakemake(folder, config=path)


def test_the_whole_chain_runs_without_training_the_target(run):
    folder, path, _ = run
    assert (folder / "results/vision/models/vicreg/model.safetensors").is_file()
    assert not (folder / "results/vision/models/vicreg/training.csv").exists()
    scores = pl.read_csv(folder / "results/tables/vision_dejavu.csv")
    assert set(scores["reference_model"]) == {"resnet", "naive_bayes@2"}
    assert set(scores["test"]) == {"one_model"}
    assert set(scores["set"]) == {"target", "control", "calibrated", "placebo"}
    correlation = pl.read_csv(folder / "results/tables/vision_correlation.csv")
    assert correlation["on"].to_list() == ["all", "all"]
    # The same network in two layouts.
    rows = [scores.filter(target_model=name).drop("target_model") for name in ("vicreg", "dejavu")]
    assert rows[0].equals(rows[1], null_equal=True)
    assert jobs_of(snakemake(folder, "-n", config=path)) == {}


def test_embeddings_are_those_of_the_original_network(run, config):
    folder, place = run[0], config["vision"]["sources"]["a"]["path"]
    backbone, projector = network()
    samples = pl.read_parquet(folder / "results/vision/samples/A/0000.parquet")
    found = pl.read_parquet(folder / "results/vision/embeddings/vicreg/crop/A/0000.parquet")
    crops = samples.filter(pl.col("crop").is_not_null())
    assert found["sample"].to_list() == crops["sample"].to_list()
    resized = v2.Compose([v2.Resize(round(32 * 256 / 224)), v2.CenterCrop(32)])
    pixels = [
        np.asarray(
            resized(
                Image.open(image.replace("{vision.a}", place))
                .convert("RGB")
                .crop(tuple(crop.values()))
            )
        )
        for image, crop in crops.select("image", "crop").iter_rows()
    ]
    mean, std = (np.array(each) for each in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    batch = torch.tensor((np.stack(pixels) / 255 - mean) / std).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        wanted = projector(backbone(batch)).numpy()
    assert len(wanted) > 2 * len(CLASSES)
    np.testing.assert_allclose(np.stack(found["embedding"].to_list()), wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("key", "value", "first"),
    [
        ("representation", "backbone", "embed_ssl"),
        ("network", "student", None),
        ("trained_on", "B", None),
    ],
)
def test_a_changed_key_of_the_model_reruns_its_chain_alone(
    run, config, tmp_path, key, value, first
):
    changed = copy.deepcopy(config)
    changed["vision"]["models"]["vicreg"][key] = value
    path = written(tmp_path / "changed.yaml", changed)
    done = snakemake(run[0], "-n", config=path, check=False)
    if first is None:
        told = {"trained_on": "'vicreg' is trained on the set 'B'"}
        told["network"] = "it does not know network"
        assert told[key] in done.stdout + done.stderr
        return
    jobs = jobs_of(done)
    assert first in jobs and jobs["embed_ssl"] == 3
    assert not set(jobs) & {"scan_images", "train_classifier", "classify_crops", "tag_crops"}
    assert ("import_checkpoint" in jobs) == (first == "import_checkpoint")


def test_a_checkpoint_that_does_not_fit_stops_before_anything_else(config, tmp_path):
    wrong = copy.deepcopy(config)
    wrong["vision"]["models"]["vicreg"]["backbone"]["name"] = "resnet34"
    path = written(tmp_path / "wrong.yaml", wrong)
    done = snakemake(tmp_path, config=path, cores=1, check=False)
    assert done.returncode
    assert "Error: " in done.stderr and "does not fit resnet34" in done.stderr
    assert not (tmp_path / "results/vision/sources").exists()
