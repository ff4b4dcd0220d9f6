"""Published checkpoints of self-supervised models, read without running anything they hold.

The layouts, looked up in the repositories that write them:

- VICReg (``facebookresearch/vicreg``, ``main_vicreg.py``; ``resnet50_fullckpt.pth``): `model` holds
  ``module.backbone.*``, a torchvision ResNet whose padding is a layer of its own, and
  ``module.projector.N.*``: linear, batch norm, ReLU, …, linear.
- Barlow Twins (``facebookresearch/barlowtwins``, ``main.py``; ``checkpoint.pth``): the same, with
  linear layers without bias, and ``module.bn.*``, which the loss alone uses.
- DINO (``facebookresearch/dino``, ``main_dino.py``, ``vision_transformer.py``;
  ``*_full_checkpoint.pth``): `student` and `teacher` hold ``backbone.*`` and ``head.mlp.N.*``
  (linear, GELU, …, linear; with batch norm where trained so), and ``head.last_layer.*``, the
  prototypes; names begin with ``module.`` where the network was distributed. The transformers have
  timm's names.
- A backbone alone (``resnet50.pth``, ``dino_deitsmall16_pretrain.pth``, weights of torchvision and
  timm): a plain state dict, perhaps with the last layer of a classifier.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from dejavu.encoders import backbones
from dejavu.encoders.ssl import Perceptron, SslModel
from dejavu.errors import InputError, first_line, refusal

SHOWN = 3
# What torchvision and timm call the layers that backbones are built without.
CLASSIFIERS = ("fc.", "head.", "heads.", "classifier.")


@dataclass(frozen=True)
class Layout:
    """Where a checkpoint keeps its parts: the state dict, prefixes of names, what is not needed."""

    state: str | None = None
    backbone: str = ""
    projector: str | None = None
    unused: tuple[str, ...] = ()
    activation: str = ""


LAYOUTS = {
    "vicreg": Layout("model", "backbone.", "projector.", activation="relu"),
    "barlow_twins": Layout("model", "backbone.", "projector.", ("bn.",), "relu"),
    "dino": Layout("teacher", "backbone.", "head.mlp.", ("head.last_layer.",), "gelu"),
    "backbone": Layout(),
}


class Unread:
    """Stands for what checkpoints hold beside weights: it takes anything and does nothing."""

    def __init__(self, *arguments: object) -> None:
        """Forget the arguments."""

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


# VICReg's and Barlow Twins' optimiser keeps a function of the script that trained them (issue 6 of
# vicreg, issue 36 of barlowtwins); DINO's checkpoint its command line, with paths, and NumPy's
# learning rates. Whatever else a file names is refused.
HARMLESS = (
    "__main__.exclude_bias_and_norm",
    "__mp_main__.exclude_bias_and_norm",
    "main_vicreg.exclude_bias_and_norm",
    "argparse.Namespace",
    "pathlib.PosixPath",
    "numpy.dtype",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
)


def read(path: str | Path) -> Any:
    """Read what a checkpoint holds: tensors in plain containers.

    Raises:
        InputError: it is damaged, or names something that is no part of any weights.
    """
    try:
        if Path(path).suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals([(Unread, name) for name in HARMLESS]):
            return torch.load(
                path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
            )
    except Exception as error:
        raise refusal(
            error,
            f"{path} can't be read as weights ({_reason(error)}): nothing of it was run; fetch the"
            " file again, or save its state dict alone.",
        ) from error


def load(
    path: str | Path, layout_name: str, backbone: Mapping[str, Any], network: str = "teacher"
) -> tuple[SslModel, dict[str, Any]]:
    """Load a published checkpoint into a model of the named architecture.

    Args:
        path: the file.
        layout_name: one of `LAYOUTS`.
        backbone: `library`, `name` and `settings`, see `backbones.build`.
        network: DINO's `teacher` or `student`.

    Returns:
        The model, and the settings that `ssl.build` makes its architecture from.

    Raises:
        InputError: the file can't be read, or does not fit layout or architecture; the sentence
            names the first of the keys that don't fit and tells how many there are.
    """
    layout = LAYOUTS[layout_name]
    state = _state_of(path, layout_name, network)
    model = SslModel(backbones.build(backbone), nn.Identity())
    given = {
        name.removeprefix(layout.backbone): value
        for name, value in state.items()
        if name.startswith(layout.backbone)
    }
    layers: list[list[Any]] = []
    where = f"{path}, read as `format: {layout_name}`,"
    if layout.projector is not None:
        head = {
            name.removeprefix(layout.projector): value
            for name, value in state.items()
            if name.startswith(layout.projector)
        }
        layers = _layers(head, layout.activation, where)
        model.projector = Perceptron(layers)
        _fit(model.projector.layers, head, (), f"{where} does not fit its own projector")
        known = (layout.backbone, layout.projector, *layout.unused)
        others = [name for name in state if not name.startswith(known)]
        if others:
            raise InputError(f"{where} has keys of no part of it: {_first(others)}.")
    _fit(model.backbone, given, CLASSIFIERS, f"{where} does not fit {backbone['name']}")
    architecture = {
        "method": layout_name,
        "backbone": dict(backbone),
        "projector": {"layers": layers},
    }
    return model, architecture


def _state_of(path: str | Path, layout_name: str, network: str) -> dict[str, Tensor]:
    """The state dict of a checkpoint, in float32, without what distribution put before names."""
    state = read(path)
    key = network if layout_name == "dino" else LAYOUTS[layout_name].state
    if key is not None:
        if not isinstance(state, Mapping) or key not in state:
            raise InputError(
                f"{path} is no full checkpoint of {layout_name}: it has no {key!r}, but"
                f" {_held(state)}; for a backbone alone set `format: backbone` and `representation:"
                " backbone`."
            )
        state = state[key]
    tensors = isinstance(state, Mapping) and all(isinstance(v, Tensor) for v in state.values())
    if not tensors:
        raise InputError(
            f"{path} is no state dict of tensors, but holds {_held(state)}: set `format` to the"
            " checkpoint's."
        )
    return {
        name.removeprefix("module."): value.float() if value.is_floating_point() else value
        for name, value in state.items()
    }


def _held(state: object) -> str:
    return _first(list(state)) if isinstance(state, Mapping) else f"a {type(state).__name__}"


def _layers(head: Mapping[str, Tensor], activation: str, where: str) -> list[list[Any]]:
    """The layers of a projector, told from the shapes of its weights; between them, activations."""
    by_place: dict[int, dict[str, Tensor]] = {}
    for name, value in head.items():
        number, _, parameter = name.partition(".")
        if not number.isdecimal() or int(number) > len(head):
            raise InputError(f"{where} has a projector of another kind: {_first([name])}.")
        by_place.setdefault(int(number), {})[parameter] = value
    if not by_place:
        raise InputError(
            f"{where} holds no projector: set `format: backbone` and `representation: backbone`."
        )
    layers: list[list[Any]] = []
    for place in range(max(by_place) + 1):
        parameters = by_place.get(place)
        if parameters is None:
            layers.append([activation])
        elif "running_mean" in parameters:
            layers.append(["batch_norm", len(parameters["running_mean"])])
        elif "weight" in parameters and parameters["weight"].ndim == 2:
            outputs, inputs = parameters["weight"].shape
            layers.append(["linear", inputs, outputs, "bias" in parameters])
        else:
            held = [f"{place}.{parameter}" for parameter in parameters]
            raise InputError(f"{where} has a projector of another kind: {_first(held)}.")
    return layers


def _fit(
    module: nn.Module, state: Mapping[str, Tensor], unused: tuple[str, ...], complaint: str
) -> None:
    """Load weights, each of them in its place, or complain and tell which don't fit."""
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in state]
    unknown = [name for name in state if name not in wanted and not name.startswith(unused)]
    differing = [
        f"{name} of shape {tuple(state[name].shape)} and not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in state and state[name].shape != value.shape
    ]
    told = [
        f"{len(names)} {what}: {_first(names)}"
        for what, names in (("missing", missing), ("unknown", unknown), ("differing", differing))
        if names
    ]
    if told:
        raise InputError(
            f"{complaint}; its keys are {'; '.join(told)}: set `backbone` to the architecture that"
            " was trained, and `format` to the checkpoint's."
        )
    module.load_state_dict({name: state[name] for name in wanted})


def _first(names: Sequence[object]) -> str:
    shown = ", ".join(str(name) for name in names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown or "nothing"


def _reason(error: Exception) -> str:
    """The heart of PyTorch's advice on files that it does not trust, or the first line."""
    named = [line for line in str(error).splitlines() if "GLOBAL" in line]
    return named[0].partition(". ")[0].rpartition("GLOBAL ")[2] if named else first_line(error)
