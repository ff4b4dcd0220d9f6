"""Bad input ends in one sentence that names what is wrong and the remedy, before work is spent."""

import copy
import io
import json
import shutil
import tarfile

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from dejavu.files.facts import read_json
from dejavu.files.weights import write_settings
from tests.conftest import SMOKE, snakemake, written

MODELS = {"clip_a", "clip_b", "minilm"}


def picture(number, size=24):
    """A small PNG that differs from others."""
    pixels = np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def sample(number, **changed):
    """The members of one img2dataset sample; a member that is None is left out."""
    facts = {"objects": ["cup", "dog", f"thing {number % 7}"], "sha256": f"{number:064x}"}
    members = {
        "png": picture(number),
        "txt": f"a dog, picture {number}".encode(),
        "json": json.dumps({**facts, **changed.pop("facts", {})}).encode(),
        **changed,
    }
    return {
        f"{number:05d}.{suffix}": content
        for suffix, content in members.items()
        if content is not None
    }


def tar(path, members):
    """Write a tar shard."""
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def photographs(folder, changes=None, count=200):
    """Two tar shards of samples, some of them changed."""
    changes = changes or {}
    for shard in range(2):
        numbers = range(shard * count // 2, (shard + 1) * count // 2)
        members = {}
        for number in numbers:
            members |= sample(number, **changes.get(number, {}))
        tar(folder / f"{shard:05d}.tar", members)
    return folder


def config_of(smoke_config, folder, **vlm):
    """The smoke config with an img2dataset source."""
    settings = smoke_config["vlm"]
    settings["sources"] = {"world": {"kind": "img2dataset", "path": str(folder)}}
    settings["k"] = [1, 10]
    del settings["sweeps"]
    settings.update(vlm)
    return smoke_config


def complaint(tmp_path, config, target="results/vlm/sets.json"):
    """What Snakemake says of a config, once it has failed."""
    run = tmp_path / "run"
    run.mkdir(exist_ok=True)
    done = snakemake(run, target, config=written(tmp_path / "config.yaml", config), check=False)
    assert done.returncode
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr


def edited(path, value):
    """How to set, or with None to remove, one key of the vlm config."""

    def edit(vlm):
        *parents, last = path.split(".")
        for parent in parents:
            vlm = vlm[parent]
        if value is None:
            del vlm[last]
        else:
            vlm[last] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (
            edited("tests.one_model.reference", "gte"),
            "vlm.tests.one_model.reference: there is no model 'gte'",
        ),
        (
            edited(
                "tests.bad-name", {"kind": "one_model", "target": "clip_a", "reference": "minilm"}
            ),
            "vlm.tests.bad-name: a name may hold",
        ),
        (
            edited("models.clip_s1", {"kind": "sentence_transformers", "model": "x"}),
            "vlm.models.clip_s1: a name may hold",
        ),
        (
            edited("sets.target.source", "elsewhere"),
            "vlm.sets.target.source: there is no source 'elsewhere'",
        ),
        (edited("sets.target.fraction", 0.9), "target and reference share a part of the"),
        (
            edited("sources.world", {"kind": "img2dataset", "path": "nowhere"}),
            "vlm.sources.world.path: there is no",
        ),
        (edited("sources.world.pictrues", 3), "vlm.sources.world: it does not know pictrues"),
        (edited("sets.public", None), "vlm.sets: it lacks the key 'public'"),
        (edited("sets.reference", None), "vlm.models.clip_b.train_on: there is no set 'reference'"),
        (edited("k", [0]), "vlm.k.0: 0 is less than the minimum of 1"),
        (
            edited("models.clip_a.train_on", "reference"),
            "'clip_a' is trained on the set 'reference'",
        ),
        (edited("models.clip_a.seeds", [0, 1]), ""),
        (
            edited(
                "models.other", {"kind": "open_clip", "architecture": "RN50", "checkpoint": "no.pt"}
            ),
            "vlm.models.other.checkpoint: there is no file",
        ),
        (
            edited("models.other", {"kind": "open_clip", "architecture": "RN50"}),
            "give either `pretrained`",
        ),
    ],
)
def test_a_wrong_config_is_told_before_any_job(smoke_config, tmp_path, edit, sentence):
    edit(smoke_config["vlm"])
    config = written(tmp_path / "config.yaml", smoke_config)
    done = snakemake(tmp_path, "-n", config=config, check=False)
    if not sentence:
        assert not done.returncode
        return
    assert done.returncode and sentence in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def bad(count, **changed):
    """The first samples changed alike."""
    return {number: copy.deepcopy(changed) for number in range(count)}


@pytest.mark.parametrize(
    ("changes", "options", "sentences"),
    [
        (bad(200, txt=None), {}, ["Source world", "no caption", "00000.tar#00000"]),
        (bad(200, facts={"objects": []}), {}, ["vlm.sets.target", "has an object", "`objects`"]),
        (bad(200, facts={"objects": "dog"}), {}, ["no list of labels in the field 'objects'"]),
        (bad(20, png=b"not a picture"), {}, ["20 of 200", "unreadable image", "`max_rejected"]),
        ({}, {"k": [1, 150]}, ["vlm.k: k is 150, but public has only"]),
    ],
    ids=["no captions", "no objects", "objects no list", "unreadable images", "k too large"],
)
def test_a_source_that_gives_no_measurement_stops_before_training(
    smoke_config, tmp_path, changes, options, sentences
):
    config = config_of(smoke_config, photographs(tmp_path / "tars", changes), **options)
    said = complaint(tmp_path, config)
    for sentence in sentences:
        assert sentence in said


