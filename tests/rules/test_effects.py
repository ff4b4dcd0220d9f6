"""Every key of the schema takes effect, or is refused: what is accepted is never ignored.

The keys are those of the schema: one that no case here names fails. Trainings and encoders are run,
as small as they come, with the key's value and with another one. What only the jobs are cut by
changes no more than last bits.
"""

import copy
import hashlib
import json
from functools import cache

import numpy as np
import open_clip
import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from dejavu.config import schema
from dejavu.encoders import backbones, device, precision, published, shards, ssl
from dejavu.encoders import clip as clip_encoder
from dejavu.errors import InputError
from dejavu.job import Progress
from dejavu.training import classifier, clip
from dejavu.training import ssl as ssl_training
from dejavu.training.loop import Checkpoint
from tests.rules.test_conventions import ROOT
from tests.rules.test_reruns import MATRIX as VLM_RERUNS
from tests.rules.test_reruns import changed
from tests.workflow.test_vision_smoke import MATRIX as VISION_RERUNS

CPU = torch.device("cpu")
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
    | {"colour": 1},
    "preprocessing": {"image_side": 32, **PIXELS, **CHANNELS},
    "seeds": [3],
}
VICREG = {
    **TRAINING,
    "method": "vicreg",
    "projector": {"hidden_dim": 16, "output_dim": 8},
    "loss": {},
    "representation": "projector",
}
DINO = {
    **VICREG,
    "method": "dino",
    "projector": {"hidden_dim": 16, "bottleneck_dim": 6, "output_dim": 12, "batch_norm": True},
    "loss": {"warmup_teacher_temp": 0.02, "teacher_temp": 0.06, "warmup_teacher_temp_epochs": 2},
    "dino": {"momentum": 0.9, "local_views": 1, "local_area": [0.1, 0.2]},
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
    "precision": "fp32",
}
OPEN_CLIP = {
    "architecture": "effects_small",
    "checkpoint": "small.safetensors",
    "resize_positions": False,
    "preprocessing": {**CHANNELS, "interpolation": "bicubic", "resize_mode": "shortest"},
}
CHECKPOINT = {
    "format": "dino",
    "checkpoint": "full.pth",
    "network": "teacher",
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
}
CHANGES = {
    "ssl": [
        (VICREG, {**VISION_TRAINING, "projector": {"hidden_dim": 8, "output_dim": 8}}),
        (VICREG, {"method": "barlow_twins", "loss": {"nu_param": 3}}),
        (DINO, {"dino.momentum": 0.5, "dino.local_views": 2, "dino.local_area": [0.3, 0.4]}),
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
                "preprocessing.mean": [0.5, 0.5, 0.5],
                "preprocessing.std": [0.25, 0.25, 0.25],
                "preprocessing.interpolation": "bilinear",
                "preprocessing.resize_mode": "squash",
            },
        ),
        ({**OPEN_CLIP, "architecture": "effects_large"}, {"resize_positions": True}),
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
    "vlm transformers model": "unit/encoders/test_transformers.py::test_",
    "vlm sentence_transformers model": "unit/encoders/test_text.py::test_",
    "vlm sentence_transformers prompt": "unit/encoders/test_text.py::test_the_prompt_stands_before",
    "vlm clip_retrieval encoder": f"{IMPORTED}test_a_changed_encoder_is_another_model",
    "vlm clip_retrieval path": f"{IMPORTED}test_two_models_and_a_text_reference_from_folders_of_th",
    # Scores: whoever takes the key runs again (the matrices of reruns), and its test shows more.
    **dict.fromkeys(["vlm k", "vlm predict", "vlm objects"], "unit/scores/test_vlm.py::test_"),
    "vlm queries": "unit/config/test_plan.py::test_every_test_is_compared_for_every_query",
    "vlm memorized": "unit/report/test_gallery.py::test_",
    "vision k": "unit/predictions/test_label_votes.py::test_votes_equal_a_count_by_hand",
    "vision metric": "unit/search/test_exact.py::test_ranking_equals_brute_force_whatever",
    "vision confident": "unit/scores/test_vision.py::test_",
    "vision memorized": "unit/scores/test_vision_tables.py::test_",
    "vision naive_bayes.fit_on": "workflow/test_vision_smoke.py::test_naive_bayes_is_the_textbooks",
}
for domain in ("vlm", "vision"):
    ELSEWHERE |= {
        f"{domain} index.factory": "unit/search/test_approximate.py::test_an_index_that_misses",
        f"{domain} index.search": "unit/search/test_approximate.py::test_searching_more_lists",
        f"{domain} index.train_samples": "unit/search/test_approximate.py::test_the_training_samp",
        f"{domain} index.recall_queries": "unit/search/test_approximate.py::test_from_embeddings",
        f"{domain} exclude_contaminated": "unit/scores/test_exclusion.py::test_",
        f"{domain} contamination.model": "unit/config/test_checks_audits.py::test_mistakes_are_to",
        f"{domain} contamination.input": "unit/config/test_checks_audits.py::test_mistakes_are_to",
        f"{domain} contamination.threshold": "unit/audits/test_duplicates.py::test_",
        f"{domain} blind.model": "unit/config/test_checks_audits.py::test_mistakes_are_told",
        f"{domain} blind.samples": "unit/audits/test_blind.py::test_",
        f"{domain} utility.classes": "unit/audits/test_utility.py::test_a_sample_is_of_the_one_cla",
        f"{domain} utility.templates": "unit/audits/test_utility.py::test_a_class_is_the_mean_of",
        f"{domain} utility.images": "unit/audits/test_utility.py::test_",
    }
