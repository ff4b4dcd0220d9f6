"""Mistakes in the vision part of a config, each told in one sentence that names the key."""

import copy
from pathlib import Path

import pytest
import yaml

from dejavu.config import checks, plan, plan_vision, schema
from dejavu.errors import InputError

ROOT = Path(__file__).parents[3]
SCHEMA = schema.read(ROOT / "rules/schemas/config.schema.yaml")
CONFIG = {"vision": yaml.safe_load((ROOT / "config.yaml").read_text())["vision"]}
IMAGENET = yaml.safe_load((ROOT / "config/imagenet_small.yaml").read_text())


def checked(config, base=ROOT):
    completed = schema.complete(config, SCHEMA)
    checks.check(completed, base)
    return completed


def changed(key, value, config=CONFIG):
    config = copy.deepcopy(config)
    place = config["vision"]
    *parents, last = key.split(".")
    for parent in parents:
        place = place[int(parent) if isinstance(place, list) else parent]
    place[last] = value
    return config


def test_the_shipped_configs_are_right(tmp_path):
    vision = checked(CONFIG)["vision"]
    assert {settings["shards"] for settings in vision["sets"].values()} == {1}
    for folder in ("train/a", "train/b", "train/c", "train/d", "Annotation"):
        (tmp_path / "data/imagenet_small" / folder).mkdir(parents=True)
    photographs = checked(IMAGENET, tmp_path)["vision"]
    # The schema's default, which the file leaves out.
    assert {settings["shards"] for settings in photographs["sets"].values()} == {2}


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("k", 0, "vision.k: 0 is less than the minimum"),
        ("metric", "manhattan", "vision.metric: 'manhattan' is none of euclidean, cosine"),
        ("sets.A.source", "nowhere", "vision.sets.A.source: there is no source 'nowhere'"),
        ("sets.A.fraction", 0.5, "vision.sets.A: it does not know fraction"),
        ("models.vicreg_a.train_on", "public", "is trained on A or B"),
        ("models.vicreg_a.train_on", "B", "'vicreg_a' is trained on the set 'B'"),
        ("models.resnet.train_on", "A", "must not have seen A"),
        ("models.vicreg_a.seeds", [0, 1], "models have different `seeds`"),
        ("models.vicreg_a.method", "moco", "'moco' is none of vicreg"),
        ("models.vicreg_a.views.area", [0.5, 0.2], "views.area: the smallest part"),
        ("models.resnet.views.blur", [1, 0.1], "resnet.views.blur: classifiers and `supervised`"),
        ("models.vicreg_a.views.blur", [1, 1.5], "views.blur.1: 1.5 is greater"),
        ("models.vicreg_a.views.solarization", [1], "views.solarization: [1] is too short"),
        ("models.vicreg_a.views.colours", 1, "it does not know colours"),
        ("models.dino_a.projector", {}, "dino_a.projector: it lacks the key 'output_dim'"),
        ("models.vicreg_a.projector.layers", [], "it does not know layers; it may hold hidden_dim"),
        (
            "models.vicreg_a.loss",
            {"lamda_param": 5},
            "models.vicreg_a.loss: it does not know lamda_param; it may hold eps, lambda_param,",
        ),
        ("models.vicreg_a.loss", {"lambda_param": "5"}, "loss.lambda_param: '5' is not of type"),
        ("models.vicreg_a.loss", {"gather_distributed": True}, "does not know gather_distributed"),
        ("models.dino_a.loss", {"output_dim": 3}, "it does not know output_dim"),
        ("models.vicreg_a.dino", {"momentum": 0.5}, "it does not know dino; it may hold backbone"),
        ("models.resnet.preprocessing.image_side", 32, "it does not know image_side"),
        ("index", {"search": "nprobe=4"}, "vision.index.search: exact search takes no parameters"),
        ("models.vicreg_s1", CONFIG["vision"]["models"]["resnet"], "must not end in _s and digits"),
        ("tests.two_model.0.target", "vicreg", "there is no model 'vicreg'"),
        ("tests.two_model.0.target", "resnet", "'resnet' gives no embeddings"),
        ("tests.one_model.references", ["naive_bayes@0"], "'naive_bayes@0' is neither"),
        ("tests.one_model.references", ["vicreg_b"], "'vicreg_b' is neither a classifier"),
        ("tests.one_model.references", [], "give both `targets` and `references`"),
        ("tests.one_model.null_models", ["vicreg_c"], "there is no model 'vicreg_c'"),
        ("tests.one_model.null_models", ["dino_a"], "'dino_a' was trained on A"),
        ("tests.one_model.null_models", ["resnet"], "name a model of a target's kind"),
        ("sources.foregrounds.tilt", [1, 2], "vision.sources.foregrounds.tilt"),
        ("tests", {}, "there is no test"),
        ("sources.foregrounds.preferred", 0.7, "0.7 is greater than the maximum of 0.5"),
        ("tags", {"kind": "table", "path": "none.csv"}, "vision.tags.path: there is no file"),
        ("tags", {"kind": "clip"}, "vision.tags: it lacks the key"),
    ],
)
def test_a_mistake_is_one_sentence(key, value, told):
    with pytest.raises(InputError) as found:
        checked(changed(key, value))
    assert told in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("name", "stages"),
    [("resnet50", 4), ("wide_resnet50_2", 4), ("convnext_tiny", 4), ("vit_base_patch16_224", 12)],
)
def test_a_stage_that_a_residual_network_has_not_is_told(name, stages):
    config = changed("models.vicreg_a.backbone", {"name": name})
    checked(changed("models.vicreg_a.representation", f"layer{stages}", config))
    if stages == 4:
        with pytest.raises(InputError, match=f"'{name}' has no stage layer5: name one of layer1, "):
            checked(changed("models.vicreg_a.representation", "layer5", config))


