"""Checkpoints in the wrappings of common trainings: the same weights come out of all of them."""

import collections
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from dejavu.encoders import checkpoints
from dejavu.errors import InputError

pytestmark = pytest.mark.slow


def network():
    torch.manual_seed(4)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())


STATE = network().state_dict()


def under(*prefixes):
    """The weights with prefixes, each in turn."""
    names = zip(STATE, prefixes * len(STATE), strict=False)
    return {f"{prefix}{name}": STATE[name] for name, prefix in names}


def read(path):
    return checkpoints.state_dict(checkpoints.read(path), path)


SCALARS = {
    "epoch": np.int64(3),
    "rate": np.float64(0.1),
    "history": np.arange(3.0),
    "best": {"value": np.float32(0.5)},
    "names": collections.defaultdict(list, a=[1]),
}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE},
        {"model": STATE, "optimizer": {"lr": 0.1}, "epoch": 3},
        {"model": {"state_dict": under("module.")}},
        under("module."),
        under("_orig_mod."),
        under("module._orig_mod."),
        under("_orig_mod.module."),
        under("module.module._orig_mod."),
        under("module.", "", "_orig_mod."),
        {"state_dict": STATE, **SCALARS},
        {**STATE, **SCALARS},
    ],
    ids=lambda content: next(iter(content)),
)
def test_weights_are_found_in_every_usual_wrapping(tmp_path, content):
    torch.save(content, tmp_path / "weights.pth")
    found = read(tmp_path / "weights.pth")
    assert list(found) == list(STATE)
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)


TWICE = {"model": STATE, "model_ema": {name: value + 1 for name, value in STATE.items()}}


@pytest.mark.parametrize(
    ("content", "state_key", "told"),
    [
        (TWICE, "model_ema", 1),
        (TWICE, "model", 0),
        ({"ema": {"state_dict": STATE, "decay": 0.99}}, "", 0),
        ({"ema": {"model": STATE}, "model": TWICE["model_ema"]}, "ema", 0),
        ({"ema": {"model": STATE}, "model": TWICE["model_ema"]}, "ema.model", 0),
        ({"state_dict": {}, "state_dict_ema": STATE, "arch": "resnet"}, "", 0),
        ({"net": under("module."), "epoch": 3, "optimizer": {"state": {}}}, "", 0),
        ({"model": STATE, "probes": TWICE["model_ema"]}, "probes", 1),
    ],
)
def test_a_state_dict_is_where_its_key_says_or_where_no_other_is(
    tmp_path, content, state_key, told
):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    found = checkpoints.state_dict(checkpoints.read(path), path, state_key)
    assert list(found) == list(STATE)
    assert all(torch.equal(found[name], STATE[name] + told) for name in STATE)


@pytest.mark.parametrize(
    ("content", "state_key", "sentence"),
    [
        (TWICE, "", "several state dicts, model, model_ema: set `state_key`"),
        ({"student": STATE, "teacher": STATE}, "", "several state dicts, student, teacher"),
        ({"model": STATE}, "ema", "no 'ema' of the `state_key` 'ema', but holds model"),
        ({"model": STATE}, "model.ema", "no 'ema' of the `state_key` 'model.ema', but holds 0.w"),
        ({"model": STATE, "epoch": 3}, "epoch", "no state dict of tensors, but holds"),
        ([STATE], "model", "no 'model' of the `state_key` 'model', but holds a list"),
    ],
)
def test_where_no_single_state_dict_is_meant_is_one_sentence(
    tmp_path, content, state_key, sentence
):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(InputError) as told:
        checkpoints.state_dict(checkpoints.read(path), path, state_key)
    assert sentence in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("before", "prefix"),
    [
        ("model.", ""),
        ("model.backbone.", ""),
        ("model.backbone.", "model.backbone"),
        ("model.", "module.model."),
        ("", ""),
    ],
)
def test_a_network_is_found_by_its_prefix(before, prefix):
    others = {f"{before}head.weight": torch.zeros(1), "loss.weight": torch.zeros(1)}
    state = {**(others if before else {}), **under(before)}
    found = checkpoints.network(state, list(STATE), "file", prefix)
    assert found.keys() - {"head.weight"} == STATE.keys()
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)


