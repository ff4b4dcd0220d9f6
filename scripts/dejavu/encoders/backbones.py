"""Image backbones of timm and torchvision by name, without their last layer."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dejavu.errors import InputError, first_line, refusal


def build(settings: Mapping[str, Any]) -> nn.Module:
    """Make a backbone with random weights that turns pixels [n, 3, h, w] into features [n, d].

    Args:
        settings: `library` (`timm` or `torchvision`), `name` of the architecture in it, and
            `settings`, further arguments of its constructor.

    Raises:
        InputError: the library has no such architecture, or does not accept the settings.
    """
    name, arguments = settings["name"], dict(settings["settings"])
    try:
        if settings["library"] == "timm":
            import timm

            return timm.create_model(name, pretrained=False, num_classes=0, **arguments)
        import torchvision

        backbone = torchvision.models.get_model(name, weights=None, **arguments)
    except Exception as error:
        raise refusal(
            error,
            f"{settings['library']} can't build the backbone {name!r} ({first_line(error)}):"
            " see its list of models for the name, and their documentation for `settings`.",
        ) from error
    last = [place for place, module in backbone.named_modules() if isinstance(module, nn.Linear)]
    backbone.set_submodule(last[-1], nn.Identity())
    return backbone


def width(backbone: nn.Module, side: int) -> int:
    """Number of features that a backbone gives."""
    training = backbone.training
    with torch.no_grad():
        features = backbone.eval()(torch.zeros(1, 3, side, side))
    backbone.train(training)
    return features.shape[1]


def stage_output(backbone: nn.Module, number: int, pixels: Tensor) -> Tensor:
    """What a stage of a backbone makes of pixels [n, 3, h, w], averaged over places: [n, d].

    Stages count from 1: `layer1`, `layer2` of residual networks, the parts of `stages` (timm's
    convolutional ones) or `blocks` (vision transformers).

    Raises:
        InputError: there is no such stage.
    """
    stages = {
        int(name.removeprefix("layer")): module
        for name, module in backbone.named_children()
        if name.removeprefix("layer").isdigit()
    }
    for group in ("stages", "blocks"):
        parts = getattr(backbone, group, None)
        if not stages and isinstance(parts, nn.Sequential | nn.ModuleList):
            stages = dict(enumerate(parts, 1))
    if number not in stages:
        told = ", ".join(f"layer{each}" for each in sorted(stages))
        raise InputError(
            f"The backbone has no stage layer{number}"
            f" ({f'it has {told}' if told else 'it is of no known stages'}): correct"
            " `representation`."
        )
    found: list[Tensor] = []
    hook = stages[number].register_forward_hook(lambda *call: found.append(call[-1]))
    try:
        backbone(pixels)
    finally:
        hook.remove()
    # Of an image [n, d, h, w]; of a transformer's tokens [n, t, d].
    places = (2, 3) if found[0].ndim == 4 else (1,)
    return found[0].mean(dim=places)
