"""Published checkpoints: networks of the papers, saved as published, give what they gave."""

import argparse
import itertools
import pathlib
import pickle
import sys

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision.transforms import v2

from dejavu.encoders import backbones, checkpoints, published, ssl
from dejavu.errors import InputError

pytestmark = pytest.mark.slow

RESNET = {"library": "torchvision", "name": "resnet18", "settings": {}}
VIT = {
    "library": "timm",
    "name": "vit_small_patch16_224",
    "settings": {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3},
}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(3)


def alive(network):
    """Give a network weights and statistics that no constructor gives."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.is_floating_point():
                value.add_(0.05 * torch.randn_like(value))
    return network.eval()


def resnet(padded=False):
    """A ResNet without its last layer; VICReg's pads in a layer of its own."""
    network = torchvision.models.resnet18(weights=None)
    network.fc = nn.Identity()
    if not padded:
        return network
    network.conv1.padding = (2, 2)
    return nn.Sequential(nn.ConstantPad2d(1, 0.0), network)


def expander(widths, bias, activation, last_bias, batch_norm=True):
    """Linear layers with batch norm and an activation between them (VICReg 4.2, DINO 3.1)."""
    layers = []
    for inputs, outputs in itertools.pairwise(widths[:-1]):
        layers.append(nn.Linear(inputs, outputs, bias=bias))
        layers += [nn.BatchNorm1d(outputs)] if batch_norm else []
        layers.append(activation())
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1], bias=last_bias))


class Attention(nn.Module):
    """Self-attention of several heads over tokens."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens):
        images, count, width = tokens.shape
        split = self.qkv(tokens).view(images, count, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(2, 3) / (width // self.heads) ** 0.5).softmax(dim=3)
        return self.proj((weights @ value).transpose(1, 2).reshape(images, count, width))


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)}
        )

    def forward(self, tokens):
        tokens = tokens + self.attn(self.norm1(tokens))
        hidden = nn.functional.gelu(self.mlp["fc1"](self.norm2(tokens)))
        return tokens + self.mlp["fc2"](hidden)


class Vit(nn.Module):
    """A vision transformer that gives its class token (DINO, section 3.2)."""

    def __init__(self, side=32, patch=8, width=24, depth=2, heads=3):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, (side // patch) ** 2 + 1, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, patch)})
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, pixels):
        patches = self.patch_embed["proj"](pixels).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(pixels), -1, -1), patches], dim=1)
        tokens = tokens + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)[:, 0]


def under(prefix, network):
    return {f"{prefix}{name}": value for name, value in network.state_dict().items()}


def exclude_bias_and_norm(parameter):
    """What the published optimisers refer to in the script that trained them."""
    return parameter.ndim == 1


@pytest.fixture
def filter_of_main(monkeypatch):
    """The function as a script's own, which is how the published files name it."""
    monkeypatch.setattr(exclude_bias_and_norm, "__module__", "__main__")
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "exclude_bias_and_norm", exclude_bias_and_norm, raising=False)
    return exclude_bias_and_norm


def lars(state, function):
    """State of the published LARS: moments, and groups that hold a function."""
    moments = {n: {"mu": torch.zeros_like(value)} for n, value in enumerate(state.values())}
    group = {"lr": 0.2, "weight_decay_filter": function, "lars_adaptation_filter": function}
    return {"state": moments, "param_groups": [group]}


@pytest.fixture
def vicreg(tmp_path, filter_of_main):
    """A file like resnet50_fullckpt.pth, and what gives its two representations."""
    padded = alive(resnet(padded=True))
    projector = alive(expander([512, 20, 20, 12], True, nn.ReLU, False))
    state = under("module.backbone.", padded[1]) | under("module.projector.", projector)
    path = tmp_path / "fullckpt.pth"
    torch.save({"epoch": 9, "model": state, "optimizer": lars(state, filter_of_main)}, path)
    return path, padded, projector


