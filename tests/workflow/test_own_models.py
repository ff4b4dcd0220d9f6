"""Encoders and pipelines of others as targets: from a model, or what it gave, to the tables."""

import json
import shutil

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
import timm
import torch
import yaml
from polars.testing import assert_frame_equal
from safetensors.torch import save_file
from transformers import Dinov2Config, Dinov2Model, ViTImageProcessor

from tests.conftest import ROOT, jobs_of, snakemake, written
from tests.unit.encoders.test_transformers import VISION

NAMES = ("dejavu", "memorized", "confidence")
TABLES = [f"results/tables/vision_{name}.csv" for name in NAMES]
TARGETS = ["dinov2", "tuned"]


def encoders(folder):
    """A tiny DINOv2 and a tiny classifier of timm, as a config names them."""
    torch.manual_seed(0)
    Dinov2Model(Dinov2Config(**VISION)).save_pretrained(folder / "dinov2")
    ViTImageProcessor(size={"height": 24, "width": 24}).save_pretrained(folder / "dinov2")
    model = timm.create_model("test_byobnet", pretrained=False, num_classes=3)
    save_file(model.state_dict(), folder / "tuned.safetensors")
    return {
        "dinov2": {"kind": "transformers", "model": str(folder / "dinov2")},
        "tuned": {
            "kind": "timm",
            "model": "test_byobnet",
            "checkpoint": str(folder / "tuned.safetensors"),
            "representation": "logits",
        },
    }


def configured(path, models):
    """The smallest vision config with other models as targets."""
    config = yaml.safe_load((ROOT / "tests/workflow/vision_small.yaml").read_text())
    config["vision"]["models"] = models
    config["vision"]["tests"]["one_model"]["targets"] = list(models)
    return written(path, config)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two encoders: its folder."""
    folder = tmp_path_factory.mktemp("own")
    config = configured(folder / "config.yaml", encoders(folder))
    (folder / "run").mkdir()
    snakemake(folder / "run", *TABLES, config=config)
    return folder / "run"


def ids_of(run, *sets):
    """The ids of images by their numbers."""
    shards = [pl.read_parquet(run / f"results/vision/records/{name}/0000.parquet") for name in sets]
    return pl.concat([shard.select("sample", "id") for shard in shards])


def stage(run, name, sets):
    """What a stage of the run has of sets."""
    return pl.concat(
        [pl.read_parquet(run / f"results/vision/{name}/{each}/0000.parquet") for each in sets]
    )


def given_vectors(run, folder):
    """The run's vectors of DINOv2, as an array and as Parquet."""
    known = ids_of(run, "A", "control", "public")
    images = stage(run, "embeddings/dinov2/image", ["public"]).join(known, on="sample")
    np.save(folder / "images.npy", np.stack(images["embedding"].to_list())[::-1])
    (folder / "images.txt").write_text("\n".join(images["id"].reverse()))
    crops = stage(run, "embeddings/dinov2/crop", ["A", "control"]).join(known, on="sample")
    crops.select(sample="id", embedding="embedding").write_parquet(folder / "crops.parquet")
    return {
        "kind": "embeddings",
        "encoder": "a tiny DINOv2",
        "images": str(folder / "images.npy"),
        "crops": str(folder / "crops.parquet"),
    }


def given_neighbors(run, folder):
    """The run's neighbours under the model of timm, with their distances."""
    known = ids_of(run, "A", "control", "public")
    found = stage(run, "neighbors/tuned/crop", ["A", "control"]).join(known, on="sample")
    names = dict(known.iter_rows())
    rows = {
        "sample": found["id"],
        "neighbors": [[names[each] for each in row] for row in found["neighbors"]],
        "distances": [[1 - each for each in row] for row in found["score"]],
    }
    pl.DataFrame(rows).sample(fraction=1, shuffle=True, seed=0).write_parquet(folder / "n.parquet")
    return {"kind": "neighbors", "path": str(folder / "n.parquet")}


def given_predictions(run, folder):
    """The labels that DINOv2's neighbours vote for, and how sure they are."""
    known = ids_of(run, "A", "control")
    files = [run / f"results/vision/predictions/dinov2/{name}.parquet" for name in ("A", "control")]
    found = pl.concat([pl.read_parquet(file) for file in files]).join(known, on="sample")
    found.select(sample="id", prediction="top5", confidence="confidence").write_parquet(
        folder / "said.parquet"
    )
    return {"kind": "predictions", "path": str(folder / "said.parquet")}


