"""Folders of images in ImageNet's layout: sets with sources of their own, and bad input."""

import shutil

import numpy as np
import polars as pl
import pytest
from PIL import Image

from dejavu.files.facts import read_json
from tests.conftest import snakemake, written

CLASSES = ("n01", "n02", "n03")
TABLES = [f"results/tables/vision_{name}.csv" for name in ("dejavu", "crops", "rejected", "tags")]


def photographs(folder, first, count, boxes=True):
    """Write a folder of images and one of annotations, `count` of each class."""
    rng = np.random.default_rng(first)
    for label in CLASSES:
        (folder / "images" / label).mkdir(parents=True)
        (folder / "boxes" / label).mkdir(parents=True)
        for number in range(first, first + count):
            pixels = rng.integers(0, 256, (40, 56, 3), np.uint8)
            name = f"{label}_{number}"
            Image.fromarray(pixels).save(folder / "images" / label / f"{name}.JPEG")
            if boxes and number % 5:
                annotate(folder, label, name, (0, 2, 28 + number % 7, 30))
    return folder


def annotate(folder, label, name, box):
    """Write an annotation with one box."""
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    corners = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    text = f"<annotation>\n<object><bndbox>{corners}</bndbox></object></annotation>"
    (folder / "boxes" / label / f"{name}.xml").write_text(text)


@pytest.fixture
def config(tmp_path):
    """A config of tiny models on two folders: one for A, B and public, one for control."""
    sources = {
        name: {
            "kind": "imagenet",
            "path": str(photographs(tmp_path / name, first, count) / "images"),
            "annotations": str(tmp_path / name / "boxes"),
        }
        for name, first, count in (("train", 0, 25), ("val", 100, 10))
    }
    ssl = {
        "kind": "ssl",
        "train_on": "A",
        "method": "simclr",
        "backbone": {"name": "test_byobnet"},
        "projector": {"hidden_dim": 16, "output_dim": 8},
        "stored_side": 32,
        "epochs": 1,
        "batch": 8,
        "views": {"side": 32},
        "preprocessing": {"image_side": 32, "crop_side": 32},
        "representation": "backbone",
    }
    one = {"shards": 1}
    return {
        "max_rejected": 0.1,
        "sources": sources,
        "sets": {
            **{name: {"source": "train", **one} for name in ("A", "B", "shared", "public")},
            "control": {"source": "val", **one},
        },
        "n_per_class": 8,
        "min_side": 15,
        "tags": {"kind": "visual_words", "words": 10},
        "models": {"simclr_a": ssl},
        "k": 5,
        "tests": {"one_model": {"targets": ["simclr_a"], "references": ["naive_bayes@2"]}},
    }


def run(tmp_path, config, *targets, check=True):
    """Run in a folder of its own."""
    folder = tmp_path / "run"
    folder.mkdir(exist_ok=True)
    path = written(tmp_path / "config.yaml", {"vision": config})
    return folder, snakemake(folder, *targets, config=path, check=check)


def test_sets_with_their_own_sources_are_measured(tmp_path, config):
    broken = tmp_path / "train/images/n01/n01_3.JPEG"
    broken.write_bytes(broken.read_bytes()[:-200])
    annotate(tmp_path / "val", "n02", "n02_101", (5, 5, 5, 9))
    (tmp_path / "val/boxes/n03/n03_102.xml").write_text("<annotation>\n<object>")
    folder, _ = run(tmp_path, config, *TABLES)
    rejected = pl.read_csv(folder / "results/tables/vision_rejected.csv")
    assert rejected["set"].to_list() == [None, "control", "control"]
    told = rejected.sort("item")["reason"].to_list()
    reasons = "\n".join(told)
    for part in (
        "unreadable image",
        "box with xmin >= xmax: [5, 5, 5, 9], line 2",
        "malformed XML",
    ):
        assert part in reasons
    counts = read_json(folder / "results/vision/sets.json")
    assert counts["A"] == counts["B"] == {"images": 24, "crops": 24}
    assert counts["control"] == {"images": 28, "crops": 22}
    crops = pl.read_csv(folder / "results/tables/vision_crops.csv")
    assert crops.filter(set="control", crop_status="no boxes")["images"].to_list() == [6]
    assert crops["images"].sum() == sum(each["images"] for each in counts.values())
    for path in (folder / "results/vision/neighbors/simclr_a_s0").rglob("*.parquet"):
        scores = pl.read_parquet(path)["score"].to_numpy()
        assert (np.diff(scores, axis=1) >= -1e-6).all() and (scores >= 0).all()
    samples = pl.read_parquet(folder / "results/vision/samples/B/0000.parquet")
    assert samples["tags"].list.len().min() > 0
    scores = pl.read_csv(folder / "results/tables/vision_dejavu.csv")
    assert set(scores["set"]) == {"target", "control", "calibrated", "placebo", "nonmember"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"n_per_class": 40}, "Class n01 has 25 images, 20 of them with valid boxes"),
        ({"k": 1000}, "k is 1000, but public has only 27 images"),
        (
            {"min_side": 60},
            "None of the 24 images that the vocabulary of visual words is fitted on",
        ),
        ({"max_rejected": 0.0}, "more than `max_rejected: 0` allows"),
    ],
)
def test_what_can_not_be_measured_is_told_before_models_are_trained(
    tmp_path, config, changes, told
):
    annotate(tmp_path / "val", "n02", "n02_101", (5, 5, 5, 9))
    _, done = run(tmp_path, {**config, **changes}, "results/vision/sets.json", check=False)
    assert done.returncode
    assert told in done.stderr


def test_sets_must_not_share_images(tmp_path, config):
    again = tmp_path / "again"
    shutil.copytree(tmp_path / "train", again)
    folders = {"path": str(again / "images"), "annotations": str(again / "boxes")}
    config["sources"]["val"] = config["sources"]["train"] | folders | {"parts": 1}
    _, done = run(tmp_path, config, "results/vision/sets.json", check=False)
    assert "share" in done.stderr and "take sources without common images" in done.stderr
