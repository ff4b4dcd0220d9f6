"""Training of tiny self-supervised models and classifiers: views, resuming, saving, embedding."""

import inspect
import itertools
from functools import partial

import numpy as np
import polars as pl
import pytest
import torch
from lightly.models.modules import heads
from PIL import Image
from torchvision.transforms.v2.functional import gaussian_blur

from dejavu.config import schema
from dejavu.encoders import backbones, ssl
from dejavu.errors import InputError
from dejavu.files.weights import write_settings
from dejavu.training import classifier, loop, views
from dejavu.training import ssl as training
from dejavu.training.loop import Checkpoint
from dejavu.training.weights import save
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
PREPROCESSING = {
    "image_side": 32,
    "crop_side": 24,
    "resize": "squash",
    "interpolation": "bilinear",
    "mean": [0.5, 0.4, 0.3],
    "std": [0.25, 0.3, 0.2],
}
COMMON = {
    "backbone": {"library": "timm", "name": "test_byobnet", "settings": {}},
    "stored_side": 32,
    "epochs": 3,
    "batch": 4,
    "optimizer": "adamw",
    "learning_rate": 0.002,
    "weight_decay": 0.0001,
    "warmup_epochs": 1,
    "views": {
        "side": 32,
        "area": [0.2, 0.8],
        "aspect": 2,
        "border": 1.5,
        "flip": True,
        "colour": 1,
        "blur": 0,
        "solarization": 0,
    },
    "preprocessing": PREPROCESSING,
}
METHODS = {
    "vicreg": {"projector": {"hidden_dim": 16, "output_dim": 8}, "loss": {}},
    "barlow_twins": {
        "projector": {"hidden_dim": 16, "output_dim": 8},
        "loss": {"lambda_param": 0.05},
    },
    "simclr": {"projector": {"hidden_dim": 16, "output_dim": 8}, "loss": {"temperature": 0.2}},
    "dino": {
        "projector": {
            "hidden_dim": 16,
            "bottleneck_dim": 6,
            "output_dim": 12,
            "batch_norm": True,
            "freeze_last_layer": 1,
        },
        "loss": {
            "warmup_teacher_temp": 0.02,
            "teacher_temp": 0.06,
            "warmup_teacher_temp_epochs": 2,
        },
        "dino": {"momentum": 0.9, "local_views": 2, "local_area": [0.1, 0.2]},
    },
    "byol": {
        "projector": {"hidden_dim": 16, "output_dim": 8},
        "loss": {},
        "byol": {"momentum": 0.9},
    },
}


def settings_of(method):
    return {**COMMON, "method": method, **METHODS[method]}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def images(tmp_path, picture_bytes):
    paths = []
    for number in range(9):
        path = tmp_path / f"{number}.png"
        path.write_bytes(picture_bytes(number, kind="png", size=(40, 34)))
        paths.append(str(path))
    return paths


def weights(model):
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def killed_at(monkeypatch, step):
    """Let a training write a checkpoint after every step, and die before one."""
    original = loop.EpochOrder.indices

    def indices(self, number):
        if number == step:
            raise KeyboardInterrupt
        return original(self, number)

    monkeypatch.setattr(
        loop, "run", partial(loop.run, checkpoint_seconds=-1, checkpoint_share=np.inf)
    )
    monkeypatch.setattr(loop.EpochOrder, "indices", indices)


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_training_resumes_to_bit_identical_weights(method, images, tmp_path, monkeypatch):
    settings = settings_of(method)
    whole, history = training.train(settings, images, 3, Checkpoint(tmp_path / "a.pt"), CPU)
    with monkeypatch.context() as patched:
        killed_at(patched, 3)
        with pytest.raises(KeyboardInterrupt):
            training.train(settings, images, 3, Checkpoint(tmp_path / "b.pt"), CPU)
        assert (tmp_path / "b.pt").is_file()
    resumed, resumed_history = training.train(
        settings, images, 3, Checkpoint(tmp_path / "b.pt"), CPU
    )
    assert_same(weights(whole), weights(resumed))
    assert history == resumed_history
    assert [epoch["epoch"] for epoch in history] == [1, 2, 3]
    other, _ = training.train(settings, images, 4, Checkpoint(tmp_path / "c.pt"), CPU)
    assert any((weights(whole)[name] != value).any() for name, value in weights(other).items())