def test_a_shared_source_gives_a_and_b_alike():
    other = changed("sources.other", {"kind": "foregrounds", "seed": 1})
    other["vision"]["sets"]["B"] = {"source": "other"}
    del other["vision"]["blind"]
    with pytest.raises(InputError, match="a shared source gives A and B alike"):
        checked(other)
    other["vision"]["sets"]["A"] = {"source": "third"}
    other["vision"]["sources"]["third"] = {"kind": "foregrounds", "seed": 2}
    checked(other)
    other["vision"]["sources"]["fourth"] = {"kind": "foregrounds", "seed": 3}
    other["vision"]["sets"]["shared"] = {"source": "fourth"}
    with pytest.raises(InputError, match="'fourth' gives no other set"):
        checked(other)


def test_folders_of_photographs_must_be_there_and_hold_classes(tmp_path):
    with pytest.raises(InputError, match=r"photographs\.path: there is no folder"):
        checked(IMAGENET, tmp_path)
    (tmp_path / "data/imagenet_small/train/a").mkdir(parents=True)
    with pytest.raises(InputError, match=r"photographs\.annotations: there is no folder"):
        checked(IMAGENET, tmp_path)
    (tmp_path / "data/imagenet_small/Annotation").mkdir(parents=True)
    with pytest.raises(InputError, match="holds 1 class folders, and `parts` is 4"):
        checked(IMAGENET, tmp_path)
    world = changed("tags", {"kind": "world"}, changed("sources.photographs.parts", 1, IMAGENET))
    with pytest.raises(InputError, match="only the embedded world knows the tags"):
        checked(world, tmp_path)


def test_two_views_of_a_picture_may_have_fractions_of_their_own():
    both = changed("models.vicreg_a.views.solarization", [0, 0.2])
    assert checked(both)["vision"]["models"]["vicreg_a"]["views"]["solarization"] == [0, 0.2]
    model = both["vision"]["models"]["vicreg_a"]
    both["vision"]["models"]["vicreg_a"] = {
        **{key: value for key, value in model.items() if key not in ("loss", "projector")},
        **{"method": "supervised", "representation": "backbone"},
    }
    with pytest.raises(InputError, match="`supervised` look at one view of a picture"):
        checked(both)


def test_comparisons_pair_seeds_and_change_places():
    vision = checked(CONFIG)["vision"]
    found = list(plan_vision.comparisons(vision))
    assert len(found) == 3 + 3 * 5
    vicreg = found[0]
    assert vicreg["replicates"] == {"0": [0], "1": [1], "2": [2], "pooled": [0, 1, 2]}
    a, b = ([f"vicreg_{side}_s{seed}" for seed in range(3)] for side in "ab")
    assert vicreg["sides"] == {
        "A": {"set": "A", "targets": a, "references": b},
        "B": {"set": "B", "targets": b, "references": a},
        "control": {"set": "control", "targets": a, "references": b},
        "nonmember": {"set": "B", "targets": a, "references": []},
    }
    single = next(each for each in found if each["reference_model"] == "naive_bayes@3")
    assert single["sides"]["A"]["references"] == ["naive_bayes@3"] * 3
    assert "B" not in single["sides"]
    assert single["sides"]["nonmember"] == vicreg["sides"]["nonmember"]
    references = plan_vision.references(vision)
    assert [each["name"] for each in references][:4] == ["vicreg_b", "barlow_b", "dino_b", "resnet"]
    assert references[1]["alone"]["replicates"] == {"0": [0]}
    assert references[1]["together"]["predictors"] == ["barlow_b_s0"] * 3
    assert plan_vision.most_tags(vision) == "naive_bayes@5"