@pytest.fixture
def barlow_twins(tmp_path, filter_of_main):
    """A file like Barlow Twins' checkpoint.pth."""
    backbone = alive(resnet())
    projector = alive(expander([512, 20, 20, 12], False, nn.ReLU, False))
    state = under("module.backbone.", backbone) | under("module.projector.", projector)
    state |= under("module.bn.", nn.BatchNorm1d(12, affine=False))
    path = tmp_path / "checkpoint.pth"
    torch.save({"epoch": 9, "model": state, "optimizer": lars(state, filter_of_main)}, path)
    return path, backbone, projector


def dino_file(path, backbone, head, teacher_prefix, student, protocol=2):
    """A file like *_full_checkpoint.pth: both networks, and much that is no weight."""
    prototypes = {
        "head.last_layer.weight_g": torch.ones(30, 1),
        "head.last_layer.weight_v": torch.randn(30, 8),
    }
    teacher = under("backbone.", backbone) | under("head.mlp.", head) | prototypes
    arguments = argparse.Namespace(
        arch="vit_small", lr=np.float64(0.0005), output_dir=pathlib.PosixPath("/out"), saved=(1, 2)
    )
    groups = [{"lr": np.float64(1e-6), "weight_decay": np.float64(0.4), "params": [0]}]
    content = {
        "student": {f"module.{name}": value for name, value in student.items()},
        "teacher": {f"{teacher_prefix}{name}": value for name, value in teacher.items()},
        "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.zeros(3)}}, "param_groups": groups},
        "epoch": 100,
        "args": arguments,
        "dino_loss": {"center": torch.zeros(1, 30)},
        "fp16_scaler": {"scale": 65536.0, "growth_factor": 2.0},
    }
    torch.save(content, path, pickle_protocol=protocol)


def outputs(model, representation, side):
    pixels = torch.randn(3, 3, side, side)
    with torch.inference_mode():
        return pixels, model.represent(pixels, representation)


def check_same(path, layout, backbone_settings, backbone, projector, side=64, **options):
    model, architecture = published.load(path, layout, backbone_settings, **options)
    model.eval()
    with torch.inference_mode():
        pixels, features = outputs(model, "backbone", side)
        wanted = backbone(pixels)
        torch.testing.assert_close(features, wanted, atol=1e-5, rtol=1e-5)
        assert features.std(dim=0).max() > 1e-3
        if projector is not None:
            found = model.represent(pixels, "projector")
            torch.testing.assert_close(found, projector(wanted), atol=1e-5, rtol=1e-5)
    again = ssl.build(architecture, seed=0)
    assert {n: v.shape for n, v in again.state_dict().items()} == {
        n: v.shape for n, v in model.state_dict().items()
    }


def test_a_vicreg_checkpoint_gives_what_its_network_gave(vicreg):
    check_same(vicreg[0], "vicreg", RESNET, *vicreg[1:])


def test_a_barlow_twins_checkpoint_gives_what_its_network_gave(barlow_twins):
    check_same(barlow_twins[0], "barlow_twins", RESNET, *barlow_twins[1:])


class DejaVu(nn.Module):
    """The network of DejaVu's training: blocks of layers, and what only its losses use."""

    def __init__(self, widths, relu_last=False):
        super().__init__()
        self.net = alive(resnet())
        blocks = [
            nn.Sequential(nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU())
            for inputs, outputs in itertools.pairwise(widths[:-1])
        ]
        last = nn.Linear(widths[-2], widths[-1], bias=False)
        self.projector = nn.Sequential(
            *blocks, nn.Sequential(last, nn.ReLU()) if relu_last else last
        )
        self.bn = nn.BatchNorm1d(widths[-1], affine=False)
        self.predictor = nn.Sequential(nn.Sequential(nn.Linear(widths[-1], 4)))
        self.fc = nn.Sequential(nn.BatchNorm1d(widths[-1]), nn.ReLU(), nn.Linear(widths[-1], 5))


