"""Image encoders of Transformers: what the library's own model and processor give."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    CLIPVisionModel,
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    ViTMAEConfig,
    ViTMAEForPreTraining,
    ViTMAEModel,
    ViTModel,
)

import embed_transformers
from dejavu.encoders import image_transformers
from dejavu.errors import InputError
from dejavu.files.embeddings import read_embeddings
from tests.unit.encoders.test_transformers import VISION

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
TEXT = {key: VISION[key] for key in VISION if key not in ("image_size", "patch_size")}
DECODER = {"decoder_hidden_size": 16, "decoder_intermediate_size": 16} | {
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 2,
}
SQUARE = {"size": {"height": 24, "width": 24}}
CROPPED = {"size": {"shortest_edge": 26}, "crop_size": {"height": 24, "width": 24}}


def clip_model():
    return CLIPModel(
        CLIPConfig(
            text_config={**TEXT, "vocab_size": 9, "max_position_embeddings": 4},
            vision_config=VISION,
            projection_dim=10,
        )
    )


# What is saved, its processor, the class that the library loads it with, and tokens before patches.
MODELS = {
    "vit": (lambda: ViTModel(ViTConfig(**VISION)), ViTImageProcessor(**SQUARE), ViTModel, 1),
    "dinov2": (
        lambda: Dinov2Model(Dinov2Config(**VISION)),
        CLIPImageProcessor(**CROPPED),
        Dinov2Model,
        1,
    ),
    "registers": (
        lambda: Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**VISION)),
        CLIPImageProcessor(**CROPPED),
        Dinov2WithRegistersModel,
        5,
    ),
    "mae": (
        lambda: ViTMAEForPreTraining(ViTMAEConfig(**VISION, **DECODER)),
        ViTImageProcessor(**SQUARE),
        ViTMAEModel,
        1,
    ),
    "tower": (
        lambda: CLIPVisionModel(CLIPVisionConfig(**VISION)),
        CLIPImageProcessor(**CROPPED),
        CLIPVisionModel,
        1,
    ),
    "clip": (clip_model, CLIPImageProcessor(**CROPPED), CLIPVisionModel, 1),
    "siglip": (
        lambda: SiglipVisionModel(SiglipVisionConfig(**VISION)),
        SiglipImageProcessor(**SQUARE),
        SiglipVisionModel,
        0,
    ),
}
REPRESENTATIONS = ("pooled", "class_token", "mean_tokens")
HAS_NONE = {("mae", "pooled"), ("siglip", "class_token")}
CASES = [
    (name, representation)
    for name in MODELS
    for representation in REPRESENTATIONS
    if (name, representation) not in HAS_NONE
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A tiny model of each type with random weights, as `save_pretrained` writes it."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    place = tmp_path_factory.mktemp("towers")
    for name, (made, processor, *_) in MODELS.items():
        made().save_pretrained(place / name)
        processor.save_pretrained(place / name)
    return place


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (40, 30 + n, 3), np.uint8)) for n in range(3)]


def load(model, representation="pooled", normalise=False, name="web"):
    settings = {"model": str(model), "representation": representation}
    return image_transformers.load(name, settings, normalise, CPU, False)


def directly(folder, name, images, representation):
    """What the library gives, called as its documentation does."""
    _, _, loaded, before = MODELS[name]
    options = {"mask_ratio": 0.0} if name == "mae" else {}
    model = loaded.from_pretrained(folder / name, **options).eval()
    processor = type(MODELS[name][1]).from_pretrained(folder / name)
    with torch.inference_mode():
        found = model(**processor(images=images, return_tensors="pt"))
    tokens = found.last_hidden_state
    if representation == "pooled":
        return found.pooler_output.numpy()
    # Patches of the masked autoencoder come shuffled here, which no mean of them sees.
    return (tokens[:, 0] if representation == "class_token" else tokens[:, before:].mean(1)).numpy()


def embedded(encoder, images):
    return encoder.encode_images([encoder.prepare_image(image, part="crop") for image in images])


@pytest.mark.parametrize(("name", "representation"), CASES)
def test_embeddings_are_those_of_the_library_itself(folders, images, name, representation):
    wanted = directly(folders, name, images, representation)
    found = embedded(load(folders / name, representation), images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    assert np.abs(found[0] - found[1]).max() > 1e-4
    unit = embedded(load(folders / name, representation, normalise=True), images)
    lengths = np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(unit, wanted / lengths, atol=2e-6)


def test_a_masked_autoencoder_sees_all_patches_and_gives_the_same_twice(folders, images):
    encoder = load(folders / "mae", "class_token")
    first, second = embedded(encoder, images), embedded(encoder, images)
    np.testing.assert_array_equal(first, second)


def test_the_fingerprint_knows_weights_processor_representation_and_scale(folders, tmp_path):
    own = load(folders / "vit").facts["fingerprint"]
    shutil.copytree(folders / "vit", tmp_path / "vit")
    assert load(tmp_path / "vit").facts["fingerprint"] == own
    ViTImageProcessor(**SQUARE, image_mean=[0.1, 0.2, 0.3]).save_pretrained(tmp_path / "vit")
    others = [load(tmp_path / "vit"), load(folders / "vit", "class_token")]
    others += [load(folders / "vit", normalise=True), load(folders / "dinov2")]
    assert len({own, *(each.facts["fingerprint"] for each in others)}) == 5


def sentence(*asked):
    with pytest.raises(InputError) as found:
        load(*asked)
    assert "\n" not in str(found.value)
    return str(found.value)


@pytest.mark.parametrize(
    ("name", "representation", "told"),
    [
        ("mae", "pooled", "pools nothing: set `representation: class_token` or `mean_tokens`"),
        ("siglip", "class_token", "has no token of the class: set `representation: pooled`"),
    ],
)
def test_a_representation_that_a_type_has_not_is_refused(folders, name, representation, told):
    assert told in sentence(folders / name, representation)


def test_a_pooler_without_weights_is_not_drawn_at_random(tmp_path, images):
    torch.manual_seed(4)
    ViTForImageClassification(ViTConfig(**VISION)).save_pretrained(tmp_path)
    MODELS["vit"][1].save_pretrained(tmp_path)
    assert "pools nothing by weights that the file holds" in sentence(tmp_path)
    first, second = (load(tmp_path, "class_token") for _ in range(2))
    assert first.facts["fingerprint"] == second.facts["fingerprint"]
    np.testing.assert_array_equal(embedded(first, images), embedded(second, images))


def test_what_is_no_image_encoder_or_no_safetensors_is_one_sentence(folders, tmp_path):
    config = CLIPTextConfig(**TEXT, vocab_size=9, max_position_embeddings=4)
    config.save_pretrained(tmp_path)
    assert "it is of the type 'clip_text_model'; name one of dinov2" in sentence(tmp_path)
    assert "does not load as an image encoder" in sentence(tmp_path / "none")
    shutil.copytree(folders / "vit", tmp_path / "pickled")
    weights = ViTModel.from_pretrained(tmp_path / "pickled").state_dict()
    (tmp_path / "pickled/model.safetensors").unlink()
    torch.save(weights, tmp_path / "pickled/pytorch_model.bin")
    assert "does not load as an image encoder" in sentence(tmp_path / "pickled")
    shutil.copytree(folders / "vit", tmp_path / "large")
    ViTImageProcessor(size={"height": 40, "width": 40}).save_pretrained(tmp_path / "large")
    assert "does not take what its image processor makes" in sentence(tmp_path / "large")


@pytest.mark.parametrize(("precision", "off"), [("fp32", 1e-6), ("bf16", 0.03)])
def test_the_job_embeds_the_crops_that_there_are(tmp_path, folders, images, precision, off):
    from tests.unit.encoders.records import crops

    cut = crops(tmp_path, images)
    job = SimpleNamespace(
        input=SimpleNamespace(records=str(tmp_path / "records.parquet")),
        params=SimpleNamespace(
            model={"model": str(folders / "dinov2"), "representation": "pooled"},
            metric="cosine",
            batch=2,
            threads=1,
            precision=precision,
        ),
        wildcards=SimpleNamespace(domain="vision", model="web", input="crop"),
        threads=2,
        output=[str(tmp_path / "crop.parquet")],
    )
    embed_transformers.main(job)
    found = read_embeddings(job.output[0])
    assert found.samples.tolist() == [7, 9]
    wanted = directly(folders, "dinov2", cut, "pooled")
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(found.vectors, wanted, atol=off)
