"""OpenCLIP models from every kind of file: the same weights give the same embeddings."""

import json
import pickle
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from dejavu.encoders import clip
from dejavu.errors import InputError

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
TINY = {
    "embed_dim": 16,
    "vision_cfg": {
        "timm_model_name": "test_resnet",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
        "image_size": 32,
    },
    "text_cfg": TEXT,
}
VIT = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 16, "head_width": 8, "layers": 1},
    "text_cfg": TEXT,
}
CONFIGS = {
    "tiny": TINY,
    "tiny_long": {**TINY, "text_cfg": {**TEXT, "context_length": 40}},
    "tiny_custom": {**TINY, "custom_text": True},
    "tiny_gelu": {**TINY, "quick_gelu": True},
    "vit": VIT,
    "vit_large": {**VIT, "vision_cfg": {**VIT["vision_cfg"], "image_size": 48}},
    "tiny_wide": {**TINY, "embed_dim": 24},
    "tiny_heads": {**TINY, "text_cfg": {**TEXT, "heads": 4}},
}


def embedded(encoder, images):
    """Embeddings of images by an encoder."""
    return encoder.encode_images([encoder.prepare_image(image) for image in images])


@pytest.fixture(scope="module", autouse=True)
def architectures(tmp_path_factory):
    """Tiny architectures that OpenCLIP knows by name."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("architectures")
    for name, config in CONFIGS.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)


@pytest.fixture(scope="module")
def weights():
    torch.manual_seed(1)
    return open_clip.create_model("tiny").state_dict()


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (40, 30 + n, 3), np.uint8)) for n in range(3)]


CAPTIONS = ["a dog", "two cats on a mat", ""]


@pytest.fixture
def checkpoint(tmp_path, weights):
    path = tmp_path / "weights.pt"
    torch.save(weights, path)
    return str(path)


def training_checkpoint(weights, path):
    state = {f"module.{name}": value for name, value in weights.items()}
    torch.save({"epoch": 3, "name": "run", "state_dict": state, "optimizer": {"lr": 1.0}}, path)


def compiled_checkpoint(weights, path):
    state = {f"_orig_mod.module.{name}": value for name, value in weights.items()}
    torch.save({"model": state, "epoch": np.int64(3), "loss": np.float64(0.5)}, path)


def archive(weights, path):
    network = model()
    network.load_state_dict(weights)
    # Whatever the archive's code does: attributes hold the weights.
    arguments = (torch.zeros(1, 3, 32, 32), torch.zeros(1, 16, dtype=torch.long))
    torch.jit.trace(network.eval(), arguments, check_trace=False).save(path)


def folder_of(weights, path):
    path.mkdir()
    config = {
        "model_cfg": TINY,
        "preprocess_cfg": dict(open_clip.get_model_preprocess_cfg(model())),
    }
    (path / "open_clip_config.json").write_text(json.dumps(config))
    save_file(weights, path / "open_clip_model.safetensors")


def model(name="tiny"):
    return open_clip.create_model(name)


def load(name="m", allow_download=False, **settings):
    return clip.load(name, {"architecture": "tiny", **settings}, CPU, allow_download)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda w, p: torch.save(w, p), id="plain"),
        pytest.param(lambda w, p: torch.save({"state_dict": w}, p), id="state_dict"),
        pytest.param(training_checkpoint, id="training checkpoint"),
        pytest.param(save_file, id="safetensors"),
        pytest.param(compiled_checkpoint, id="compiled, with NumPy's scalars"),
        pytest.param(archive, id="TorchScript"),
    ],
)
def test_every_kind_of_checkpoint_gives_the_same_embeddings(
    tmp_path, weights, images, checkpoint, write
):
    suffix = "safetensors" if write is save_file else "pt"
    path = tmp_path / f"other.{suffix}"
    write(weights, path)
    first, second = load(checkpoint=checkpoint), load(checkpoint=str(path))
    assert first.facts == second.facts
    np.testing.assert_array_equal(embedded(first, images), embedded(second, images))
    np.testing.assert_array_equal(first.encode_texts(CAPTIONS), second.encode_texts(CAPTIONS))


NESTED = {
    "Lightning": (lambda s: {"state_dict": s | {"loss.w": torch.zeros(1)}}, "model.", {}),
    "Lightning, told": (lambda s: {"state_dict": s}, "model.", {"prefix": "model."}),
    "EMA": (lambda s: {"state_dict": {}, "state_dict_ema": s}, "module.", {}),
    "EMA, told": (
        lambda s: {"model": {"logit_scale": torch.zeros(())}, "ema": {"model": s}},
        "clip._orig_mod.",
        {"state_key": "ema"},
    ),
}


@pytest.mark.parametrize("kind", NESTED)
def test_nested_checkpoints_give_the_same_embeddings(tmp_path, weights, images, checkpoint, kind):
    wrapped, before, told = NESTED[kind]
    path = tmp_path / "nested.ckpt"
    torch.save(wrapped({f"{before}{name}": value for name, value in weights.items()}), path)
    first, second = load(checkpoint=checkpoint), load(checkpoint=str(path), **told)
    assert first.facts == second.facts
    np.testing.assert_array_equal(first.encode_texts(CAPTIONS), second.encode_texts(CAPTIONS))


def test_what_fits_no_nesting_is_one_sentence(tmp_path, weights):
    path = tmp_path / "nested.ckpt"
    twice = {f"{before}{name}": weights[name] for name in weights for before in ("a.", "b.")}
    torch.save({"state_dict": twice, "model": weights}, path)
    assert "several state dicts, state_dict, model" in sentence(checkpoint=str(path))
    asked = {"checkpoint": str(path), "state_key": "state_dict"}
    assert "several networks that fit, under a., b.: set `prefix`" in sentence(**asked)
    assert "begin with 'c.', but a." in sentence(**asked, prefix="c.")
    load(**asked, prefix="b.")


def test_a_checkpoint_of_an_architecture_of_ones_own_loads_by_its_config(
    tmp_path, weights, images, checkpoint
):
    training_checkpoint(weights, tmp_path / "epoch_3.pt")
    first = load(checkpoint=checkpoint)
    own = {"model_cfg": TINY, "checkpoint": str(tmp_path / "epoch_3.pt")}
    second = clip.load("m", own, CPU, False)
    assert first.facts == second.facts
    np.testing.assert_array_equal(embedded(first, images), embedded(second, images))
    np.testing.assert_array_equal(first.encode_texts(CAPTIONS), second.encode_texts(CAPTIONS))
    wide = {**own, "model_cfg": CONFIGS["tiny_wide"]}
    for settings, told in (
        (wide, "do not load as its model_cfg"),
        ({**own, "checkpoint": "missing.pt"}, "there is no checkpoint missing.pt"),
        ({**own, "model_cfg": {**TINY, "trust": True}}, "`model_cfg.trust` is no key"),
    ):
        with pytest.raises(InputError) as error:
            clip.load("web", settings, CPU, False)
        assert told in str(error.value) and "\n" not in str(error.value)


def test_a_local_folder_gives_the_same_embeddings_as_its_checkpoint(
    tmp_path, weights, images, checkpoint
):
    folder_of(weights, tmp_path / "folder")
    first = load(checkpoint=checkpoint)
    second = load(architecture=f"local-dir:{tmp_path / 'folder'}")
    assert first.facts["fingerprint"] == second.facts["fingerprint"]
    np.testing.assert_array_equal(embedded(first, images), embedded(second, images))
    np.testing.assert_array_equal(first.encode_texts(CAPTIONS), second.encode_texts(CAPTIONS))


def test_embeddings_are_those_of_open_clip_itself_with_length_one(weights, images, checkpoint):
    plain, _, preprocess = open_clip.create_model_and_transforms("tiny", pretrained=checkpoint)
    plain.eval()
    with torch.inference_mode():
        pixels = plain.encode_image(torch.stack([preprocess(image) for image in images]))
        tokens = open_clip.get_tokenizer("tiny")(CAPTIONS)
        texts = plain.encode_text(tokens)
    encoder = load(checkpoint=checkpoint)
    for expected, found in (
        (pixels, embedded(encoder, images)),
        (texts, encoder.encode_texts(CAPTIONS)),
    ):
        expected = (expected / expected.norm(dim=1, keepdim=True)).numpy()
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_facts_name_the_model_and_what_its_vectors_depend_on(checkpoint):
    facts = load("web", checkpoint=checkpoint).facts
    assert facts["model"] == "web"
    assert facts["normalised"] is True
    assert set(facts["versions"]) == {"torch", "torchvision", "open_clip_torch"}
    assert len(facts["fingerprint"]) == 32


PREPROCESSING = [
    {"mean": [0.1, 0.2, 0.3]},
    {"std": [0.5, 0.5, 0.5]},
    {"interpolation": "bilinear"},
    {"resize_mode": "squash"},
]


@pytest.mark.parametrize("preprocessing", PREPROCESSING, ids=lambda each: next(iter(each)))
def test_other_preprocessing_gives_other_embeddings_and_another_fingerprint(
    checkpoint, images, preprocessing
):
    plain = load(checkpoint=checkpoint)
    other = load(checkpoint=checkpoint, preprocessing=preprocessing)
    assert other.facts["fingerprint"] != plain.facts["fingerprint"]
    assert np.abs(embedded(other, images) - embedded(plain, images)).max() > 1e-4
    again = load("renamed", checkpoint=checkpoint, preprocessing=preprocessing)
    assert again.facts["fingerprint"] == other.facts["fingerprint"]


def test_a_single_changed_weight_changes_the_fingerprint(tmp_path, weights, checkpoint):
    changed = {name: value.clone() for name, value in weights.items()}
    name = (
        "visual.trunk.conv1.weight"
        if "visual.trunk.conv1.weight" in changed
        else next(iter(changed))
    )
    changed[name].view(-1)[0] += 1e-3
    path = tmp_path / "changed.pt"
    torch.save(changed, path)
    first, second = load(checkpoint=checkpoint), load(checkpoint=str(path))
    assert first.facts["fingerprint"] != second.facts["fingerprint"]


def test_the_same_weights_in_another_architecture_have_another_fingerprint(checkpoint):
    # Heads, like the choice of QuickGELU, show in no weight's shape.
    first, second = (
        load(checkpoint=checkpoint),
        load(architecture="tiny_heads", checkpoint=checkpoint),
    )
    assert np.abs(first.encode_texts(CAPTIONS) - second.encode_texts(CAPTIONS)).max() > 1e-4
    assert first.facts["fingerprint"] != second.facts["fingerprint"]


@pytest.mark.parametrize(
    ("trained", "used", "position"),
    [
        ("tiny_long", "tiny", "positional_embedding of (40, 32) and not (16, 32)"),
        ("tiny_long", "tiny_custom", "text.positional_embedding of (40, 32) and not (16, 32)"),
        ("vit_large", "vit", "visual.positional_embedding of (37, 16) and not (17, 16)"),
        ("vit", "vit_large", "visual.positional_embedding of (17, 16) and not (37, 16)"),
    ],
)
def test_weights_of_other_positions_are_taken_only_where_that_is_meant(
    tmp_path, trained, used, position
):
    path = tmp_path / "trained.pt"
    torch.save({"state_dict": open_clip.create_model(trained).state_dict()}, path)
    told = sentence(architecture=used, checkpoint=str(path))
    assert position in told and "`resize_positions: true`" in told
    resized = load(architecture=used, checkpoint=str(path), resize_positions=True)
    wanted = open_clip.create_model(used, pretrained=str(path)).eval()
    with torch.inference_mode():
        vectors = wanted.encode_text(open_clip.get_tokenizer(used)(CAPTIONS), normalize=True)
    np.testing.assert_allclose(resized.encode_texts(CAPTIONS), vectors.numpy(), atol=1e-6)


def test_an_archive_of_another_activation_is_not_embedded_with(tmp_path):
    network = model("tiny_gelu").eval()
    arguments = (torch.zeros(1, 3, 32, 32), torch.zeros(1, 16, dtype=torch.long))
    torch.jit.trace(network, arguments, check_trace=False).save(tmp_path / "openai.pt")
    told = sentence(checkpoint=str(tmp_path / "openai.pt"))
    assert "with QuickGELU: set `architecture: tiny-quickgelu`" in told
    load(architecture="tiny_gelu", checkpoint=str(tmp_path / "openai.pt"))


def test_folders_of_several_nameless_files_of_weights_are_told(tmp_path, weights, images):
    folder_of(weights, tmp_path / "folder")
    (tmp_path / "folder/open_clip_model.safetensors").rename(tmp_path / "folder/one.safetensors")
    load(architecture=f"local-dir:{tmp_path / 'folder'}")
    save_file(weights, tmp_path / "folder/two.safetensors")
    assert "several files" in sentence(architecture=f"local-dir:{tmp_path / 'folder'}")


def sentence(**settings):
    with pytest.raises(InputError) as error:
        load("web", **settings)
    text = str(error.value)
    assert "\n" not in text
    assert "web" in text
    return text


def test_a_checkpoint_of_another_architecture_is_one_sentence_with_its_keys(checkpoint):
    text = sentence(architecture="tiny_wide", checkpoint=checkpoint)
    assert "do not load as tiny_wide" in text
    assert "text_projection" in text
    assert "set `architecture`" in text


def test_a_checkpoint_of_something_else_is_one_sentence_with_its_keys(tmp_path):
    path = tmp_path / "linear.pt"
    torch.save(torch.nn.Linear(3, 3).state_dict(), path)
    text = sentence(checkpoint=str(path))
    assert "do not load as tiny" in text
    assert "positional_embedding" in text or "weight" in text


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half a zip"])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_damaged_checkpoint_is_one_sentence(tmp_path, content, suffix):
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(content)
    assert "do not load" in sentence(checkpoint=str(path))


class Malicious:
    """What a pickle does when it is trusted."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", ["torch", "pickle"])
