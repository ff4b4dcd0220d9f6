"""Models of timm: what timm itself gives under its own preprocessing."""

from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

import embed_timm
from dejavu.encoders import timm_models
from dejavu.errors import InputError
from dejavu.files.embeddings import read_embeddings
from tests.unit.encoders.records import crops

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
NAME, CLASSES = "test_vit.r160_in1k", 7


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A tiny classifier of seven classes, and its file."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = timm.create_model(NAME, pretrained=False, num_classes=CLASSES).eval()
    path = tmp_path_factory.mktemp("tuned") / "tuned.safetensors"
    save_file(model.state_dict(), path)
    return model, path


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (40, 30 + n, 3), np.uint8)) for n in range(3)]


def load(path, representation="backbone", normalise=False, model=NAME):
    settings = {"model": model, "representation": representation}
    given = settings | ({"checkpoint": str(path)} if path else {})
    return timm_models.load("web", given, normalise, CPU, False)


def directly(model, images, representation):
    """What timm gives, called as its documentation does."""
    data = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**data, is_training=False)
    pixels = torch.stack([transform(image) for image in images])
    with torch.inference_mode():
        if representation == "logits":
            return model(pixels).numpy()
        if representation == "backbone":
            return model.forward_head(model.forward_features(pixels), pre_logits=True).numpy()
        found = model.forward_intermediates(pixels, indices=[0], norm=False, output_fmt="NLC")
        prefix, tokens = model.num_prefix_tokens, found[1][0]
        with_class = model.forward_intermediates(
            pixels, indices=[0], norm=False, output_fmt="NLC", return_prefix_tokens=True
        )[1][0][1]
        assert with_class.shape[1] == prefix
        return torch.cat([with_class, tokens], dim=1).mean(1).numpy()


@pytest.mark.parametrize("representation", ["backbone", "logits", "layer1"])
def test_embeddings_are_those_of_timm(tuned, images, representation):
    model, path = tuned
    encoder = load(path, representation)
    found = encoder.encode_images([encoder.prepare_image(image) for image in images])
    wanted = directly(model, images, representation)
    assert found.dtype == np.float32 and found.shape[1] == encoder.dimension == wanted.shape[1]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 1e-4


def test_a_file_without_a_classifier_has_no_logits(tuned, tmp_path, images):
    model, _ = tuned
    state = {key: value for key, value in model.state_dict().items() if "head." not in key}
    torch.save({"state_dict": state}, tmp_path / "bare.pth")
    encoder = load(tmp_path / "bare.pth")
    found = encoder.encode_images([encoder.prepare_image(image) for image in images])
    np.testing.assert_allclose(found, directly(model, images, "backbone"), atol=1e-6)
    assert "has no classifier: set `representation: backbone`" in sentence(
        tmp_path / "bare.pth", "logits"
    )


def test_the_fingerprint_knows_weights_representation_and_scale(tuned, tmp_path):
    model, path = tuned
    state = {key: value + 1 for key, value in model.state_dict().items()}
    save_file(state, tmp_path / "other.safetensors")
    several = [load(path), load(path, "logits"), load(path, normalise=True)]
    several += [load(tmp_path / "other.safetensors")]
    assert len({each.facts["fingerprint"] for each in several}) == 4
    assert load(path).facts == several[0].facts


def sentence(*asked, **options):
    with pytest.raises(InputError) as found:
        load(*asked, **options)
    assert "\n" not in str(found.value)
    return str(found.value)


def test_what_does_not_load_is_one_sentence(tuned, tmp_path):
    _, path = tuned
    assert "is no model of timm" in sentence(path, model="hf-hub:timm/resnet18.a1_in1k")
    assert "is no name of weights in timm" in sentence(path, model="vit_tiny_patch16_224.none")
    assert "has no weights in timm" in sentence(None, model="botnet50ts_256")
    assert "weights on no hub: fetch https://" in sentence(None, model="legacy_seresnet18.in1k")
    assert "set `model` to timm's name of it" in sentence(path, model="test_byobnet")
    (tmp_path / "harmful.pth").write_bytes(b"no weights")
    assert "harmful.pth" in sentence(tmp_path / "harmful.pth")


def test_weights_that_are_not_here_are_not_fetched_without_leave(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    told = sentence(None, model="resnet18.a1_in1k")
    assert "give a `checkpoint`, or set `allow_download: true`" in told


def test_the_job_embeds_the_crops_that_there_are(tuned, tmp_path, images):
    model, path = tuned
    cut = crops(tmp_path, images)
    settings = {"model": NAME, "checkpoint": str(path), "representation": "logits"}
    job = SimpleNamespace(
        input=SimpleNamespace(records=str(tmp_path / "records.parquet")),
        params=SimpleNamespace(
            model=settings, metric="cosine", batch=2, threads=1, precision="fp32"
        ),
        wildcards=SimpleNamespace(model="web", input="crop"),
        threads=2,
        output=[str(tmp_path / "crop.parquet")],
    )
    embed_timm.main(job)
    found = read_embeddings(job.output[0])
    assert found.samples.tolist() == [7, 9]
    wanted = directly(model, cut, "logits")
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(found.vectors, wanted, atol=1e-6)
