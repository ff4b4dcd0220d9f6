"""Every key of the schema takes effect, or is refused: what is accepted is never ignored.

The keys are those of the schema: one that no case here names fails. The cases of trainings and
encoders are run by `test_effects_of_models`.
"""

import pytest

from dejavu.config import schema
from tests.rules.test_conventions import ROOT

SCHEMA = schema.read(ROOT / "rules/schemas/config.schema.yaml")

# Networks.

PIXELS = {"crop_side": 24, "resize": "squash", "interpolation": "bilinear"}
CHANNELS = {"mean": [0.5, 0.4, 0.3], "std": [0.25, 0.3, 0.2]}
TRAINING = {
    "backbone": {"library": "timm", "name": "test_byobnet", "settings": {}},
    "stored_side": 32,
    "epochs": 2,
    "batch": 3,
    "learning_rate": 0.002,
    "weight_decay": 0.0001,
    "warmup_epochs": 1,
    "views": {"side": 32, "area": [0.2, 0.8], "aspect": 2, "border": 1.5, "flip": True}
    | {"colour": 1, "blur": 0, "solarization": 0},
    "preprocessing": {"image_side": 32, **PIXELS, **CHANNELS},
    "seeds": [3],
}
VICREG = {
    **TRAINING,
    "method": "vicreg",
    "projector": {"hidden_dim": 16, "output_dim": 8},
    "loss": {},
    "representation": "projector",
    "optimizer": "adamw",
}
DINO = {
    **VICREG,
    "method": "dino",
    "projector": {"hidden_dim": 16, "bottleneck_dim": 6, "output_dim": 12, "batch_norm": True},
    "loss": {"warmup_teacher_temp": 0.02, "teacher_temp": 0.06, "warmup_teacher_temp_epochs": 2},
    "dino": {"momentum": 0.9, "local_views": 1, "local_area": [0.1, 0.2]},
}
BYOL = {**VICREG, "method": "byol", "byol": {"momentum": 0.9}}
SUPERVISED = {
    **TRAINING,
    "method": "supervised",
    "loss": {"label_smoothing": 0},
    "labels": ["a", "b"],
    "optimizer": "adamw",
}
CLASSIFIER = {**TRAINING, "dropout": 0.1, "label_smoothing": 0.1}
TEXT = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
CLIP = {
    "seeds": [3],
    "model_cfg": {
        "embed_dim": 8,
        "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 16, "head_width": 8}
        | {"layers": 1},
        "text_cfg": TEXT,
    },
    "preprocess_cfg": {"size": 16, **CHANNELS, "interpolation": "bicubic"}
    | {"resize_mode": "squash"},
    "epochs": 2,
    "batch": 3,
    "learning_rate": 0.003,
    "weight_decay": 0.05,
    "warmup": 0.1,
    "flip": False,
    "shift": 1,
    "area": 1,
    "colour": 0,
    "captions": "each",
    "text_mask": 0,
    "logit_scale_max": 100,
    "precision": "fp32",
}
OPEN_CLIP = {
    "architecture": "effects_small",
    "checkpoint": "small.safetensors",
    "state_key": "",
    "prefix": "",
    "resize_positions": False,
    "preprocessing": {**CHANNELS, "interpolation": "bicubic", "resize_mode": "shortest"},
}
CHECKPOINT = {
    "format": "dino",
    "checkpoint": "full.pth",
    "network": "teacher",
    "state_key": "",
    "prefix": "",
    "representation": "projector",
    "backbone": TRAINING["backbone"],
    "preprocessing": TRAINING["preprocessing"],
}

# For each kind of model: the settings that a key is changed in, and the key's other value.