def test_a_truncated_tar_is_named(smoke_config, tmp_path):
    folder = photographs(tmp_path / "tars")
    shard = folder / "00001.tar"
    shard.write_bytes(shard.read_bytes()[:20_000])
    assert "00001.tar is not a complete tar archive" in complaint(
        tmp_path, config_of(smoke_config, folder)
    )


def test_sets_from_sources_that_share_ids_are_told(smoke_config, tmp_path):
    config = config_of(smoke_config, photographs(tmp_path / "one"))
    config["vlm"]["sources"]["crawl"] = {
        "kind": "img2dataset",
        "path": str(photographs(tmp_path / "two")),
    }
    config["vlm"]["sets"]["control"] = {"source": "crawl"}
    said = complaint(tmp_path, config)
    assert "control share" in said and "`id` of the source" in said


def test_few_bad_items_are_left_out_counted_and_listed(smoke_config, tmp_path):
    changes = {
        3: {"png": b"not a picture"},
        4: {"txt": None},
        5: {"facts": {"sha256": f"{9:064x}"}},
    }
    config = config_of(smoke_config, photographs(tmp_path / "tars", changes), max_rejected=0.05)
    config["vlm"]["sources"]["world"]["id"] = "sha256"
    run = tmp_path / "run"
    run.mkdir()
    targets = ("results/tables/vlm_rejected.csv", "results/vlm/sets.json")
    snakemake(run, *targets, config=written(tmp_path / "config.yaml", config))
    listed = pl.read_csv(run / "results/tables/vlm_rejected.csv")
    assert len(listed) == 3 and listed["set"].null_count() == 0
    reasons = " ".join(listed["reason"])
    for reason in ("unreadable image", "no caption", "duplicate id"):
        assert reason in reasons
    counts = read_json(run / "results/vlm/sets.json")
    assert sum(map(sum, counts.values())) == 197


def test_a_table_without_the_named_column_tells_those_it_has(smoke_config, tmp_path):
    pl.DataFrame(
        {"id": ["a"], "image": ["a.png"], "text": ["a cup"], "objects": ["cup"]}
    ).write_csv(tmp_path / "mine.csv")
    config = config_of(smoke_config, tmp_path)
    config["vlm"]["sources"] = {"world": {"kind": "table", "path": str(tmp_path / "mine.csv")}}
    said = complaint(tmp_path, config)
    assert "mine.csv has no column 'caption'" in said and "id, image, text, objects" in said


def copied(smoke_run, tmp_path):
    """A finished run to be harmed."""
    folder = tmp_path / "copy"
    shutil.copytree(smoke_run[0], folder, symlinks=True)
    return folder


def test_a_checkpoint_of_another_architecture_is_told(smoke_run, smoke_config, tmp_path):
    folder = copied(smoke_run, tmp_path)
    checkpoint = tmp_path / "other.pt"
    torch.save({"state_dict": {"module.visual.proj": torch.zeros(3, 3)}}, checkpoint)
    smoke_config["vlm"]["models"]["clip_a"] = {
        "kind": "open_clip",
        "architecture": "RN50",
        "checkpoint": str(checkpoint),
    }
    done = snakemake(
        folder,
        "results/vlm/embeddings/clip_a/caption/target/0000.parquet",
        config=written(tmp_path / "config.yaml", smoke_config),
        check=False,
    )
    assert done.returncode
    assert "Model clip_a:" in done.stderr and "do not load as RN50" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_embeddings_with_nan_are_told(smoke_run, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = copied(smoke_run, tmp_path)
    weights = folder / "results/vlm/models/clip_a_s0/open_clip_model.safetensors"
    values = load_file(weights)
    values["text_projection"][:] = float("nan")
    save_file(values, weights)
    config = weights.with_name("open_clip_config.json")
    settings = json.loads(config.read_text())
    del settings["hash"]
    write_settings(config, settings, weights)
    done = snakemake(
        folder,
        "results/vlm/embeddings/clip_a_s0/caption/target/0000.parquet",
        config=SMOKE,
        check=False,
    )
    assert done.returncode
    assert "Model clip_a_s0 gives embeddings that are not finite" in done.stderr
    assert not (folder / "results/vlm/embeddings/clip_a_s0/caption/target/0000.parquet").exists()


def test_a_config_on_the_command_line_replaces_the_default(smoke_config, tmp_path):
    vlm = smoke_config["vlm"]
    vlm["models"] = {
        "other" if name == "clip_b" else name: settings for name, settings in vlm["models"].items()
    }
    vlm["tests"]["two_model"]["reference"] = "other"
    vlm["sweeps"]["votes"]["reference"] = "other"
    done = snakemake(tmp_path, "-n", config=written(tmp_path / "config.yaml", smoke_config))
    assert "model=other" in done.stdout and "clip_b" not in done.stdout
