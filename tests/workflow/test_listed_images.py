"""Sets made of lists of places in torchvision's ImageFolder, and readable names of classes."""

import copy
import json

import numpy as np
import polars as pl
import pytest
from torchvision.datasets import ImageFolder

from tests.conftest import jobs_of, snakemake, written
from tests.workflow.test_vision_photographs import CLASSES, photographs

SETS = ("A", "B", "shared", "public")
TARGETS = [f"results/vision/records/{name}/0000.parquet" for name in (*SETS, "control")]
TARGETS.append("results/vision/class_names.json")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Training and validation images, and a partition of the training images in four lists."""
    folder = tmp_path_factory.mktemp("listed")
    photographs(folder / "train", 0, 25)
    photographs(folder / "val", 100, 10)
    # ImageNet's validation annotations lie in one folder.
    for path in (folder / "val/boxes").glob("*/*.xml"):
        path.rename(folder / "val/boxes" / path.name)
    # Some images are in no list, as published ones leave images out.
    order = np.random.default_rng(0).permutation(75)[:70]
    for name, places in zip(SETS, np.split(order, [20, 40, 45]), strict=True):
        np.save(folder / f"{name}.npy", places)
    names = {"0": ["n01", "tench"], "1": ["n02", "goldfish"]}
    (folder / "imagenet_class_index.json").write_text(json.dumps(names))
    return folder


@pytest.fixture(scope="module")
def config(data):
    sources = {
        name: {
            "kind": "imagenet",
            "path": str(data / name / "images"),
            "annotations": str(data / name / "boxes"),
        }
        for name in ("train", "val")
    }
    sources["train"]["split"] = {name: str(data / f"{name}.npy") for name in SETS}
    sources["train"]["class_names"] = str(data / "imagenet_class_index.json")
    classifier = {"kind": "classifier", "train_on": "B", "backbone": {"name": "test_byobnet"}}
    (data / "fullckpt.pth").touch()
    target = {"kind": "checkpoint", "format": "vicreg", "checkpoint": str(data / "fullckpt.pth")}
    return {
        "vision": {
            "max_rejected": 0.1,
            "sources": sources,
            "sets": {
                **{name: {"source": "train", "shards": 1} for name in SETS},
                "control": {"source": "val", "shards": 1},
            },
            "min_side": 15,
            "models": {"vicreg": target, "resnet": classifier},
            "k": 5,
            "tests": {"one_model": {"targets": ["vicreg"], "references": ["resnet"]}},
        }
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory, config):
    folder = tmp_path_factory.mktemp("run")
    snakemake(folder, *TARGETS, config=written(folder / "config.yaml", config))
    return folder


def images(run, name):
    return pl.read_parquet(run / f"results/vision/records/{name}/0000.parquet")


def test_each_set_has_the_images_of_its_list(run, data):
    listed = [path for path, _ in ImageFolder(data / "train/images").samples]
    for name in SETS:
        expected = {
            listed[place].replace(str(data / "train/images"), "{vision.train}")
            for place in np.load(data / f"{name}.npy")
        }
        assert set(images(run, name)["image"]) == expected
    assert len(images(run, "control")) == 30


def test_annotations_in_one_folder_give_boxes(run):
    control = images(run, "control")
    numbers = control["id"].str.extract(r"_(\d+)").cast(pl.Int64)
    assert (control["boxes"].list.len() == (numbers % 5 > 0).cast(pl.UInt32)).all()


def test_class_folders_have_readable_names(run):
    names = json.loads((run / "results/vision/class_names.json").read_text())
    found = {label: names[label] for label in CLASSES}
    assert found == {"n01": "tench", "n02": "goldfish", "n03": "n03"}


def test_another_list_or_name_reruns_only_what_it_touches(run, config, data, tmp_path):
    changed = copy.deepcopy(config)
    np.save(data / "other.npy", np.load(data / "B.npy")[1:])
    changed["vision"]["sources"]["train"]["split"]["B"] = str(data / "other.npy")
    done = snakemake(run, "-n", *TARGETS, config=written(tmp_path / "changed.yaml", changed))
    assert jobs_of(done) == {"assign_sets": 1, "crop_images": 4, "name_classes": 1}
    changed = copy.deepcopy(config)
    (data / "names.csv").write_text("wnid,name\nn03,shark\n")
    changed["vision"]["sources"]["train"]["class_names"] = str(data / "names.csv")
    done = snakemake(run, "-n", *TARGETS, config=written(tmp_path / "changed.yaml", changed))
    assert jobs_of(done) == {"name_classes": 1}


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ({"public": None}, "it lists A, B, shared, and the source gives A, B, shared, public"),
        ({"B": "nowhere.npy"}, "split.B: there is no file"),
    ],
)
def test_lists_that_do_not_fit_the_sets_are_one_sentence(config, tmp_path, split, told):
    changed = copy.deepcopy(config)
    lists = changed["vision"]["sources"]["train"]["split"] | split
    changed["vision"]["sources"]["train"]["split"] = {
        name: path for name, path in lists.items() if path is not None
    }
    path = written(tmp_path / "config.yaml", changed)
    done = snakemake(tmp_path, "-n", config=path, check=False)
    assert told in " ".join((done.stdout + done.stderr).split())
