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
- DejaVu (``facebookresearch/DejaVu``, ``train_SSL.py``; ``model_ep*.pth``, there under `model`
  beside `probes`, and ``final_weights.pt``): ``module.net.*``, a torchvision network, and
  ``module.projector.N.*``: blocks of linear, batch norm and ReLU, ``projector.N.M.*``, and a linear
  layer at the end; ``module.bn.*``, ``module.predictor.*`` and ``module.fc.*`` are the losses'.
- A backbone alone (``resnet50.pth``, ``dino_deitsmall16_pretrain.pth``, weights of torchvision and
  timm): a state dict, perhaps with the last layer of a classifier; or one part of a model of
  several, as lightly's ``backbone.*`` or the ``net.*`` of DejaVu and DejaVuOSS.

State dicts may lie in the usual wrappings, see `checkpoints`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dejavu.encoders import backbones, checkpoints
from dejavu.encoders.ssl import Perceptron, SslModel
from dejavu.errors import InputError

# What torchvision and timm call the layers that backbones are built without.
CLASSIFIERS = ("fc.", "head.", "heads.", "classifier.")
REMEDY = (
    "`backbone` to the architecture that was trained, `format` to the checkpoint's, and `prefix` to"
    " what stands before the names of the network, where something does"
)
# The place of a layer of a projector, in a block or not, and its parameter.
PLACE = re.compile(r"(\d{1,4})\.(?:(\d{1,4})\.)?([a-z_]+)")


@dataclass(frozen=True)
class Layout:
    """Where a state dict keeps its parts: prefixes of names, and what is not needed."""

    backbone: str = ""
    projector: str | None = None
    unused: tuple[str, ...] = ()
    activation: str = ""


LAYOUTS = {
    "vicreg": Layout("backbone.", "projector.", activation="relu"),
    "barlow_twins": Layout("backbone.", "projector.", ("bn.",), "relu"),
    "dejavu": Layout("net.", "projector.", ("bn.", "predictor.", "fc."), "relu"),
    "dino": Layout("backbone.", "head.mlp.", ("head.last_layer.",), "gelu"),
    "backbone": Layout(),
}


def load(
    path: str | Path,
    layout_name: str,
    backbone: Mapping[str, Any],
    network: str = "teacher",
    state_key: str = "",
    prefix: str = "",
) -> tuple[SslModel, dict[str, Any]]:
    """Load a published checkpoint into a model of the named architecture.

    Args:
        path: the file.
        layout_name: one of `LAYOUTS`.
        backbone: `library`, `name` and `settings`, see `backbones.build`.
        network: DINO's `teacher` or `student`.
        state_key: where the state dict lies in the file; else it is looked for.
        prefix: what stands before all names of the layout; else it is looked for.

    Returns:
        The model, and the settings that `ssl.build` makes its architecture from.

    Raises:
        InputError: the file can't be read, or does not fit layout or architecture; the sentence
            names the first of the keys that don't fit and tells how many there are.
    """
    layout = LAYOUTS[layout_name]
    model = SslModel(backbones.build(backbone), nn.Identity())
    wanted = [f"{layout.backbone}{name}" for name in model.backbone.state_dict()]
    content = _content_of(path, layout_name, network, state_key)
    state = {
        name: value.float() if value.is_floating_point() else value
        for name, value in checkpoints.network(
            checkpoints.state_dict(content, path), wanted, path, prefix
        ).items()
    }
    given = {
        checkpoints.plain_name(name.removeprefix(layout.backbone)): value
        for name, value in state.items()
        if name.startswith(layout.backbone)
    }
    layers: list[list[Any]] = []
    where = f"{path}, read as `format: {layout_name}`,"
    if layout.projector is not None:
        head = {
            checkpoints.plain_name(name.removeprefix(layout.projector)): value
            for name, value in state.items()
            if name.startswith(layout.projector)
        }
        head, ends_active = _unnested(head, where)
        layers = _layers(head, layout.activation, where)
        layers += [[layout.activation]] if ends_active else []
        model.projector = Perceptron(layers)
        fit(model.projector.layers, head, (), f"{where} does not fit its own projector")
        known = (layout.backbone, layout.projector, *layout.unused)
        others = [name for name in state if not name.startswith(known)]
        if others:
            raise InputError(f"{where} has keys of no part of it: {checkpoints.first(others)}.")
    fit(model.backbone, given, CLASSIFIERS, f"{where} does not fit {backbone['name']}")
    architecture = {
        "method": layout_name,
        "backbone": dict(backbone),
        "projector": {"layers": layers},
    }
    return model, architecture