# Keys of the data, which readers take and their own tests show, and of what is compared.
OF_DATA = {"sources", "sets", "max_rejected", "synonyms", "min_side", "n_per_class", "tags"}
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
    for known in ("kind", "method", "format"):
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
            if name.partition(",")[0] == kind
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


def test_every_key_of_a_score_reruns_what_takes_it():
    # In one of both domains, whose rules and scripts are the same for searches and audits.
    rerun = {key.partition(".")[2] for key, *_ in (*VLM_RERUNS, *VISION_RERUNS)}
    wanted = keys_of_domain("vlm") | keys_of_domain("vision")
    # Names of inputs, and what only an approximate index takes.
    wanted -= {"contamination.model", "contamination.input", "blind.model", "index.search"}
    missing = {
        key
        for key in wanted - {"embedding.threads"}
        if not any(f"{key}.".startswith(f"{each}.") or each.startswith(key) for each in rerun)
    }
    assert not missing


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with pictures, weights as they are published, and architectures of OpenCLIP."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("effects")
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 256, (34, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    features = backbones.width(backbones.build(TRAINING["backbone"]), 32)
    layers = [["linear", features, 8, True], ["gelu"], ["linear", 8, 6, True]]
    for file, seed in (("full.pth", 1), ("other.pth", 2)):
        networks = {}
        for network, more in (("teacher", 0), ("student", 10)):
            model = ssl.build({**VICREG, "projector": {"layers": layers}}, seed + more)
            torch.manual_seed(seed + more)
            model.train()(torch.randn(4, 3, 32, 32))
            networks[network] = {
                name.replace("projector.layers.", "head.mlp."): value
                for name, value in model.state_dict().items()
            }
        torch.save(networks, folder / file)
    for name, side in (("small", 16), ("large", 24)):
        config = copy.deepcopy(CLIP["model_cfg"])
        config["vision_cfg"]["image_size"] = side
        (folder / f"effects_{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    for file, seed in (("small", 1), ("other", 2)):
        torch.manual_seed(seed)
        state = open_clip.create_model("effects_small").state_dict()
        save_file({k: v.contiguous() for k, v in state.items()}, folder / f"{file}.safetensors")
    return folder


def pictures(place):
    return [str(place / f"{number}.png") for number in range(6)]


def crops_of(place):
    crop = {"xmin": 3, "ymin": 2, "xmax": 33, "ymax": 24}
    images = pictures(place)
    return pl.DataFrame({"image": images, "label": list("ababab"), "crop": [crop] * len(images)})


def encoded(encoder, place):
    """Vectors of whole pictures and of crops of them."""
    images = [Image.open(path).convert("RGB") for path in pictures(place)]
    crops = [image.crop((3, 2, 33, 24)) for image in images]
    return [
        encoder.encode_images([encoder.prepare_image(each, part) for each in some])
        for part, some in (("image", images), ("crop", crops))
    ]


def train_ssl(settings, place, checkpoint):
    model, _ = ssl_training.train(settings, pictures(place), settings["seeds"][0], checkpoint, CPU)
    return list(clip.weights_of(model).values())


@cache
def untrained(backbone):
    model = ssl.build({**VICREG, "backbone": json.loads(backbone)}, 5)
    torch.manual_seed(5)
    model.train()(torch.randn(4, 3, 32, 32))
    return model


def embed_ssl(settings, place, checkpoint):
    model = untrained(json.dumps(settings["backbone"]))
    used = settings["preprocessing"], settings["representation"]
    return encoded(ssl.SslEncoder("m", model, {}, *used, True, CPU), place)


def embed_checkpoint(settings, place, checkpoint):
    file = place / settings["checkpoint"]
    model, _ = published.load(file, settings["format"], settings["backbone"], settings["network"])
    used = settings["preprocessing"], settings["representation"]
    return encoded(ssl.SslEncoder("m", model, {}, *used, True, CPU), place)


def train_classifier(settings, place, checkpoint):
    model, _, _ = classifier.train(settings, crops_of(place), settings["seeds"][0], checkpoint, CPU)
    return list(clip.weights_of(model).values())


def classify(settings, place, checkpoint):
    model = classifier.build(settings, 2, 5)
    torch.manual_seed(5)
    model.train()(torch.randn(4, 3, 32, 32))
    preprocessing = settings["preprocessing"]
    return [classifier.probabilities(model.eval(), 2, crops_of(place), preprocessing, 4, CPU)]


def train_clip(settings, place, checkpoint):
    model = clip.build(settings["model_cfg"], settings["seeds"][0])
    captions = [f"a {word}" for word in ("dog", "cat", "tree", "car", "boat", "house")]
    preprocessing = settings["preprocess_cfg"]
    seed = settings["seeds"][0]
    clip.train(model, pictures(place), captions, preprocessing, settings, seed, checkpoint, CPU)
    return list(clip.weights_of(model).values())


def embed_open_clip(settings, place, checkpoint):
    used = {**settings, "checkpoint": str(place / settings["checkpoint"])}
    encoder = clip_encoder.load("m", used, CPU, allow_download=False)
    images = [Image.open(path).convert("RGB") for path in pictures(place)]
    return [encoder.encode_images([encoder.prepare_image(image) for image in images])]


RUN = {
    "ssl": train_ssl,
    "ssl, embedding": embed_ssl,
    "checkpoint": embed_checkpoint,
    "classifier": train_classifier,
    "classifier, predicting": classify,
    "clip": train_clip,
    "open_clip": embed_open_clip,
}
KNOWN = {}


def outcome(kind, settings, place):
    """A hash of what comes of settings, or that they are refused."""
    asked = json.dumps([kind, settings], sort_keys=True)
    if asked not in KNOWN:
        file = place / f"{hashlib.sha256(asked.encode()).hexdigest()}.pt"
        torch.set_num_threads(1)
        try:
            arrays = RUN[kind](settings, place, Checkpoint(file))
        except InputError as error:
            KNOWN[asked] = f"refused: {error}"
        else:
            content = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
            KNOWN[asked] = hashlib.sha256(content).hexdigest()
    return KNOWN[asked]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "base", "key", "value"), CASES)
