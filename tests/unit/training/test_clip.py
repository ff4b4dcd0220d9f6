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
    "area": 1,
    "colour": 0,
    "captions": "each",
    "text_mask": 0,
    "logit_scale_max": 100,
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


def words_left(caption, fraction, epochs):
    """How many words of a caption are shown in each of so many steps."""
    return [clip.masked([caption], fraction, 3, step)[0].split() for step in range(epochs)]


@pytest.mark.parametrize("fraction", [0.15, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("length", [4, 10, 23])
def test_that_fraction_of_a_captions_words_is_hidden(fraction, length):
    words = [f"w{number}" for number in range(length)]
    shown = words_left("  ".join(words), fraction, 2000)
    for some in shown:
        hidden = length - len(some)
        assert abs(hidden - fraction * length) < 1 or len(some) == 1
        assert some == [word for word in words if word in some]
    wanted = min(fraction * length, length - 1)
    mean = np.mean([length - len(some) for some in shown])
    # Half a word is the largest deviation of one draw.
    assert mean == pytest.approx(wanted, abs=4 * 0.5 / 2000**0.5) or wanted > length - 1
    # Each word is as likely to be hidden as any other.
    kept = np.array([[word in some for word in words] for some in shown]).mean(axis=0)
    assert np.abs(kept - kept.mean()).max() < 5 * 0.5 / 2000**0.5


def test_one_word_always_stays():
    assert all(len(some) == 1 for some in words_left("one two", 1, 50))
    assert words_left("alone", 0.99, 20) == [["alone"]] * 20
    assert clip.masked(["", "  "], 0.5, 3, 0) == ["", ""]


def test_words_are_hidden_anew_each_epoch_from_the_seed(train, monkeypatch):
    assert len(set(map(tuple, words_left("by the deep blue sea", 0.5, 10)))) > 3
    original, seen = clip.masked, []

    def recorded(captions, fraction, seed, step):
        seen.append(
            (step, dict(zip(captions, original(captions, fraction, seed, step), strict=True)))
        )
        return list(seen[-1][1].values())

    monkeypatch.setattr(clip, "masked", recorded)
    monkeypatch.setitem(
        globals(), "CAPTIONS", [f"{each} by the deep blue sea" for each in CAPTIONS]
    )
    train(epochs=4, batch=9, text_mask=0.5)
    assert [step for step, _ in seen] == [0, 1, 2, 3]
    for caption in seen[0][1]:
        assert len({epoch[caption] for _, epoch in seen}) > 1, caption
    first = [epoch for _, epoch in seen]
    train(epochs=4, batch=9, text_mask=0.5, checkpoint="again.pt")
    assert [epoch for _, epoch in seen[4:]] == first
    train(4, epochs=4, batch=9, text_mask=0.5, checkpoint="other.pt")
    assert [epoch for _, epoch in seen[8:]] != first


def test_the_tokenizer_reads_what_masking_left(train, monkeypatch):
    read = []
    tokenize = open_clip.SimpleTokenizer.__call__

    def recorded(self, texts, context_length=None):
        read.append(list(texts))
        return tokenize(self, texts, context_length)

    monkeypatch.setattr(open_clip.SimpleTokenizer, "__call__", recorded)
    train(epochs=2, batch=9, text_mask=0.5)
    # All captions once, then those of each step: of two words one stays.
    assert len(read) == 3 and all(len(text.split()) == 1 for text in read[1] + read[2])


@pytest.mark.parametrize("largest", [5, 100])
def test_the_scale_never_exceeds_its_largest(train, monkeypatch, largest):
    seen = []
    loss = clip.ClipLoss.forward

    def recorded(self, images, texts, scale):
        seen.append(scale.item())
        # A loss that pulls the scale up as fast as the optimiser goes.
        return loss(self, images, texts, scale) - 10 * scale

    monkeypatch.setattr(clip.ClipLoss, "forward", recorded)
    model, _ = train(epochs=12, batch=9, learning_rate=0.5, logit_scale_max=largest)
    seen.append(model.logit_scale.exp().item())
    assert max(seen) == pytest.approx(largest) and all(each <= largest * 1.00001 for each in seen)


def test_a_picture_with_several_captions_is_learned_with_each_or_with_a_drawn_one(
    train, images, monkeypatch
):
    images[3:] = [images[0]] * 4 + [images[1]] * 2
    original, seen = clip.drawn, []

    def recorded(rows, seed, step):
        seen.append(original(rows, seed, step).tolist())
        return np.array(seen[-1])

    monkeypatch.setattr(clip, "drawn", recorded)
    train(epochs=3, batch=9)
    assert [sorted(step) for step in seen] == [list(range(9))] * 3
    seen.clear()
    train(epochs=24, batch=9, captions="drawn", checkpoint="drawn.pt")
    captions_of = ({0, 3, 4, 5, 6}, {1, 7, 8}, {2})
    for step in seen:
        assert len(step) == 3 and all(len(own & set(step)) == 1 for own in captions_of)
    assert {row for step in seen for row in step} == set(range(9))


def test_crops_show_at_least_their_area_of_every_picture_on_its_own():
    torch.manual_seed(0)
    side = 32
    ramp = torch.linspace(0, 255, side)
    pixels = torch.stack([ramp.expand(side, side), ramp[:, None].expand(side, side)] * 2)[:3]
    pixels = pixels.expand(500, 3, side, side)
    shown = clip.changed(pixels, {"area": 0.5, "colour": 0})
    assert shown.shape == pixels.shape
    width = (shown[:, 0, 0, -1] - shown[:, 0, 0, 0]).abs() / 255
    height = (shown[:, 1, -1, 0] - shown[:, 1, 0, 0]).abs() / 255
    area = width * height
    assert 0.45 < area.min() < 0.6 and area.max() > 0.9 and len(set(area.tolist())) > 300
    assert (shown[:, 0, 0, -1] > shown[:, 0, 0, 0]).all()


def test_colours_change_by_picture_and_only_where_asked_for():
    torch.manual_seed(0)
    pixels = (torch.rand(40, 3, 8, 8) * 255).round()
    assert clip.changed(pixels, {"area": 1, "colour": 0}) is pixels
    shown = clip.changed(pixels, {"area": 1, "colour": 1})
    moved = (shown - pixels).abs().mean((1, 2, 3))
    assert shown.min() >= 0 and shown.max() <= 255
    assert (moved > 1).sum() > 25 and len(set(moved.tolist())) > 25


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