def test_dino_keeps_the_teacher_which_trails_the_student(images, tmp_path):
    settings = {**settings_of("dino"), "epochs": 1}
    slow = {**settings, "dino": {**settings["dino"], "momentum": 1.0}}
    start = weights(ssl.build(settings, 3))
    teacher, _ = training.train(slow, images, 3, Checkpoint(tmp_path / "a.pt"), CPU)
    parameters = [name for name, _ in teacher.named_parameters()]
    for name in parameters:
        np.testing.assert_array_equal(weights(teacher)[name], start[name])
    moved, _ = training.train(settings, images, 3, Checkpoint(tmp_path / "b.pt"), CPU)
    assert any((weights(moved)[name] != start[name]).any() for name in parameters)


def test_dino_warms_its_teacher_up_epoch_by_epoch(images, tmp_path):
    def history_of(name, first, last):
        settings = settings_of("dino")
        warmed = {"warmup_teacher_temp": first, "teacher_temp": last}
        settings["loss"] = {**settings["loss"], **warmed}
        return training.train(settings, images, 3, Checkpoint(tmp_path / name), CPU)[1]

    rising = history_of("a.pt", 0.02, 0.06)
    cold, warm = history_of("b.pt", 0.02, 0.02), history_of("c.pt", 0.06, 0.06)
    assert rising[0] == cold[0] != warm[0]
    assert rising[1]["loss"] != cold[1]["loss"]


def test_dino_keeps_its_prototypes_for_so_many_epochs(images, tmp_path):
    settings = {**settings_of("dino"), "epochs": 2, "warmup_epochs": 0}
    start = weights(ssl.build(settings, 3))
    [prototypes] = [name for name in start if name.endswith("last_layer.weight_v")]
    for frozen in (0, 1, 2):
        settings["projector"] = {**settings["projector"], "freeze_last_layer": frozen}
        checkpoint = Checkpoint(tmp_path / f"{frozen}.pt")
        model, _ = training.train(settings, images, 3, checkpoint, CPU)
        # The average of equal weights is rounded.
        moved = np.abs(weights(model)[prototypes] - start[prototypes]).max()
        assert (moved > 1e-5) == (frozen < 2)


def test_views_show_what_was_asked_for():
    torch.manual_seed(0)
    side = 64
    ramp = torch.linspace(0, 1, side)
    pixels = torch.stack([ramp.expand(side, side), ramp[:, None].expand(side, side)])
    pixels = torch.cat([pixels, torch.zeros(1, side, side)]).expand(400, 3, side, side)
    asked = {"side": 32, "area": [0.2, 0.4], "aspect": 3, "border": 1.5, "flip": False, "colour": 0}
    asked |= {"blur": 0, "solarization": 0}
    shown = views.random_views(pixels, asked)
    width = (shown[:, 0, 0, -1] - shown[:, 0, 0, 0]) * 32 / 31 * 63 / 64
    height = (shown[:, 1, -1, 0] - shown[:, 1, 0, 0]) * 32 / 31 * 63 / 64
    area = width * height
    inner = (width < 0.97) & (height < 0.97)
    assert (width > 0).all() and (height > 0).all()
    assert 0.18 < area[inner].min() < 0.22 and 0.37 < area[inner].max() < 0.43
    assert (width / height)[inner].max() < 3.2 and (width / height)[inner].min() > 1 / 3.2
    # A third of the views stick to each axis' border.
    stuck = (shown[:, 0, 0, 0] < 0.012) | (shown[:, 0, 0, -1] > 0.988)
    assert 0.25 < stuck[inner].float().mean() < 0.42
    mirrored = views.random_views(pixels, {**asked, "flip": True})
    share = (mirrored[:, 0, 0, -1] < mirrored[:, 0, 0, 0]).float().mean()
    assert 0.4 < share < 0.6