ARCHITECTURE = {
    "backbone.library": "torchvision",
    "backbone.name": "test_resnet",
    "backbone.settings": {"in_chans": 3, "act_layer": "gelu"},
}
SEEN = {
    "preprocessing.crop_side": 32,
    "preprocessing.resize": "centre_crop",
    "preprocessing.interpolation": "bicubic",
    "preprocessing.mean": [0.5, 0.5, 0.5],
    "preprocessing.std": [0.25, 0.25, 0.25],
}
VISION_TRAINING = {
    **ARCHITECTURE,
    "preprocessing.mean": [0.5, 0.5, 0.5],
    "preprocessing.std": [0.25, 0.25, 0.25],
    "seeds": [4],
    "stored_side": 40,
    "epochs": 1,
    "batch": 2,
    "learning_rate": 0.001,
    "weight_decay": 0.5,
    "warmup_epochs": 0,
    "views.side": 24,
    "views.area": [0.3, 0.8],
    "views.aspect": 1.5,
    "views.border": 1,
    "views.flip": False,
    "views.colour": 0,
    "views.blur": 0.5,
    "views.solarization": 0.5,
}
CHANGES = {
    "ssl": [
        (VICREG, {**VISION_TRAINING, "method": "barlow_twins"}),
        (VICREG, {"projector.hidden_dim": 8, "projector.output_dim": 4, "projector.num_layers": 2}),
        (VICREG, {f"loss.{name}_param": 3 for name in ("lambda", "mu", "nu")} | {"loss.eps": 0.1}),
        ({**VICREG, "method": "simclr"}, {"loss.temperature": 0.1, "projector.batch_norm": False}),
        (BYOL, {"byol.momentum": 0.5}),
        (SUPERVISED, {"loss.label_smoothing": 0.3}),
        ({**VICREG, "optimizer": "sgd", "momentum": 0.9}, {"momentum": 0.5, "optimizer": "lars"}),
        (DINO, {"dino.momentum": 0.5, "dino.local_views": 2, "dino.local_area": [0.3, 0.4]}),
        (
            DINO,
            {
                "projector.bottleneck_dim": 4,
                "projector.freeze_last_layer": 1,
                "projector.norm_last_layer": False,
                "loss.warmup_teacher_temp": 0.03,
                "loss.teacher_temp": 0.08,
                "loss.warmup_teacher_temp_epochs": 0,
                "loss.student_temp": 0.3,
                "loss.center_momentum": 0.2,
            },
        ),
    ],
    "ssl, embedding": [
        (VICREG, {**SEEN, "preprocessing.image_side": 40, "representation": "backbone"})
    ],
    "checkpoint": [
        (
            CHECKPOINT,
            {
                **{key: ARCHITECTURE[key] for key in ("backbone.library", "backbone.name")},
                "backbone.settings": {"act_layer": "gelu"},
                **SEEN,
                "preprocessing.image_side": 40,
                "format": "vicreg",
                "checkpoint": "other.pth",
                "network": "student",
                "state_key": "other",
                "prefix": "other.",
                "representation": "backbone",
            },
        )
    ],
    "classifier": [(CLASSIFIER, {**VISION_TRAINING, "dropout": 0.5, "label_smoothing": 0.3})],
    "classifier, predicting": [(CLASSIFIER, SEEN)],
    "clip": [
        (
            CLIP,
            {
                "seeds": [4],
                "model_cfg": {**CLIP["model_cfg"], "embed_dim": 12},
                "preprocess_cfg.size": 24,
                "preprocess_cfg.mean": [0.5, 0.5, 0.5],
                "preprocess_cfg.std": [0.25, 0.25, 0.25],
                "preprocess_cfg.interpolation": "bilinear",
                "preprocess_cfg.resize_mode": "shortest",
                "epochs": 1,
                "batch": 2,
                "learning_rate": 0.001,
                "weight_decay": 0.9,
                "warmup": 0.9,
                "flip": True,
                "shift": 0,
                "area": 0.5,
                "colour": 1,
                "captions": "drawn",
                "text_mask": 0.5,
                "logit_scale_max": 10,
                "precision": "bf16",
            },
        )
    ],
    "open_clip": [
        (
            OPEN_CLIP,
            {
                "architecture": "effects_large",
                "pretrained": "laion2b_s34b_b79k",
                "checkpoint": "other.safetensors",
                "state_key": "other",
                "prefix": "other.",
                "model_cfg": {**CLIP["model_cfg"], "quick_gelu": True},
                "preprocessing.mean": [0.5, 0.5, 0.5],
                "preprocessing.std": [0.25, 0.25, 0.25],
                "preprocessing.interpolation": "bilinear",
                "preprocessing.resize_mode": "squash",
            },
        ),
        ({**OPEN_CLIP, "architecture": "effects_large"}, {"resize_positions": True}),
    ],
}
CHANGES |= {
    "vision random": [
        (
            {"backbone": TRAINING["backbone"], "preprocessing": TRAINING["preprocessing"]}
            | {"seed": 3},
            {**ARCHITECTURE, **SEEN, "preprocessing.image_side": 40, "seed": 4},
        )
    ],
    "vlm random": [
        (
            {"model_cfg": CLIP["model_cfg"], "preprocessing": OPEN_CLIP["preprocessing"]}
            | {"seed": 3},
            {
                "architecture": "effects_large",
                "model_cfg": {**CLIP["model_cfg"], "embed_dim": 12},
                "preprocessing.mean": [0.5, 0.5, 0.5],
                "preprocessing.std": [0.25, 0.25, 0.25],
                "preprocessing.interpolation": "bilinear",
                "preprocessing.resize_mode": "squash",
                "seed": 4,
            },
        )
    ],
}
CASES = [
    pytest.param(kind, base, key, value, id=f"{kind}: {key}")
    for kind, several in CHANGES.items()
    for base, changes in several
    for key, value in changes.items()
]

