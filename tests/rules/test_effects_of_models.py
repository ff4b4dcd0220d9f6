"""Trainings and encoders, as small as they come, with a value of a key and with another one.

What only the jobs are cut by changes no more than last bits.
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

from dejavu.encoders import backbones, device, precision, published, shards, ssl
from dejavu.encoders import clip as clip_encoder
from dejavu.encoders import untrained as untrained_encoder
from dejavu.errors import InputError
from dejavu.job import Progress
from dejavu.training import classifier, clip
from dejavu.training import ssl as ssl_training
from dejavu.training.loop import Checkpoint
from tests.rules.test_effects import (
    CASES,
    CHANGES,
    CLASSIFIER,
    CLIP,
    TRAINING,
    VICREG,
    keys_of_domain,
)
from tests.rules.test_reruns import MATRIX as VLM_RERUNS
from tests.rules.test_reruns import changed
from tests.workflow.test_vision_smoke import MATRIX as VISION_RERUNS

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


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
    labels = list("ababab") if settings["method"] == "supervised" else []
    seed, images = settings["seeds"][0], pictures(place)
    model, _ = ssl_training.train(settings, images, seed, checkpoint, CPU, labels=labels)
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
    told = [settings[key] for key in ("format", "backbone", "network", "state_key", "prefix")]
    model, _ = published.load(file, *told)
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
    # One picture has two captions.
    images = [*pictures(place)[:5], pictures(place)[0]]
    clip.train(model, images, captions, preprocessing, settings, seed, checkpoint, CPU)
    return list(clip.weights_of(model).values())


def embed_open_clip(settings, place, checkpoint):
    used = {**settings, "checkpoint": str(place / settings["checkpoint"])}
    encoder = clip_encoder.load("m", used, CPU, allow_download=False)
    images = [Image.open(path).convert("RGB") for path in pictures(place)]
    return [encoder.encode_images([encoder.prepare_image(image) for image in images])]


def embed_random_images(settings, place, checkpoint):
    return encoded(untrained_encoder.of_images("m", settings, True, CPU), place)


def embed_random(settings, place, checkpoint):
    encoder = untrained_encoder.of_captions("m", settings, CPU, allow_download=False)
    images = [Image.open(path).convert("RGB") for path in pictures(place)]
    vectors = encoder.encode_images([encoder.prepare_image(image) for image in images])
    return [vectors, encoder.encode_texts(["a dog", "two cats by the sea"])]


RUN = {
    "ssl": train_ssl,
    "ssl, embedding": embed_ssl,
    "checkpoint": embed_checkpoint,
    "classifier": train_classifier,
    "classifier, predicting": classify,
    "clip": train_clip,
    "open_clip": embed_open_clip,
    "vision random": embed_random_images,
    "vlm random": embed_random,
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


@pytest.mark.parametrize(("kind", "base", "key", "value"), CASES)
def test_another_value_gives_another_result(place, kind, base, key, value):
    before = outcome(kind, base, place)
    after = outcome(kind, changed(base, key, value), place)
    assert after != before
    # One of both is a result, so that not all are refused.
    assert not (before.startswith("refused") and after.startswith("refused"))


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


def test_batches_and_threads_change_last_bits_alone_and_precision_more(vectors):
    whole = vectors()
    for batch, threads, workers in ((1, 1, 1), (4, 1, 3), (6, 2, 1), (5, 2, 2)):
        np.testing.assert_allclose(vectors(batch, threads, "fp32", workers), whole, atol=2e-6)
    assert np.array_equal(vectors(workers=3), whole)
    assert np.abs(vectors(asked="bf16") - whole).max() > 1e-4


def test_batches_of_a_classifier_change_last_bits_alone(place):
    model = classifier.build(CLASSIFIER, 2, 5).eval()
    asked = model, 2, crops_of(place), CLASSIFIER["preprocessing"]
    whole = classifier.probabilities(*asked, 6, CPU)
    for batch in (1, 4):
        np.testing.assert_allclose(classifier.probabilities(*asked, batch, CPU), whole, atol=1e-6)


def test_every_key_of_a_score_reruns_what_takes_it():
    # In one of both domains, whose rules and scripts are the same for searches and audits.
    rerun = {key.partition(".")[2] for key, *_ in (*VLM_RERUNS, *VISION_RERUNS)}
    wanted = keys_of_domain("vlm") | keys_of_domain("vision")
    # Names of inputs, and what only an approximate index takes.
    wanted -= {"contamination.model", "contamination.input", "blind.model", "index.search"}
    # Which change no other table: tests of their own tell what they compute.
    wanted -= {"sweeps", "contrasts"}
    missing = {
        key
        for key in wanted - {"embedding.threads"}
        if not any(f"{key}.".startswith(f"{each}.") or each.startswith(key) for each in rerun)
    }
    assert not missing