def test_colours_change_within_bounds_and_grey_stays_grey():
    torch.manual_seed(0)
    pixels = torch.rand(50, 3, 8, 8)
    changed = views.recoloured(pixels, 1.0)
    assert changed.min() >= 0 and changed.max() <= 1
    assert not torch.equal(changed, pixels)
    grey = views.recoloured(torch.full((20, 3, 4, 4), 0.5), 1.0)
    torch.testing.assert_close(grey, grey[:, :1].expand_as(grey), atol=1e-5, rtol=0)
    turn = views._hue_rotation(torch.tensor([0.7]))[0]
    torch.testing.assert_close(turn @ turn.T, torch.eye(3), atol=1e-6, rtol=0)


@pytest.fixture
def folder(tmp_path):
    """A model's folder as the workflow writes it."""
    settings = settings_of("vicreg")
    model = ssl.build(settings, 5)
    # A model whose statistics are not those of a new one.
    model.train()(torch.randn(8, 3, 32, 32))
    save(model, tmp_path / ssl.WEIGHTS)
    write_settings(tmp_path / ssl.SETTINGS, settings, tmp_path / ssl.WEIGHTS)
    return tmp_path, model


def pictures(count, size=(48, 40)):
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)) for _ in range(count)
    ]


@pytest.mark.parametrize("representation", ["projector", "backbone"])
@pytest.mark.parametrize("normalise", [True, False])
def test_an_encoder_gives_what_the_saved_weights_give(folder, representation, normalise):
    place, model = folder
    used = {"preprocessing": PREPROCESSING, "representation": representation}
    encoder = ssl.load("m", place, used, normalise, CPU)
    some = pictures(5)
    vectors = encoder.encode_images([encoder.prepare_image(image, "crop") for image in some])
    pixels = np.stack([np.asarray(image.resize((24, 24), Image.BILINEAR)) for image in some])
    batch = (pixels / 255 - PREPROCESSING["mean"]) / PREPROCESSING["std"]
    with torch.no_grad():
        features = model.eval().backbone(torch.tensor(batch).permute(0, 3, 1, 2).float())
        wanted = features if representation == "backbone" else model.projector(features)
    if normalise:
        wanted = wanted / wanted.norm(dim=1, keepdim=True)
    np.testing.assert_allclose(vectors, wanted.numpy(), atol=1e-5)
    assert encoder.dimension == vectors.shape[1]
    one_by_one = np.concatenate(
        [encoder.encode_images([encoder.prepare_image(image, "crop")]) for image in some]
    )
    np.testing.assert_allclose(vectors, one_by_one, atol=1e-5)


def test_a_fingerprint_tells_weights_and_use_apart(folder):
    place, _ = folder

    def fingerprint(normalise=True, representation="projector", **changes):
        used = {
            "preprocessing": {**PREPROCESSING, **changes},
            "representation": representation,
        }
        return ssl.load("m", place, used, normalise, CPU).facts["fingerprint"]

    first = fingerprint()
    assert fingerprint() == first
    others = {
        fingerprint(normalise=False),
        fingerprint(representation="backbone"),
        fingerprint(crop_side=32),
        fingerprint(resize="centre_crop"),
    }
    settings = settings_of("vicreg")
    save(ssl.build(settings, 6), place / ssl.WEIGHTS)
    write_settings(place / ssl.SETTINGS, settings, place / ssl.WEIGHTS)
    others.add(fingerprint())
    assert len(others) == 5 and first not in others