def test_another_value_gives_another_result(place, kind, base, key, value):
    before = outcome(kind, base, place)
    after = outcome(kind, changed(base, key, value), place)
    assert after != before
    # One of both is a result, so that not all are refused.
    assert not (before.startswith("refused") and after.startswith("refused"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in RUN if "open_clip" not in kind])
def test_the_same_settings_give_the_same_result(place, kind):
    base = CHANGES[kind][0][0]
    before = outcome(kind, base, place)
    KNOWN.clear()
    for file in place.glob("*.pt"):
        file.unlink()
    assert outcome(kind, base, place) == before
    assert not before.startswith("refused")


@pytest.fixture
def vectors(place):
    """A function that embeds the pictures in batches, with threads and a precision."""
    model = untrained(json.dumps(VICREG["backbone"]))
    used = VICREG["preprocessing"], "backbone"
    loaded = ssl.SslEncoder("m", model, {}, *used, True, CPU)

    def embed(batch=6, threads=1, asked="fp32", workers=1):
        device.prepare_torch(threads)
        encoder = precision.applied(loaded, asked, CPU)
        places = [(path, None) for path in pictures(place)]

        def prepare(image):
            return encoder.prepare_image(image, part="image")

        progress = Progress("embedding", len(places), "images")
        encode = encoder.encode_images
        return shards.embed_images(places, prepare, encode, batch, workers, progress)

    yield embed
    device.prepare_torch(1)


@pytest.mark.slow
def test_batches_and_threads_change_last_bits_alone_and_precision_more(vectors):
    whole = vectors()
    for batch, threads, workers in ((1, 1, 1), (4, 1, 3), (6, 2, 1), (5, 2, 2)):
        np.testing.assert_allclose(vectors(batch, threads, "fp32", workers), whole, atol=2e-6)
    assert np.array_equal(vectors(workers=3), whole)
    assert np.abs(vectors(asked="bf16") - whole).max() > 1e-4


@pytest.mark.slow
def test_batches_of_a_classifier_change_last_bits_alone(place):
    model = classifier.build(CLASSIFIER, 2, 5).eval()
    asked = model, 2, crops_of(place), CLASSIFIER["preprocessing"]
    whole = classifier.probabilities(*asked, 6, CPU)
    for batch in (1, 4):
        np.testing.assert_allclose(classifier.probabilities(*asked, batch, CPU), whole, atol=1e-6)