FOLDER = {"kind": "transformers", "model": "./tower"}
GIVEN = {"kind": "neighbors", "path": "given.parquet"}
VECTORS = {"kind": "embeddings", "encoder": "x", "images": "v.npy", "crops": "given.parquet"}
FULL = {"kind": "checkpoint", "format": "vicreg", "checkpoint": "full.pth"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"trained_on": "none"}, "'web' is trained on the set 'none'"),
        ({"checkpoint": "no.pth"}, "vision.models.web.checkpoint: there is no file"),
        ({"format": "moco"}, "'moco' is none of vicreg, barlow_twins, dejavu, dino, backbone"),
        ({"format": "backbone"}, "set `representation: backbone`"),
        ({"format": "backbone", "representation": "backbone"}, None),
        ({"epochs": 3}, "it does not know epochs; it may hold backbone, checkpoint, format"),
        ({"network": "student"}, "it does not know network; it may hold backbone, checkpoint"),
        ({"format": "dino", "network": "student"}, None),
        ({"format": "dino", "network": "both"}, "'both' is none of teacher, student"),
        (FOLDER, None),
        (FOLDER | {"model": "facebook/dinov2-base", "representation": "mean_tokens"}, None),
        (FOLDER | {"trained_on": "none"}, "'web' is trained on the set 'none'"),
        (FOLDER | {"model": "./none"}, "vision.models.web.model: there is no folder"),
        (FOLDER | {"representation": "projector"}, "'projector' is none of pooled, class_token"),
        ({"kind": "timm", "model": "resnet18", "checkpoint": "full.pth"}, None),
        ({"kind": "timm", "model": "resnet18", "checkpoint": "no.pth"}, "there is no file"),
        ({"kind": "timm", "model": "resnet18", "trained_on": "B"}, "is trained on the set 'B'"),
        ({"kind": "timm", "model": "resnet18", "representation": "projector"}, "'projector'"),
        (GIVEN, None),
        (GIVEN | {"trained_on": "none"}, "'web' is trained on the set 'none'"),
        (GIVEN | {"path": "no.parquet"}, "vision.models.web.path: there is no file"),
        (GIVEN | {"path": "full.pth"}, "full.pth is no .parquet file"),
        (GIVEN | {"path": "{source}.parquet"}, None),
        (GIVEN | {"path": "{query}_{source}.parquet"}, "crop_foregrounds.parquet"),
        (GIVEN | {"kind": "predictions"}, None),
        (GIVEN | {"kind": "predictions", "trained_on": "B"}, "is trained on the set 'B'"),
        (GIVEN | {"kind": "predictions", "path": "no.parquet"}, "there is no file"),
        (VECTORS, None),
        (VECTORS | {"images": "no.npy"}, "vision.models.web.images: there is no file"),
        (VECTORS | {"crops": "lone.npy"}, "lone.npy has no ids: put them, a line each, into lone"),
        (VECTORS | {"crops": "full.pth"}, "full.pth is neither a .parquet nor a .npy file"),
        (FOLDER | {"preprocessing": {}}, "it does not know preprocessing"),
    ],
)
def test_published_models_are_checked_like_others(tmp_path, changes, told):
    (tmp_path / "full.pth").touch()
    for name in ("given.parquet", "foregrounds.parquet", "v.npy", "v.txt", "lone.npy"):
        (tmp_path / name).touch()
    (tmp_path / "tower").mkdir()
    config = changed("models.web", changes if "kind" in changes else {**FULL, **changes})
    config["vision"]["tests"]["one_model"]["targets"] = ["web"]
    if told is None:
        vision = checked(config, tmp_path)["vision"]
        assert vision["models"]["web"]["trained_on"] == "A"
        return
    with pytest.raises(InputError) as found:
        checked(config, tmp_path)
    assert told in str(found.value)
    assert "\n" not in str(found.value)


def test_given_answers_serve_no_audit_and_no_reference_that_saw_the_members(tmp_path):
    (tmp_path / "given.parquet").touch()
    config = changed("models.web", GIVEN)
    config["vision"]["tests"]["one_model"]["targets"] = ["web"]
    for key, value, told in [
        ("membership", {"similarity": True}, "'web', of kind neighbors, has no embeddings"),
        ("blind.model", "web", "'web', of kind neighbors, can't embed a crop"),
        ("tests.one_model.references", ["web"], "'web' is told to be trained on A"),
    ]:
        with pytest.raises(InputError) as found:
            checked(changed(key, value, config), tmp_path)
        assert told in str(found.value) and "\n" not in str(found.value)
    [asked] = plan.answered("vision", checked(config, tmp_path)["vision"]).items()
    assert asked == ("web", [("crop", "A"), ("crop", "control")])