def test_weights_are_for_everyone_who_may_read_the_settings_beside_them(folder):
    place, _ = folder
    modes = {(place / name).stat().st_mode for name in (ssl.WEIGHTS, ssl.SETTINGS)}
    assert len(modes) == 1


def test_the_published_input_is_the_middle_of_the_picture():
    pixels = np.zeros((256, 512, 3), np.uint8)
    pixels[16:240, 144:368] = 255
    seen = np.asarray(ssl.resized(Image.fromarray(pixels), 224, "centre_crop"))
    assert seen.shape == (224, 224, 3) and (seen == 255).all()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"library": "timm", "name": "resnet_none", "settings": {}}, "timm can't build"),
        ({"library": "torchvision", "name": "resnet18", "settings": {"x": 1}}, "torchvision can't"),
    ],
)
def test_an_unknown_backbone_is_one_sentence(settings, told):
    with pytest.raises(InputError, match=told):
        backbones.build(settings)


def lars_by_hand(model, inputs, wanted, rates, momentum, decay):
    """You et al. 2017, algorithm 1, with the velocity as PyTorch has it; vectors by plain SGD."""
    values = {name: value.clone() for name, value in model.state_dict().items()}
    velocity = {name: torch.zeros_like(value) for name, value in values.items()}
    for rate in rates:
        for value in values.values():
            value.requires_grad_()
        loss = (torch.func.functional_call(model, values, inputs) - wanted).square().mean()
        grads = dict(zip(values, torch.autograd.grad(loss, list(values.values())), strict=True))
        for name in values:
            weight, grad = values[name].detach(), grads[name]
            if weight.ndim > 1:
                local = 0.001 * weight.norm() / (grad.norm() + decay * weight.norm())
                grad = local * (grad + decay * weight)
            velocity[name] = momentum * velocity[name] + grad
            values[name] = weight - rate * velocity[name]
    return values


@pytest.mark.parametrize("decay", [0, 0.3])
def test_lars_is_that_of_the_paper_without_biases_and_norms(decay):
    torch.manual_seed(2)
    layers = torch.nn.Linear(5, 6), torch.nn.LayerNorm(6), torch.nn.Linear(6, 2)
    model = torch.nn.Sequential(*layers).double()
    with torch.no_grad():
        model[1].weight.mul_(1.5)
    inputs, wanted = torch.randn(30, 5).double(), torch.randn(30, 2).double()
    rates = [4 * loop.learning_rate(step, 6, 0.3) for step in range(6)]
    expected = lars_by_hand(model, inputs, wanted, rates, 0.8, decay)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    settings = {"learning_rate": 9.0, "weight_decay": decay, "momentum": 0.8, "optimizer": "lars"}
    optimizer = training.optimizer_of(model, settings)
    for rate in rates:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        (model(inputs) - wanted).square().mean().backward()
        optimizer.step()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-7)
        assert (value - start[name]).abs().max() > 1e-4


def test_sgd_is_that_of_the_textbook():
    model = torch.nn.Linear(3, 1, bias=False).double()
    weight = expected = model.weight.detach().clone()
    settings = {"learning_rate": 0.1, "weight_decay": 0.2, "momentum": 0.5, "optimizer": "sgd"}
    optimizer, velocity = training.optimizer_of(model, settings), 0
    for _ in range(4):
        optimizer.zero_grad()
        model.weight.square().sum().backward()
        optimizer.step()
        velocity = 0.5 * velocity + 2 * expected + 0.2 * expected
        expected = expected - 0.1 * velocity
    torch.testing.assert_close(model.weight.detach(), expected)
    assert (weight - expected).abs().max() > 0.01


