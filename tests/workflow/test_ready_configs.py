"""The configs of off-the-shelf models can be planned on miniature folders of the same layouts."""

import json

import pytest
import yaml

from tests.conftest import ROOT, jobs_of, snakemake, written

VISION = ["vicreg_imagenet", "barlow_twins_imagenet", "dino_imagenet"]


def files_of(config):
    """Every file or folder of data that a config names."""
    if isinstance(config, dict):
        return {path for value in config.values() for path in files_of(value)}
    return {config} if isinstance(config, str) and config.startswith("data/") else set()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """ImageNet, checkpoints and crawls as they are published, with next to nothing in them."""
    root = tmp_path_factory.mktemp("ready")
    imagenet, boxes = root / "data/imagenet", root / "data/imagenet/Annotations/CLS-LOC"
    for place in range(16):
        wnid = f"n{place:08d}"
        for folder in (imagenet / "train", imagenet / "val", root / "data/imagenet_public"):
            (folder / wnid).mkdir(parents=True)
            (folder / wnid / f"{folder.name}_{place}.JPEG").touch()
        (boxes / "train" / wnid).mkdir(parents=True)
        (boxes / "train" / wnid / f"train_{place}.xml").touch()
    (boxes / "val").mkdir()
    (boxes / "val" / "val_3.xml").touch()
    (imagenet / "imagenet_class_index.json").write_text(json.dumps({"0": ["n00000000", "tench"]}))
    crawls = [f"data/laion/{name}" for name in ("members", "others", "later")]
    crawls += [f"data/crawl/{name}" for name in ("target", "reference", "public", "control")]
    for crawl in crawls:
        (root / crawl).mkdir(parents=True)
        for shard in range(16):
            for suffix in ("tar", "parquet", "_stats.json"):
                (root / f"{crawl}/{shard:05d}.{suffix}").touch()
    (root / "data/checkpoints").mkdir()
    for name, first in (("member", 1), ("nonmember", 43001)):
        (root / "data/clip-mia-bench-data/data" / name).mkdir(parents=True)
        for shard in range(first, first + 26):
            (root / f"data/clip-mia-bench-data/data/{name}/{shard:08d}.tar").touch()
    for size in ("4M", "40M", "400M"):
        checkpoints = root / f"data/clip-mia-bench-models/model/{size}/checkpoints"
        checkpoints.mkdir(parents=True)
        (checkpoints / "epoch_latest.pt").touch()
    return root


@pytest.mark.parametrize("name", [*VISION, "clip_laion", "clip_mia_bench"])
def test_a_ready_config_can_be_planned(data, tmp_path, name):
    text = (ROOT / f"config/{name}.yaml").read_text()
    for path in files_of(yaml.safe_load(text)):
        if path.endswith(".pth"):
            (data / path).touch()
        assert (data / path).exists(), path
    config = yaml.safe_load(text.replace(" data/", f" {data}/data/"))
    jobs = jobs_of(snakemake(tmp_path, "-n", config=written(tmp_path / "config.yaml", config)))
    if name in VISION:
        assert jobs["import_checkpoint"] == jobs["train_classifier"] == jobs["name_classes"] == 1
        assert jobs["scan_images"] == 48 and jobs["assign_sets"] == 3
        assert not {"train_ssl", "train_clip"} & set(jobs)
    elif name == "clip_mia_bench":
        assert jobs["detect_objects"] == 52 and jobs["membership"] == 1
        # Captions and images of members and control, and public's images, under three models.
        assert jobs["embed_clip"] == 3 * (2 * (26 + 13) + 13)
        assert not {"train_clip", "read_annotations"} & set(jobs)
    else:
        assert jobs["detect_objects"] == jobs["annotate_objects"] == 16 + 64 + 16
        assert not {"train_clip", "read_annotations"} & set(jobs)


# Trainings: models, and of targets and references the points that differ from them.
TRAININGS = {
    "ssl_2023": {"train_ssl": 6 + 2 * (5 + 2 + 3 + 2 + 3)},
    "ssl_2024": {"train_ssl": 6, "train_classifier": 1},
    "vlm_2024": {"train_clip": 2 + 2 * (3 + 2 + 2 + 2 + 3)},
}


@pytest.mark.parametrize("name", TRAININGS)
def test_a_paper_s_config_can_be_planned_with_all_its_sweeps(data, tmp_path, name):
    text = (ROOT / f"config/papers/{name}.yaml").read_text()
    config = yaml.safe_load(text.replace(" data/", f" {data}/data/"))
    jobs = jobs_of(snakemake(tmp_path, "-n", config=written(tmp_path / "config.yaml", config)))
    assert {rule: jobs[rule] for rule in jobs if rule.startswith("train_")} == TRAININGS[name]
    domain = name.partition("_")[0].replace("ssl", "vision")
    assert jobs[f"{domain}_sweeps"] == jobs[f"{domain}_contrasts"] == 1


def test_sources_that_read_one_folder_are_not_apart(data, tmp_path):
    text = (ROOT / "config/vicreg_imagenet.yaml").read_text()
    (data / "data/checkpoints/vicreg_resnet50_fullckpt.pth").touch()
    config = yaml.safe_load(text.replace(" data/", f" {data}/data/"))
    sources = config["vision"]["sources"]
    sources["others"]["path"] = sources["train"]["path"] + "/../train"
    path = written(tmp_path / "config.yaml", config)
    done = snakemake(tmp_path, "-n", config=path, check=False)
    assert "the source 'train' reads the same folder" in done.stdout + done.stderr
