"""Image backbones of timm and torchvision by name, without their last layer."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from dejavu.errors import first_line, refusal


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