@pytest.mark.parametrize("optimizer", ["sgd", "lars"])
def test_a_killed_training_keeps_its_momentum(optimizer, images, tmp_path, monkeypatch):
    settings = {**settings_of("vicreg"), "optimizer": optimizer, "momentum": 0.9}
    settings["learning_rate"] = 0.1
    whole, _ = training.train(settings, images, 3, Checkpoint(tmp_path / "a.pt"), CPU)
    with monkeypatch.context() as patched:
        killed_at(patched, 3)
        with pytest.raises(KeyboardInterrupt):
            training.train(settings, images, 3, Checkpoint(tmp_path / "b.pt"), CPU)
    resumed, _ = training.train(settings, images, 3, Checkpoint(tmp_path / "b.pt"), CPU)
    assert_same(weights(whole), weights(resumed))


def byol_steps(monkeypatch, images, path, momentum):
    """What model and target were before and after each step of a training of BYOL."""
    seen = []
    move = training.Bootstrap.after_step

    def recorded(self, model, progress):
        before = weights(self.teacher)
        move(self, model, progress)
        seen.append((progress, before, weights(model), weights(self.teacher)))

    settings = {**settings_of("byol"), "byol": {"momentum": momentum}}
    with monkeypatch.context() as patched:
        patched.setattr(training.Bootstrap, "after_step", recorded)
        model, _ = training.train(settings, images, 3, Checkpoint(path), CPU)
    return weights(model), seen, [name for name, _ in model.named_parameters()]


@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_byols_target_moves_by_its_momentum_and_no_gradient(
    images, tmp_path, monkeypatch, momentum
):
    kept, seen, names = byol_steps(monkeypatch, images, tmp_path / "a.pt", momentum)
    start = weights(ssl.build(settings_of("byol"), 3))
    assert_same({name: seen[0][1][name] for name in names}, {name: start[name] for name in names})
    for progress, before, model, after in seen:
        # Grill et al. 2020, section 3.3: from the base up to 1 by a cosine.
        part = 1 - (1 - momentum) * (np.cos(np.pi * progress) + 1) / 2
        for name in names:
            wanted = part * before[name] + (1 - part) * model[name]
            np.testing.assert_allclose(after[name], wanted, atol=1e-5, err_msg=name)
    for (*_, after), (_, before, *_) in itertools.pairwise(seen):
        for name in names:
            np.testing.assert_array_equal(after[name], before[name])
    # What is kept is the model that gradients moved, not its target.
    assert_same(kept, seen[-1][2])
    assert any((kept[name] != seen[-1][3][name]).any() for name in names)


def test_byol_compares_predictions_of_one_view_with_projections_of_the_other():
    settings = settings_of("byol")
    model = ssl.build(settings, 3).train()
    objective = training.objective_of(model, settings, 3)
    torch.manual_seed(1)
    pictures = [torch.rand(6, 3, 32, 32) for _ in range(2)]
    views = iter(pictures)
    loss = objective(model, lambda _: next(views), 0, torch.empty(0, dtype=torch.int64))
    twin = ssl.build(settings, 3).train()
    with torch.no_grad():
        features = twin.backbone(torch.cat(pictures))
        projected = twin.projector.layers(features)
        one, other = torch.nn.functional.normalize(projected, dim=1).chunk(2)
        predicted = twin.projector.predictor(projected)
        first, second = torch.nn.functional.normalize(predicted, dim=1).chunk(2)
    wanted = -((first * other).sum(1).mean() + (second * one).sum(1).mean()) / 2
    torch.testing.assert_close(loss.detach(), wanted, atol=1e-5, rtol=1e-5)
    loss.backward()
    assert all(parameter.grad is None for parameter in objective.teacher.parameters())
    assert model.projector.predictor.layers[0].weight.grad.abs().max() > 0


def supervised(labels, **changes):
    settings = {key: value for key, value in COMMON.items() if key != "projector"}
    told = {"method": "supervised", "loss": {"label_smoothing": 0.0}, "labels": labels}
    return {**settings, **told, **changes}