def test_a_malicious_checkpoint_is_refused_and_runs_nothing(tmp_path, weights, protocol):
    path, harm = tmp_path / "weights.pt", tmp_path / "harm"
    content = {**weights, "visual.extra": Malicious(harm)}
    if protocol == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    assert "do not load" in sentence(checkpoint=str(path))
    assert not harm.exists()


def test_a_folder_without_weights_is_refused_and_not_used_at_random(tmp_path, weights):
    folder_of(weights, tmp_path / "folder")
    (tmp_path / "folder" / "open_clip_model.safetensors").unlink()
    assert "do not load" in sentence(architecture=f"local-dir:{tmp_path / 'folder'}")
    assert "there is no" in sentence(architecture=f"local-dir:{tmp_path / 'nowhere'}")


def test_what_open_clip_does_not_know_is_one_sentence(tmp_path):
    assert "no architecture 'RN5000'" in sentence(architecture="RN5000", pretrained="openai")
    text = sentence(architecture="RN50", pretrained="none")
    assert "no weights 'none' for RN50; it has openai" in text
    assert "there is no checkpoint" in sentence(checkpoint=str(tmp_path / "missing.pt"))


def test_weights_that_are_not_on_this_machine_are_not_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *args: None)
    text = sentence(architecture="RN50-quickgelu", pretrained="openai")
    assert "not on this machine" in text
    assert "`allow_download: true`" in text


@pytest.mark.parametrize(
    ("architecture", "tag", "told"),
    [
        ("ViT-B-32", "openai", "with QuickGELU: set `architecture: ViT-B-32-quickgelu`"),
        (
            "ViT-B-32-quickgelu",
            "laion2b_s34b_b79k",
            "without QuickGELU: set `architecture: ViT-B-32`",
        ),
    ],
)
def test_weights_of_another_activation_are_not_embedded_with(monkeypatch, architecture, tag, told):
    # Some tags stand with one of the two names only.
    monkeypatch.setattr("open_clip.list_pretrained_tags_by_model", lambda name: [tag])
    base = architecture.removesuffix("-quickgelu")
    known = open_clip.get_pretrained_cfg(base, tag)
    monkeypatch.setattr("open_clip.get_pretrained_cfg", lambda *names: known)
    assert told in sentence(architecture=architecture, pretrained=tag)