def test_networks_that_fit_alike_and_prefixes_of_nothing_are_one_sentence():
    twice = {**under("backbone."), **under("backbone_momentum.")}
    with pytest.raises(
        InputError, match=r"several networks that fit, under backbone\., backbone_m"
    ):
        checkpoints.network(twice, list(STATE), "file")
    assert checkpoints.network(twice, list(STATE), "file", "backbone.").keys() == STATE.keys()
    with pytest.raises(InputError, match=r"names begin with 'net', but backbone\.0\.weight"):
        checkpoints.network(twice, list(STATE), "file", "net")
    # What fits nowhere is given as it is, for what takes it to tell.
    assert checkpoints.network(twice, ["conv.weight"], "file") == twice


def test_compiled_parts_have_their_plain_names():
    assert (
        checkpoints.plain_name("visual._orig_mod.trunk.conv.weight") == "visual.trunk.conv.weight"
    )
    assert checkpoints.plain_name("encoder.module.weight") == "encoder.module.weight"
    assert checkpoints.plain_name("module") == "module"


def test_weights_that_are_there_twice_are_told(tmp_path):
    torch.save({**STATE, "module.0.bias": torch.zeros(4)}, tmp_path / "twice.pth")
    with pytest.raises(InputError, match=r"holds weights twice.*module\.0\.bias"):
        read(tmp_path / "twice.pth")


@pytest.mark.parametrize("content", [[torch.zeros(1)], {}, {"epoch": 3}, {"state_dict": {}}, 7])
def test_what_holds_no_weights_is_one_sentence(tmp_path, content):
    torch.save(content, tmp_path / "none.pth")
    with pytest.raises(InputError, match="no state dict of tensors, but holds"):
        read(tmp_path / "none.pth")


class Half(nn.Module):
    """A module with a scripted method, parameters that share a storage, and a list."""

    def __init__(self):
        super().__init__()
        self.body = network()
        self.sizes = [1, 2]
        both = torch.arange(6.0).half()
        self.first = nn.Parameter(both[:2])
        self.second = nn.Parameter(both.view(2, 3).t())

    def forward(self, x):
        """Use everything."""
        return self.body(x) * self.first.sum() + self.second.sum() + len(self.sizes)


def test_the_weights_of_a_torchscript_archive_are_those_of_its_state_dict(tmp_path):
    module = Half().eval()
    torch.jit.script(module).save(tmp_path / "script.pt")
    content = checkpoints.read(tmp_path / "script.pt")
    assert {"Half", "Conv2d"} <= content.classes
    found = checkpoints.state_dict(content, "script.pt")
    wanted = module.state_dict()
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value), name


class Malicious:
    """What a pickle does when it is trusted."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_malicious_torchscript_archive_runs_nothing(tmp_path):
    path, harm = tmp_path / "script.pt", tmp_path / "harm"
    torch.jit.script(network()).save(tmp_path / "good.pt")
    with zipfile.ZipFile(tmp_path / "good.pt") as good, zipfile.ZipFile(path, "w") as bad:
        for name in good.namelist():
            spoilt = name.endswith("/data.pkl")
            content = pickle.dumps(Malicious(harm), 2) if spoilt else good.read(name)
            bad.writestr(name, content)
    with pytest.raises(InputError, match="nothing of it was run"):
        checkpoints.read(path)
    assert not harm.exists()


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_nothing_but_regular_files_is_opened(tmp_path, suffix):
    pipe = tmp_path / f"weights.{suffix}"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, tmp_path / "missing.pth", "/dev/zero"):
        with pytest.raises(InputError, match="can't be read as weights"):
            checkpoints.read(path)
    save_file(STATE, tmp_path / "real.safetensors")
    (tmp_path / "link.safetensors").symlink_to(tmp_path / "real.safetensors")
    assert set(read(tmp_path / "link.safetensors")) == set(STATE)


def test_no_sentence_advises_to_trust_a_file(tmp_path):
    torch.save({**STATE, "more": Malicious("harm")}, tmp_path / "bad.pth")
    with pytest.raises(InputError) as told:
        checkpoints.read(tmp_path / "bad.pth")
    assert "system" in str(told.value)
    for word in ("weights_only", "trust", "safe_globals", "\n"):
        assert word not in str(told.value)