@pytest.mark.parametrize("widths", [[512, 20, 16, 12], [512, 24, 8], [512, 9]])
@pytest.mark.parametrize("relu_last", [False, True])
@pytest.mark.parametrize("kind", ["model_ep100.pth", "final_weights.pt"])
def test_a_checkpoint_of_dejavu_gives_what_its_network_gave(
    tmp_path, filter_of_main, widths, relu_last, kind
):
    network = alive(DejaVu(widths, relu_last))
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    if kind.startswith("model"):
        probes = under("module.probes.", nn.Sequential(nn.Linear(512, 3)))
        state = {"epoch": 100, "model": state, "optimizer": lars(state, filter_of_main)} | {
            "probes": probes,
            "optimizer_probes": {"state": {}, "param_groups": [{"lr": 1e-4}]},
        }
    torch.save(state, tmp_path / kind)
    check_same(tmp_path / kind, "dejavu", RESNET, network.net, network.projector)
    check_same(tmp_path / kind, "backbone", RESNET, network.net, None)


def test_a_supervised_network_of_dejavuoss_gives_what_its_backbone_gave(tmp_path):
    full = alive(torchvision.models.resnet18(weights=None, num_classes=7))
    torch.save(under("module.net.", full), tmp_path / "final_weights.pt")
    features = nn.Sequential(*list(full.children())[:-1], nn.Flatten())
    check_same(tmp_path / "final_weights.pt", "backbone", RESNET, features, None)
    assert "holds no projector" in sentence(tmp_path / "final_weights.pt", "dejavu")


NESTED = {
    "lightning": (
        lambda s: {"state_dict": s, "callbacks": {}, "loops": {"fit_loop": {}}},
        "model.",
    ),
    "resnet.pth.tar": (lambda s: {"epoch": 9, "arch": "resnet18", "state_dict": s}, "module."),
    "compiled": (lambda s: s, "_orig_mod."),
    "ema": (lambda s: {"ema": {"model": s}, "updates": 7}, "module.backbone."),
    "timm": (lambda s: {"state_dict_ema": s, "version": 2}, ""),
    "lightly": (lambda s: {"state_dict": s | {"loss.center": torch.zeros(3)}}, "backbone."),
}


@pytest.mark.parametrize("kind", NESTED)
def test_a_backbone_in_any_nesting_gives_what_it_gave(tmp_path, kind):
    wrapped, prefix = NESTED[kind]
    network = alive(resnet())
    torch.save(wrapped(under(prefix, network)), tmp_path / "nested.ckpt")
    check_same(tmp_path / "nested.ckpt", "backbone", RESNET, network, None)


def test_one_of_several_networks_is_named(tmp_path):
    first, second = alive(resnet()), alive(resnet())
    state = under("backbone.", first) | under("backbone_momentum.", second)
    path = tmp_path / "moco.ckpt"
    torch.save({"state_dict": state, "state_dict_ema": under("backbone.", second)}, path)
    assert "set `state_key`" in sentence(path, "backbone")
    assert "set `prefix`" in sentence(path, "backbone", state_key="state_dict")
    for prefix, network in (("backbone.", first), ("backbone_momentum", second)):
        asked = {"state_key": "state_dict", "prefix": prefix}
        check_same(path, "backbone", RESNET, network, None, **asked)
    check_same(path, "backbone", RESNET, second, None, state_key="state_dict_ema")


def test_a_full_checkpoint_of_lightning_is_read_with_its_projector(tmp_path):
    backbone, head = alive(resnet()), alive(expander([512, 10, 6], True, nn.ReLU, False))
    state = under("model.backbone.", backbone) | under("model.projector.", head)
    torch.save({"state_dict": state | {"criterion.weight": torch.zeros(2)}}, tmp_path / "v.ckpt")
    check_same(tmp_path / "v.ckpt", "vicreg", RESNET, backbone, head)
    check_same(tmp_path / "v.ckpt", "vicreg", RESNET, backbone, head, prefix="model.")