# What other tests show, by their file and name.
CHECKS = "unit/config/test_checks_vision.py::"
IMPORTED = "workflow/test_imported_embeddings.py::"
ELSEWHERE = {
    "vision ssl train_on": f"{CHECKS}test_a_mistake_is_one_sentence",
    "vision classifier train_on": f"{CHECKS}test_a_mistake_is_one_sentence",
    "vision checkpoint trained_on": f"{CHECKS}test_published_models_are_checked_like_others",
    "vlm clip train_on": "unit/config/test_checks.py::test_every_mistake_is_told_with_its_key_and",
    **{
        f"vision embeddings {key}": "workflow/test_own_models.py::test_vectors_that_exist_al"
        for key in ("images", "crops", "encoder", "trained_on")
    },
    "vision neighbors path": "unit/search/test_given.py::test_neighbours_are_the_numbers_of_the_fi",
    "vision neighbors trained_on": f"{CHECKS}test_published_models_are_checked_like_others",
    "vlm neighbors path": "unit/search/test_given.py::test_neighbours_are_the_numbers_of_the_first",
    "vlm predictions path": "unit/predictions/test_given_objects.py::test_lists_come_in_the_",
    "vision predictions path": "unit/predictions/test_given.py::test_labels_are_those_of_the_file",
    "vision predictions trained_on": f"{CHECKS}test_published_models_are_checked_like_others",
    "vision timm trained_on": f"{CHECKS}test_published_models_are_checked_like_others",
    "vision timm model": "unit/encoders/test_timm_models.py::test_embeddings_are_those_of_timm",
    "vision timm checkpoint": "unit/encoders/test_timm_models.py::test_embeddings_are_those_of",
    "vision timm representation": "unit/encoders/test_timm_models.py::test_embeddings_are_those_of",
    "vision transformers trained_on": f"{CHECKS}test_published_models_are_checked_like_others",
    "vision transformers model": "unit/encoders/test_image_transformers.py::test_embeddings_are",
    "vision transformers representation": "unit/encoders/test_image_transformers.py::test_embeddi",
    "vlm transformers model": "unit/encoders/test_transformers.py::test_",
    "vlm sentence_transformers model": "unit/encoders/test_text.py::test_",
    "vlm sentence_transformers prompt": "unit/encoders/test_text.py::test_the_prompt_stands_before",
    "vlm clip_retrieval encoder": f"{IMPORTED}test_a_changed_encoder_is_another_model",
    "vlm clip_retrieval path": f"{IMPORTED}test_two_models_and_a_text_reference_from_folders_of_th",
    # What of sets is read.
    "vlm clip train_fraction": "unit/samples/test_fractions.py::test_pairs_are_the_first_of_the",
    "vlm clip extra": "unit/samples/test_fractions.py::test_pairs_are_the_first_of_the_set_and",
    "vision ssl train_fraction": "unit/samples/test_fractions.py::test_images_are_drawn_class_by",
    "vision ssl extra": "unit/samples/test_fractions.py::test_images_are_drawn_class_by_class_and",
    "vision classifier train_fraction": "unit/samples/test_fractions.py::test_a_part_has_its_share",
    # Scores: whoever takes the key runs again (the matrices of reruns), and its test shows more.
    **dict.fromkeys(["vlm k", "vlm predict", "vlm objects"], "unit/scores/test_vlm.py::test_"),
    "vlm queries": "unit/config/test_plan.py::test_every_test_is_compared_for_every_query",
    **dict.fromkeys(
        [f"vlm headline.{key}" for key in ("query", "k", "predict", "objects")],
        "unit/config/test_plan.py::test_the_headline_is_the_methods_or",
    ),
    "vlm memorized": "unit/report/test_gallery.py::test_",
    "vision k": "unit/predictions/test_label_votes.py::test_votes_equal_a_count_by_hand",
    "vision metric": "unit/search/test_exact.py::test_ranking_equals_brute_force_whatever",
    "vision confident": "unit/scores/test_vision.py::test_",
    "vision memorized": "unit/scores/test_vision_tables.py::test_",
    "vision naive_bayes.fit_on": "workflow/test_vision_smoke.py::test_naive_bayes_is_the_textbooks",
}
for domain in ("vlm", "vision"):
    ELSEWHERE |= {
        f"{domain} sweeps": "unit/config/test_sweeps.py::test_plans_of_sweeps_have_the_form_of",
        f"{domain} contrasts": "unit/config/test_sweeps.py::test_a_contrast_is_a_plan_of_two",
        f"{domain} index.factory": "unit/search/test_approximate.py::test_an_index_that_misses",
        f"{domain} index.search": "unit/search/test_approximate.py::test_searching_more_lists",
        f"{domain} index.train_samples": "unit/search/test_approximate.py::test_the_training_samp",
        f"{domain} index.recall_queries": "unit/search/test_approximate.py::test_from_embeddings",
        f"{domain} exclude_contaminated": "unit/scores/test_exclusion.py::test_",
        f"{domain} contamination.model": "unit/config/test_checks_audits.py::test_mistakes_are_to",
        f"{domain} contamination.input": "unit/config/test_checks_audits.py::test_mistakes_are_to",
        f"{domain} contamination.threshold": "unit/audits/test_duplicates.py::test_",
        f"{domain} blind.model": "unit/config/test_checks_audits.py::test_mistakes_are_told",
        f"{domain} membership.similarity": "workflow/test_ready_configs.py::test_a_ready_config_",
        f"{domain} groups": "unit/config/test_plan.py::test_groups_are_those_that_are_asked_for",
        f"{domain} blind.shift_components": "unit/scores/test_shift.py::test_it_is_the_regress",
        f"{domain} blind.samples": "unit/audits/test_blind.py::test_",
        f"{domain} utility.classes": "unit/audits/test_utility.py::test_a_sample_is_of_the_one_cla",
        f"{domain} utility.templates": "unit/audits/test_utility.py::test_a_class_is_the_mean_of",
        f"{domain} utility.images": "unit/audits/test_utility.py::test_",
    }
