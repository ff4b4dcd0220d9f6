"""Training of a tiny CLIP model: resumed, saved and read back by OpenCLIP itself."""

import json
from functools import partial

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2

from dejavu.encoders import clip as encoder
from dejavu.errors import InputError
from dejavu.sources.images import open_image
from dejavu.training import clip, loop

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
MODEL = {
    "embed_dim": 16,
    "vision_cfg": {
        "timm_model_name": "test_resnet",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
        "image_size": 32,
    },
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
PREPROCESSING = {
    "size": 32,
    "mean": [0.5, 0.4, 0.3],
    "std": [0.25, 0.3, 0.2],
    "interpolation": "bicubic",
    "resize_mode": "squash",
}
SETTINGS = {
    "epochs": 3,
    "batch": 4,
    "learning_rate": 0.003,
    "weight_decay": 0.05,
    "warmup": 0.1,
    "flip": True,
    "shift": 2,
    "precision": "fp32",
}
CAPTIONS = [
    f"a {word}" for word in ["dog", "cat", "tree", "car", "boat", "house", "sun", "cup", "pen"]
]


def embedded(encoder, images):
    """Embeddings of images by an encoder."""
    return encoder.encode_images([encoder.prepare_image(image) for image in images])


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def images(tmp_path, picture_bytes):
    paths = []
    for number in range(len(CAPTIONS)):
        path = tmp_path / f"{number}.png"
        path.write_bytes(picture_bytes(number, kind="png", size=(40, 34)))
        paths.append(str(path))
    return paths


@pytest.fixture
def train(images, tmp_path):
    def run(seed=3, checkpoint="checkpoint.pt", **changes):
        model = clip.build(MODEL, seed)
        history = clip.train(
            model,
            images,
            CAPTIONS,
            PREPROCESSING,
            {**SETTINGS, **changes},
            seed,
            loop.Checkpoint(tmp_path / checkpoint),
            CPU,
        )
        return model, history

    return run


def same(first, second):
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


class Killed(Exception):
    """Stands for a signal."""


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_killed_training_resumes_to_bit_identical_weights(train, monkeypatch, precision):
    model, history = train(precision=precision, checkpoint="undisturbed.pt")
    monkeypatch.setattr(
        loop, "run", partial(loop.run, checkpoint_seconds=-1, checkpoint_share=np.inf)
    )
    augmented, steps = clip.augmented, []

    def until_the_fourth(pixels, settings, seed, step):
        steps.append(step)
        if steps == [0, 1, 2, 3]:
            raise Killed
        return augmented(pixels, settings, seed, step)

    monkeypatch.setattr(clip, "augmented", until_the_fourth)
    with pytest.raises(Killed):
        train(precision=precision)
    resumed, resumed_history = train(precision=precision)
    assert steps == [0, 1, 2, 3, 3, 4, 5]
    assert same(resumed, model)
    assert resumed_history == history


def test_the_seed_decides_the_weights(train):
    first, again, other = (
        train(seed, f"{name}.pt")[0] for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert same(first, again)
    assert not same(first, other)


def test_pairs_are_learned(train):
    _, history = train(epochs=25, batch=9, shift=0, flip=False, learning_rate=0.01)
    assert [row["epoch"] for row in history] == list(range(1, 26))
    assert history[-1]["loss"] < 0.3 * history[0]["loss"]
    assert history[-1]["accuracy"] > 0.9


@pytest.mark.parametrize("resize_mode", ["squash", "shortest", "longest"])
def test_training_sees_the_pixels_that_embedding_sees(train, images, monkeypatch, resize_mode):
    seen = []

    def recorded(pixels, settings, seed, step):
        seen.append(pixels.copy())
        return np.ascontiguousarray(pixels)

    monkeypatch.setattr(clip, "augmented", recorded)
    monkeypatch.setitem(PREPROCESSING, "resize_mode", resize_mode)
    train(epochs=1, batch=9)
    order = loop.EpochOrder(9, 9, 3).indices(0)
    preprocess = image_transform_v2(PreprocessCfg(**PREPROCESSING), is_train=False)
    expected = torch.stack([preprocess(open_image(images[row])) for row in order])
    found = torch.from_numpy(seen[0]).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(PREPROCESSING[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    torch.testing.assert_close((found - mean) / std, expected, atol=1e-5, rtol=0)


def test_a_batch_is_mirrored_and_shifted_as_a_whole():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    possible = {}
    for mirrored in (False, True):
        for down in range(-2, 3):
            for right in range(-2, 3):
                moved = np.empty_like(pixels)
                for y in range(8):
                    for x in range(8):
                        source = 7 - x if mirrored else x
                        moved[:, (y + down) % 8, (x + right) % 8] = pixels[:, y, source]
                possible[moved.tobytes()] = (mirrored, down, right)
    seen = {possible[clip.augmented(pixels, SETTINGS, 0, step).tobytes()] for step in range(600)}
    assert len(seen) == 50
    still = {"flip": False, "shift": 0}
    np.testing.assert_array_equal(clip.augmented(pixels, still, 0, 1), pixels)


def test_a_saved_model_loads_by_plain_open_clip_and_embeds_as_ours_does(train, images, tmp_path):
    model, _ = train()
    folder = tmp_path / "model"
    clip.save(
        model,
        MODEL,
        PREPROCESSING,
        folder / "open_clip_model.safetensors",
        folder / "open_clip_config.json",
    )
    name = f"local-dir:{folder}"
    plain, _, preprocess = open_clip.create_model_and_transforms(name)
    plain.eval()
    assert same(plain, model)
    pictures = [open_image(path) for path in images]
    with torch.inference_mode():
        pixels = torch.stack([preprocess(picture) for picture in pictures])
        by_image = plain.encode_image(pixels, normalize=True).numpy()
        tokens = open_clip.get_tokenizer(name)(CAPTIONS)
        by_caption = plain.encode_text(tokens, normalize=True).numpy()
    ours = encoder.load("m", {"architecture": name}, CPU, allow_download=False)
    np.testing.assert_array_equal(embedded(ours, pictures), by_image)
    np.testing.assert_array_equal(ours.encode_texts(CAPTIONS), by_caption)
    written = json.loads((folder / "open_clip_config.json").read_text())
    assert written.keys() == {"model_cfg", "preprocess_cfg", "hash"}
    assert written["model_cfg"] == MODEL and written["preprocess_cfg"] == PREPROCESSING


@pytest.mark.parametrize(
    "change",
    [
        {"embed_dim": "wide"},
        {"unknown": 3},
        {"vision_cfg": {"timm_model_name": "no_such_model", "image_size": 32}},
        {"text_cfg": {"no_such_key": 1}},
    ],
)
def test_settings_that_open_clip_does_not_know_are_one_sentence(change):
    with pytest.raises(InputError, match="can't build a model from `model_cfg`") as error:
        clip.build({**MODEL, **change}, 0)
    assert "\n" not in str(error.value)


def test_building_depends_on_the_seed_alone_and_leaves_the_settings(monkeypatch):
    before = json.dumps(MODEL)
    torch.manual_seed(99)
    first = clip.build(MODEL, 1)
    assert same(first, clip.build(MODEL, 1))
    assert not same(first, clip.build(MODEL, 2))
    assert json.dumps(MODEL) == before
    custom = {**MODEL, "custom_text": True}
    assert isinstance(clip.build(custom, 1), open_clip.CustomTextCLIP)
    assert custom == {**MODEL, "custom_text": True}


def test_a_size_that_is_not_the_models_is_one_sentence(train, monkeypatch):
    # OpenCLIP embeds at `image_size`, so that training would have seen other pictures.
    monkeypatch.setitem(PREPROCESSING, "size", 48)
    with pytest.raises(InputError, match=r"`preprocess_cfg\.size` is 48.*image_size` is .*32"):
        train()


def test_a_loss_that_is_not_finite_is_one_sentence_with_the_remedy(train):
    with pytest.raises(InputError, match="not finite: lower `learning_rate`"):
        train(learning_rate=1e30)