@pytest.mark.parametrize("network", ["teacher", "student"])
def test_a_dino_transformer_gives_what_its_network_gave(tmp_path, network):
    first, second = (
        (alive(Vit()), alive(expander([24, 16, 16, 8], True, nn.GELU, True, batch_norm=False)))
        for _ in range(2)
    )
    student = under("backbone.", second[0]) | under("head.mlp.", second[1])
    dino_file(tmp_path / "full.pth", *first, "", student)
    measured = first if network == "teacher" else second
    check_same(tmp_path / "full.pth", "dino", VIT, *measured, side=32, network=network)


def test_a_dino_resnet_with_a_normalised_head_gives_what_its_network_gave(tmp_path):
    backbone = alive(resnet())
    head = alive(expander([512, 16, 16, 8], True, nn.GELU, True))
    dino_file(tmp_path / "full.pth", backbone, head, "module.", {})
    check_same(tmp_path / "full.pth", "dino", RESNET, backbone, head)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("kind", ["torchvision", "timm", "dino"])
def test_a_backbone_alone_gives_what_it_gave(tmp_path, kind, suffix):
    """Weights of torchvision and timm have a classifier, which is left out."""
    path = tmp_path / f"weights.{suffix}"
    settings, side = {"torchvision": (RESNET, 64), "timm": (VIT, 32), "dino": (VIT, 32)}[kind]
    if kind == "torchvision":
        network = alive(torchvision.models.resnet18(weights=None))
        features = nn.Sequential(*list(network.children())[:-1], nn.Flatten())
    elif kind == "timm":
        network = alive(timm.create_model(VIT["name"], num_classes=7, **VIT["settings"]))
        features = lambda pixels: network.forward_head(  # noqa: E731
            network.forward_features(pixels), pre_logits=True
        )
    else:
        features = network = alive(Vit())
    state = network.state_dict()
    save_file(state, path) if suffix == "safetensors" else torch.save(state, path)
    check_same(path, "backbone", settings, features, None, side=side)


@pytest.mark.parametrize(
    ("name", "width", "patch", "heads"),
    [
        ("vit_small_patch16_224", 384, 16, 6),
        ("vit_small_patch8_224", 384, 8, 6),
        ("vit_base_patch16_224", 768, 16, 12),
        ("vit_base_patch8_224", 768, 8, 12),
    ],
)
def test_the_published_transformers_have_the_names_and_shapes_of_timms(name, width, patch, heads):
    with torch.device("meta"):
        wanted = Vit(224, patch, width, 12, heads).state_dict()
        found = backbones.build({"library": "timm", "name": name, "settings": {}})
    assert {n: v.shape for n, v in wanted.items()} == {
        n: v.shape for n, v in found.state_dict().items()
    }
    assert {block.attn.num_heads for block in found.blocks} == {heads}


def test_the_preprocessing_is_that_of_torchvision_to_the_bit():
    rng = np.random.default_rng(0)
    for size in ((500, 375), (97, 333), (224, 224), (1, 300), (64, 65)):
        image = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8))
        for name, mode in (("bilinear", "BILINEAR"), ("bicubic", "BICUBIC")):
            interpolation = v2.InterpolationMode[mode]
            published_input = v2.Compose([v2.Resize(256, interpolation), v2.CenterCrop(224)])
            found = np.asarray(ssl.resized(image, 224, "centre_crop", name))
            np.testing.assert_array_equal(found, np.asarray(published_input(image)))


def sentence(path, layout, backbone=RESNET, **options):
    with pytest.raises(InputError) as found:
        published.load(path, layout, backbone, **options)
    assert "\n" not in str(found.value)
    assert str(path) in str(found.value)
    return str(found.value)