def test_a_supervised_encoder_learns_labels_and_is_measured_by_its_backbone(
    crops, tmp_path, monkeypatch
):
    images, labels = crops["image"].to_list(), crops["label"].to_list()
    mild = {**COMMON["views"], "area": [0.6, 1], "colour": 0}
    settings = supervised(["blue", "red"], epochs=12, batch=8, views=mild, learning_rate=0.005)

    def run(name):
        return training.train(settings, images, 0, Checkpoint(tmp_path / name), CPU, labels=labels)

    model, history = run("a.pt")
    assert history[-1]["loss"] < 0.5 * np.log(2) < history[0]["loss"]
    save(model, tmp_path / ssl.WEIGHTS)
    write_settings(tmp_path / ssl.SETTINGS, settings, tmp_path / ssl.WEIGHTS)
    used = {"preprocessing": PREPROCESSING, "representation": "backbone"}
    encoder = ssl.load("m", tmp_path, used, False, CPU)
    prepared = [encoder.prepare_image(Image.open(path), "image") for path in images]
    vectors = torch.from_numpy(encoder.encode_images(prepared))
    with torch.inference_mode():
        found = encoder.model.projector(vectors).argmax(dim=1)
    assert [settings["labels"][code] for code in found] == labels
    with monkeypatch.context() as patched:
        killed_at(patched, 7)
        with pytest.raises(KeyboardInterrupt):
            run("b.pt")
    assert_same(weights(model.eval()), weights(run("b.pt")[0].eval()))


def test_barlow_twins_head_is_lightlys_own_at_its_depth_and_takes_another():
    def state(projector):
        settings = {**settings_of("barlow_twins"), "projector": projector}
        return weights(ssl.build(settings, 3))

    widths = {"hidden_dim": 16, "output_dim": 8}
    found = state(widths)
    torch.manual_seed(3)
    backbone = backbones.build(COMMON["backbone"])
    own = heads.BarlowTwinsProjectionHead(backbones.width(backbone, 32), 16, 8)
    for name, value in own.state_dict().items():
        np.testing.assert_array_equal(found[f"projector.{name}"], value)
    assert len(state({**widths, "num_layers": 4})) > len(found) > len(own.state_dict())


LOSS_ARGUMENTS = [
    *(("vicreg", {key: 3.0}) for key in ("lambda_param", "mu_param", "nu_param")),
    ("barlow_twins", {"lambda_param": 0.5}),
    ("simclr", {"temperature": 0.05}),
    ("dino", {"student_temp": 0.3}),
    ("dino", {"center_momentum": 0.2}),
    ("dino", {"warmup_teacher_temp_epochs": 0}),
    ("dino", {"teacher_temp": 0.3, "warmup_teacher_temp_epochs": 0}),
]


STILL = {"side": 24, "area": [1, 1], "aspect": 1, "border": 1, "flip": False, "colour": 0}


def changed_views(pixels, **change):
    """Views that differ from their pictures by what is asked for alone."""
    torch.manual_seed(4)
    return views.random_views(pixels, {**STILL, "blur": 0, "solarization": 0, **change})