# Keys of the data, which readers take and their own tests show, and of what is compared.
OF_DATA = {"sources", "sets", "max_rejected", "synonyms", "min_side", "crop", "n_per_class", "tags"}
OF_DATA |= {"control_per_class", "tests"}
# These change last bits alone.
CUT = {"embedding.batch", "embedding.threads"}


def resolved(rules):
    """The rules that a reference stands for."""
    while "$ref" in rules:
        rules = SCHEMA["$defs"][rules["$ref"].rpartition("/")[2]]
    return rules


def leaves(rules, before=""):
    """Dotted keys of a mapping that hold no further keys of their own."""
    for key, below in resolved(rules).get("properties", {}).items():
        if resolved(below).get("properties"):
            yield from leaves(below, f"{before}{key}.")
        else:
            yield before + key


def keys_of_kind(definition, kind):
    """Dotted keys of a model of a kind, but for the kind."""
    found = set()
    branches = SCHEMA["$defs"][definition]["allOf"]
    for known in ("kind", "method", "format", "optimizer"):
        for branch in branches:
            [(name, asked)] = branch["if"]["properties"].items()
            values = asked.get("enum", [asked.get("const")])
            if name == known and (kind in values if name == "kind" else name in found):
                then = branch["then"]
                own = {"properties": then.get("properties", {})}
                found |= {*leaves(own), *leaves(resolved(then))}
    return found


def kinds_of(definition):
    return SCHEMA["$defs"][definition]["properties"]["kind"]["enum"]


def keys_of_domain(domain):
    """Dotted keys of a domain, but for those of its models, its data and what jobs are cut by."""
    own = set(SCHEMA["$defs"][domain]["properties"]) - OF_DATA - {"models"}
    return {key for key in leaves(SCHEMA["$defs"][domain]) if key.partition(".")[0] in own}


@pytest.mark.parametrize("domain", ["vlm", "vision"])
def test_every_key_of_a_model_is_shown_to_take_effect(domain):
    for kind in kinds_of(f"{domain}_model"):
        shown = {
            key
            for name, several in CHANGES.items()
            if name.partition(",")[0] in (kind, f"{domain} {kind}")
            for _, changes in several
            for key in changes
        }
        prefix = f"{domain} {kind} "
        elsewhere = {key.removeprefix(prefix) for key in ELSEWHERE if key.startswith(prefix)}
        assert shown | elsewhere == keys_of_kind(f"{domain}_model", kind), (domain, kind)


@pytest.mark.parametrize("domain", ["vlm", "vision"])
def test_every_key_of_a_score_is_shown_to_take_effect(domain):
    shown = {key.removeprefix(f"{domain} ") for key in ELSEWHERE if key.startswith(f"{domain} ")}
    wanted = keys_of_domain(domain) - CUT - {"embedding.precision"}
    assert wanted and wanted <= shown, wanted - shown


def test_what_is_shown_elsewhere_is_there():
    for key, place in ELSEWHERE.items():
        file, _, name = place.partition("::")
        assert f"def {name}" in (ROOT / "tests" / file).read_text(), (key, place)