def test_keys_that_do_not_fit_are_named_and_counted(vicreg, tmp_path):
    path = vicreg[0]
    text = sentence(path, "vicreg", {**RESNET, "name": "resnet34"})
    assert "does not fit resnet34" in text
    assert "missing: layer1.2.conv1.weight, layer1.2.bn1.weight" in text and "more" in text
    text = sentence(path, "vicreg", {**RESNET, "name": "resnet50"})
    assert "layer1.0.conv1.weight of shape (64, 64, 3, 3) and not (64, 64, 1, 1)" in text
    state = checkpoints.read(path)["model"]
    state["module.predictor.weight"] = torch.zeros(3)
    torch.save({"model": state}, tmp_path / "more.pth")
    assert "keys of no part of it: predictor.weight" in sentence(tmp_path / "more.pth", "vicreg")


def test_another_format_is_one_sentence(vicreg, tmp_path):
    path = vicreg[0]
    assert "no full checkpoint of dino: it has no 'teacher'" in sentence(path, "dino")
    alone = tmp_path / "resnet.pth"
    torch.save(resnet().state_dict(), alone)
    assert "set `format: backbone`" in sentence(alone, "vicreg")
    torch.save({"model": under("module.backbone.", resnet())}, alone)
    assert "holds no projector" in sentence(alone, "vicreg")
    torch.save([torch.zeros(1)], alone)
    assert "holds a list" in sentence(alone, "backbone")


@pytest.mark.parametrize("wrapped", [lambda w: w, lambda w: {"state_dict": w}])
@pytest.mark.parametrize("before", ["", "module.", "_orig_mod.module."])
def test_a_full_checkpoint_is_read_in_every_usual_wrapping(tmp_path, before, wrapped):
    """lightly, Lightning and torch.compile write what the papers' scripts did not."""
    network, head = resnet(), expander([512, 6, 4], True, nn.ReLU, False)
    state = {
        **under(f"{before}backbone.", network),
        **under(f"{before}projector._orig_mod.", head),
    }
    torch.save({**wrapped(state), "rate": np.float64(0.1)}, tmp_path / "full.pth")
    model, _ = published.load(tmp_path / "full.pth", "vicreg", RESNET)
    assert all(
        torch.equal(value, network.state_dict()[name])
        for name, value in model.backbone.state_dict().items()
    )
    alone, _ = published.load(tmp_path / "full.pth", "backbone", RESNET)
    pixels = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        wanted = network.eval()(pixels)
        torch.testing.assert_close(alone.backbone.eval()(pixels), wanted)
        torch.testing.assert_close(model.eval()(pixels), head.eval()(wanted))


class Malicious:
    """What a pickle does when it is trusted."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


class System:
    """The same through a module that is never trusted."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        import os

        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("harmful", [Malicious, System])
@pytest.mark.parametrize("plain", [False, True])
def test_a_malicious_checkpoint_is_refused_and_runs_nothing(tmp_path, vicreg, harmful, plain):
    path, harm = tmp_path / "bad.pth", tmp_path / "harm"
    content = {**checkpoints.read(vicreg[0]), "epoch": harmful(harm), "optimizer": None}
    if plain:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    assert "nothing of it was run" in sentence(path, "vicreg")
    assert not harm.exists()


def test_what_stands_for_other_content_takes_anything_and_does_nothing(tmp_path):
    """Names that are let through are not looked up: only their stand-in is called."""
    dino_file(tmp_path / "full.pth", Vit(), expander([24, 8, 8], True, nn.GELU, True), "", {})
    content = checkpoints.read(tmp_path / "full.pth")
    assert isinstance(content["args"], checkpoints.Unread)
    assert vars(content["args"]) == {}


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 half a zip"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_damaged_file_is_one_sentence(tmp_path, content, suffix):
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(content)
    assert "can't be read as weights" in sentence(path, "backbone")


def test_sides_that_a_transformer_does_not_take_are_one_sentence():
    model = ssl.SslModel(backbones.build(VIT), nn.Identity())
    ssl.check_sides("dino", model, [32, 32])
    with pytest.raises(InputError, match="Model dino takes no images of 40 by 40 px"):
        ssl.check_sides("dino", model, [32, 40])