@pytest.mark.parametrize("part", [0.2, 0.7, 1])
@pytest.mark.parametrize("change", ["blur", "solarization"])
def test_that_fraction_of_the_views_is_blurred_or_solarized(change, part):
    pixels = torch.rand(1000, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    plain = changed_views(pixels)
    torch.testing.assert_close(plain, pixels, atol=1e-5, rtol=0)
    found = changed_views(pixels, **{change: part})
    moved = ((found - plain).abs().mean((1, 2, 3)) > 1e-6).double().mean().item()
    assert moved == pytest.approx(part, abs=4 * 0.5 / 1000**0.5 if part < 1 else 0.07)
    unmoved = (found == plain).flatten(1).all(dim=1)
    assert unmoved.double().mean().item() == pytest.approx(1 - moved, abs=0.07)


def test_bright_pixels_of_a_solarized_view_are_negatives():
    pixels = torch.rand(3, 3, 24, 24)
    plain, found = changed_views(pixels), changed_views(pixels, solarization=1)
    torch.testing.assert_close(found, torch.where(plain < 0.5, plain, 1 - plain))


def test_a_blur_is_torchvisions_of_a_width_of_its_own(monkeypatch):
    pixels = torch.rand(40, 3, 24, 24)
    plain, widths = changed_views(pixels), []
    original = torch.softmax

    def recorded(exponents, dim):
        # At one pixel from the middle the exponent is -1 / (2 sigma ** 2).
        widths.extend((-1 / (2 * exponents[:, views.KERNEL_REACH + 1])).sqrt().tolist())
        return original(exponents, dim)

    with monkeypatch.context() as patched:
        patched.setattr(torch, "softmax", recorded)
        found = changed_views(pixels, blur=1)
    assert len(set(widths)) == 40 and 0.1 <= min(widths) < 0.4 and 1.7 < max(widths) <= 2
    side = 2 * views.KERNEL_REACH + 1
    for picture, wanted, sigma in zip(found, plain, widths, strict=True):
        expected = gaussian_blur(wanted, [side, side], [sigma, sigma])
        torch.testing.assert_close(picture, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("method", "change"), LOSS_ARGUMENTS, ids=str)
def test_arguments_of_every_loss_take_effect(method, change, images, tmp_path):
    settings = {**settings_of(method), "batch": 9}
    before, after = (
        training.train(
            {**settings, "loss": {**settings["loss"], **more}},
            images,
            3,
            Checkpoint(tmp_path / f"{len(more)}.pt"),
            CPU,
        )[0]
        for more in ({}, change)
    )
    other = weights(after)
    assert any((value != other[name]).any() for name, value in weights(before).items())


def test_the_config_knows_lightlys_arguments_and_defaults():
    rules = schema.read(ROOT / "rules/schemas/config.schema.yaml")
    # What follows from the backbone or the projector, or can't be chosen.
    given = {"input_dim", "dim", "memory_bank_size", "gather_distributed", "center_mode"}
    for method, head in ssl.HEADS.items():
        needed = {"projector": {"output_dim": 9}} if method == "dino" else {}
        model = {"kind": "ssl", "train_on": "A", "method": method, **needed}
        told = schema.complete({"a": model}, schema.models_of(rules, "vision"))["a"]
        for key, called in (("projector", head), ("loss", training.LOSSES[method])):
            known = inspect.signature(called).parameters.values()
            own = {each.name: each.default for each in known if each.name not in given}
            own = {name: needed.get(key, {}).get(name, value) for name, value in own.items()}
            if (method, key) == ("dino", "loss"):
                del own["output_dim"]
            assert told[key] == own, (method, key)


def test_wrong_arguments_of_lightly_are_one_sentence(images, tmp_path):
    with pytest.raises(InputError, match="`projector`"):
        ssl.build({**settings_of("vicreg"), "projector": {"depth": 3}}, 0)
    for method, loss in (
        ("vicreg", {"weight": 3}),
        ("dino", {"center_mode": "none"}),
    ):
        settings = {**settings_of(method), "loss": loss}
        with pytest.raises(InputError, match="`loss`"):
            training.train(settings, images, 0, Checkpoint(tmp_path / "a.pt"), CPU)


def test_a_loss_that_is_not_finite_is_one_sentence(images, tmp_path):
    settings = {**settings_of("vicreg"), "learning_rate": 1e30, "warmup_epochs": 0}
    with pytest.raises(InputError, match="lower `learning_rate`"):
        training.train(settings, images, 0, Checkpoint(tmp_path / "a.pt"), CPU)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_torchvision_backbones_lose_their_last_layer(name):
    backbone = backbones.build({"library": "torchvision", "name": name, "settings": {}})
    assert backbones.width(backbone, 32) in (512, 1024)


CLASSIFIER = {
    **{key: COMMON[key] for key in ("backbone", "stored_side", "preprocessing", "views")},
    "epochs": 12,
    "batch": 8,
    "learning_rate": 0.005,
    "weight_decay": 0.01,
    "warmup_epochs": 1,
    "dropout": 0.1,
    "label_smoothing": 0.1,
}
CLASSIFIER["views"] = {**COMMON["views"], "area": [0.6, 1], "colour": 0}


@pytest.fixture
def crops(tmp_path):
    """Crops that are red or blue, in pictures that are green around them."""
    rows = []
    for number in range(32):
        pixels = np.zeros((20, 30, 3), np.uint8)
        pixels[..., 1] = 255
        pixels[4:16, 5:25] = (200, 0, 0) if number % 2 else (0, 0, 200)
        path = tmp_path / f"{number}.png"
        Image.fromarray(pixels).save(path)
        crop = {"xmin": 5, "ymin": 4, "xmax": 25, "ymax": 16}
        label = "red" if number % 2 else "blue"
        rows.append(
            {"sample": number, "id": str(number), "image": str(path), "label": label, "crop": crop}
        )
    return pl.DataFrame(rows)


def test_a_classifier_learns_what_the_crops_show_and_is_read_back(crops, tmp_path, monkeypatch):
    model, labels, _ = classifier.train(CLASSIFIER, crops, 0, Checkpoint(tmp_path / "a.pt"), CPU)
    assert labels == ["blue", "red"]
    save(model, tmp_path / "model.safetensors")
    write_settings(
        tmp_path / "model.json", {**CLASSIFIER, "labels": labels}, tmp_path / "model.safetensors"
    )
    loaded, settings = classifier.load(tmp_path / "model.safetensors", tmp_path / "model.json", CPU)
    assert settings["labels"] == labels
    found = classifier.probabilities(loaded, 2, crops, {**PREPROCESSING, "crop_side": 32}, 5, CPU)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    assert [labels[code] for code in found.argmax(axis=1)] == crops["label"].to_list()
    with monkeypatch.context() as patched:
        killed_at(patched, 7)
        with pytest.raises(KeyboardInterrupt):
            classifier.train(CLASSIFIER, crops, 0, Checkpoint(tmp_path / "b.pt"), CPU)
    resumed, _, _ = classifier.train(CLASSIFIER, crops, 0, Checkpoint(tmp_path / "b.pt"), CPU)
    assert_same(weights(model.eval()), weights(resumed.eval()))


@pytest.mark.parametrize("resize", ["squash", "centre_crop"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_classifier_sees_the_pixels_that_a_target_of_its_preprocessing_sees(
    crops, folder, resize, interpolation
):
    preprocessing = {**PREPROCESSING, "resize": resize, "interpolation": interpolation}
    used = {"preprocessing": preprocessing, "representation": "backbone"}
    encoder = ssl.load("m", folder[0], used, True, CPU)
    found = classifier.seen(crops, preprocessing)
    for row, pixels in zip(crops.iter_rows(named=True), found, strict=True):
        image = Image.open(row["image"]).crop(tuple(row["crop"].values()))
        np.testing.assert_array_equal(pixels, encoder.prepare_image(image, "crop"))


def test_a_crop_of_a_side_that_the_classifier_does_not_take_is_one_sentence(crops):
    backbone = {"library": "timm", "name": "test_vit", "settings": {"img_size": 32}}
    model = classifier.build({**CLASSIFIER, "backbone": backbone}, 2, 0).eval()
    found = classifier.probabilities(model, 2, crops, {**PREPROCESSING, "crop_side": 32}, 9, CPU)
    assert found.shape == (32, 2)
    with pytest.raises(InputError, match="takes no crops of 24 by 24 px"):
        classifier.probabilities(model, 2, crops, PREPROCESSING, 9, CPU)