def _content_of(path: str | Path, layout_name: str, network: str, state_key: str) -> Any:
    """What a checkpoint holds of a network."""
    content = checkpoints.at(checkpoints.read(path), state_key, path)
    if layout_name == "dino":
        if not isinstance(content, Mapping) or network not in content:
            raise InputError(
                f"{path} is no full checkpoint of dino: it has no {network!r}, but"
                f" {checkpoints.held(content)}; for a backbone alone set `format: backbone` and"
                " `representation: backbone`."
            )
        content = content[network]
    return content


def _unnested(head: Mapping[str, Tensor], where: str) -> tuple[dict[str, Tensor], bool]:
    """A projector's weights with its blocks' layers numbered one after the other.

    A block ends in its activation, which has no weights but takes a number; the second value says
    whether the last layer is in one.
    """
    read = {name: PLACE.fullmatch(name) for name in head}
    if not any(place and place[2] for place in read.values()):
        return dict(head), False
    wrong = [name for name, place in read.items() if place is None]
    if wrong:
        raise InputError(f"{where} has a projector of another kind: {checkpoints.first(wrong)}.")
    places = {
        name: (int(place[1]), int(place[2] or 0), bool(place[2]))
        for name, place in read.items()
        if place
    }
    numbers: dict[tuple[int, int, bool], int] = {}
    number, last = -1, (-1, 0, False)
    for place in sorted(set(places.values())):
        number += 2 if last[2] and last[0] != place[0] else 1
        numbers[place] = number
        last = place
    renamed = {
        f"{numbers[places[name]]}.{name.rpartition('.')[2]}": value for name, value in head.items()
    }
    return renamed, last[2]


def _layers(head: Mapping[str, Tensor], activation: str, where: str) -> list[list[Any]]:
    """The layers of a projector, told from the shapes of its weights; between them, activations."""
    by_place: dict[int, dict[str, Tensor]] = {}
    for name, value in head.items():
        number, _, parameter = name.partition(".")
        if not number.isdecimal() or int(number) > len(head):
            raise InputError(
                f"{where} has a projector of another kind: {checkpoints.first([name])}."
            )
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
            raise InputError(f"{where} has a projector of another kind: {checkpoints.first(held)}.")
    return layers


def fit(
    module: nn.Module,
    state: Mapping[str, Tensor],
    unused: tuple[str, ...],
    complaint: str,
    remedy: str = REMEDY,
) -> None:
    """Load weights, each of them in its place.

    Args:
        module: that takes them.
        state: the weights.
        unused: what names of weights begin with that are not needed.
        complaint: how the sentence begins if they do not fit.
        remedy: what it asks to be set.

    Raises:
        InputError: some do not fit; the sentence tells which.
    """
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in state]
    unknown = [name for name in state if name not in wanted and not name.startswith(unused)]
    differing = [
        f"{name} of shape {tuple(state[name].shape)} and not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in state and state[name].shape != value.shape
    ]
    told = [
        f"{len(names)} {what}: {checkpoints.first(names)}"
        for what, names in (("missing", missing), ("unknown", unknown), ("differing", differing))
        if names
    ]
    if told:
        raise InputError(f"{complaint}; its keys are {'; '.join(told)}: set {remedy}.")
    module.load_state_dict({name: state[name] for name in wanted})