@pytest.fixture(scope="module")
def imported(run, tmp_path_factory):
    """A finished run under what the first one gave, called after the models that gave it."""
    folder = tmp_path_factory.mktemp("given")
    models = {"dinov2": given_vectors(run, folder), "tuned": given_neighbors(run, folder)}
    models["said"] = given_predictions(run, folder)
    # Pictures and crops are there; what the encoders gave is made anew.
    shutil.copytree(run, folder / "run", symlinks=True)
    config = configured(folder / "config.yaml", models)
    jobs = jobs_of(snakemake(folder / "run", *TABLES, config=config))
    assert {name: jobs[f"import_{name}"] for name in ("vectors", "neighbors", "predictions")} == {
        "vectors": 3,
        "neighbors": 2,
        "predictions": 2,
    }
    assert not {name for name in jobs if name.startswith("embed_")} and jobs["vote_labels"] == 4
    return folder / "run", models


def rows(folder, name, model):
    """The lines of a table that are of a model, as they stand there."""
    header, *lines = (folder / f"results/tables/vision_{name}.csv").read_text().splitlines()
    place = header.split(",").index("target_model")
    return [line for line in lines if line.split(",")[place] == model]


def test_encoders_are_measured_as_they_are_published(run):
    scores = pl.read_csv(run / TABLES[0])
    assert set(scores["target_model"]) == set(TARGETS)
    assert set(scores["set"]) >= {"target", "control", "calibrated"}
    assert scores.filter(set="target", confident=1)["crops"].min() > 50


@pytest.mark.parametrize("name", NAMES)
def test_vectors_that_exist_already_are_the_model_that_gave_them(run, imported, name):
    wanted = rows(run, name, "dinov2")
    assert wanted and rows(imported[0], name, "dinov2") == wanted


@pytest.mark.parametrize("name", NAMES)
def test_neighbours_that_exist_already_give_byte_identical_rows(run, imported, name):
    wanted = rows(run, name, "tuned")
    assert wanted and rows(imported[0], name, "tuned") == wanted


def test_predictions_that_exist_already_score_as_the_model_that_made_them(run, imported):
    names = ["set", "crops", "dejavu", "dejavu_low", "accuracy_target", "p_value"]
    names += ["adjusted_accuracy", "adjusted_accuracy_high"]
    wanted, found = (
        pl.read_csv(folder / TABLES[0]).filter(target_model=model, confident=1).select(names)
        for folder, model in ((run, "dinov2"), (imported[0], "said"))
    )
    assert len(wanted) > 3
    # Crops are summed in the order of their confidence, and equals in another one.
    assert_frame_equal(found, wanted, abs_tol=1e-12)


def test_a_changed_file_reruns_its_model_alone(imported, tmp_path):
    folder, models = imported
    changed = pl.read_parquet(models["tuned"]["path"]).head(-1)
    changed.write_parquet(tmp_path / "n.parquet")
    models = {**models, "tuned": {**models["tuned"], "path": str(tmp_path / "n.parquet")}}
    done = snakemake(folder, "-n", *TABLES, config=configured(tmp_path / "config.yaml", models))
    jobs = jobs_of(done)
    assert jobs["import_neighbors"] == 2 and "import_vectors" not in jobs
    other = {**models, "dinov2": {**models["dinov2"], "encoder": "another"}}
    done = snakemake(folder, "-n", *TABLES, config=configured(tmp_path / "config.yaml", other))
    assert jobs_of(done)["import_vectors"] == 3


def test_a_model_that_is_not_there_is_told_before_any_training(tmp_path):
    config = yaml.safe_load((ROOT / "tests/workflow/vision_small.yaml").read_text())["vision"]
    config["models"]["wrong"] = {"kind": "timm", "model": "resnet50_of_nowhere"}
    config["tests"]["one_model"]["targets"] = ["vicreg_a", "wrong"]
    path = written(tmp_path / "config.yaml", {"vision": config})
    done = snakemake(tmp_path, *TABLES, config=path, cores=1, check=False)
    assert done.returncode and "'resnet50_of_nowhere' is no model of timm" in done.stderr
    assert (tmp_path / "results/logs/assign_sets").exists()
    assert not (tmp_path / "results/logs/train_ssl").exists()


PPG = "results/tables/vlm_ppg.csv"


def named(folder, name, query, path):
    """A file of the neighbours that a model of a captions' run has, without their distances."""
    shards = [
        pl.read_parquet(folder / f"results/vlm/{part}/0000.parquet")
        for part in [f"neighbors/{name}/{query}/target", f"neighbors/{name}/{query}/control"]
    ]
    records = [
        pl.read_parquet(folder / f"results/vlm/records/{each}/0000.parquet")
        for each in ("target", "control", "public")
    ]
    names = dict(pl.concat([each.select("sample", "id") for each in records]).iter_rows())
    found = pl.concat(shards)
    rows = {
        "sample": [names[each] for each in found["sample"]],
        "neighbors": [[names[each] for each in row] for row in found["neighbors"]],
    }
    pl.DataFrame(rows).write_parquet(path)


def test_captions_neighbours_of_target_and_reference_give_byte_identical_scores(
    small_run, tmp_path
):
    folder = small_run[0]
    named(folder, "clip_a_s0", "t2i", tmp_path / "clip_t2i.parquet")
    named(folder, "minilm", "t2t", tmp_path / "minilm.parquet")
    config = yaml.safe_load((ROOT / "tests/workflow/small.yaml").read_text())
    config["vlm"]["models"] = {
        "clip_a": {"kind": "neighbors", "path": str(tmp_path / "clip_{query}.parquet")},
        "minilm": {"kind": "neighbors", "path": str(tmp_path / "minilm.parquet")},
    }
    shutil.copytree(folder, tmp_path / "run", symlinks=True)
    path = written(tmp_path / "config.yaml", config)
    done = snakemake(tmp_path / "run", PPG, config=path)
    jobs = jobs_of(done)
    assert jobs["import_neighbors"] == 4 and jobs["recover_objects"] == 4
    wanted, found = ((each / PPG).read_bytes() for each in (folder, tmp_path / "run"))
    assert found == wanted
    # Nothing of the rest, the page with it, needs a model.
    rest = jobs_of(snakemake(tmp_path / "run", "-n", config=path))
    assert rest["report_page"] == 1
    needing = ("embed_", "train_", "find_neighbors", "build_index")
    assert not [name for name in {*jobs, *rest} if name.startswith(needing)]


def voted(folder, name, query, k, path):
    """A file of the objects that k neighbours of a captions' run vote for, the best first."""
    samples = pl.concat(
        pl.read_parquet(folder / f"results/vlm/samples/{each}/0000.parquet")
        for each in ("target", "control", "public")
    )
    objects = dict(samples.select("sample", "objects").iter_rows())
    ids = dict(samples.select("sample", "id").iter_rows())
    rows = {"sample": [], "prediction": [], "distance": []}
    for part in ("target", "control"):
        shard = f"results/vlm/neighbors/{name}/{query}/{part}/0000.parquet"
        found = pl.read_parquet(folder / shard)
        for sample, nearest, scores in found.select("sample", "neighbors", "score").iter_rows():
            votes, first = {}, {}
            for rank, neighbour in enumerate(nearest[:k]):
                for label in objects[neighbour]:
                    votes[label] = votes.get(label, 0) + 1
                    first.setdefault(label, rank)
            rows["sample"].append(ids[sample])
            rows["prediction"].append(sorted(votes, key=lambda x: (-votes[x], first[x], x)))
            rows["distance"].append(1 - scores[0])
    pl.DataFrame(rows).write_parquet(path)


def test_captions_objects_that_are_predicted_already_give_the_rows_of_their_votes(
    small_run, tmp_path
):
    folder = small_run[0]
    voted(folder, "clip_a_s0", "t2i", 10, tmp_path / "clip_t2i.parquet")
    voted(folder, "minilm", "t2t", 10, tmp_path / "minilm.parquet")
    config = yaml.safe_load((ROOT / "tests/workflow/small.yaml").read_text())
    config["vlm"]["models"] = {
        "clip_a": {"kind": "predictions", "path": str(tmp_path / "clip_{query}.parquet")},
        "minilm": {"kind": "predictions", "path": str(tmp_path / "minilm.parquet")},
    }
    shutil.copytree(folder, tmp_path / "run", symlinks=True)
    path = written(tmp_path / "config.yaml", config)
    done = snakemake(tmp_path / "run", PPG, "results/galleries/vlm.json", config=path)
    jobs = jobs_of(done)
    assert jobs["import_objects"] == jobs["count_objects"] == 4
    assert "recover_objects" not in jobs
    # But for what is corrected over all settings, of which others are another here.
    of_all = cs.starts_with("p_family") | cs.contains("simultaneous")
    wanted, found = (
        pl.read_csv(each / PPG).filter(k=10).select(~of_all) for each in (folder, tmp_path / "run")
    )
    assert len(wanted) and "precision_target" in wanted.columns
    assert_frame_equal(found, wanted)
    shown = json.loads((tmp_path / "run/results/galleries/vlm.json").read_text())
    sides = [
        side
        for group in shown["tests"][0]["groups"]
        for example in group["examples"]
        for side in example["sides"]
    ]
    assert sides and not any(side["neighbors"] for side in sides)
    assert any(side["recovered"] for side in sides)
    rest = jobs_of(snakemake(tmp_path / "run", "-n", config=path))
    assert rest["report_page"] == 1
    needing = ("embed_", "train_", "find_neighbors", "build_index")
    assert not [name for name in {*jobs, *rest} if name.startswith(needing)]
