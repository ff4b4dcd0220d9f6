"""Models with random weights, which have learned nothing: null models of one-model tests."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import nn

from dejavu.encoders import backbones, hub
from dejavu.encoders.clip import CONFIG, LOCAL_FOLDER, ClipEncoder
from dejavu.encoders.ssl import SslEncoder, SslModel, check_sides
from dejavu.errors import InputError, first_line, refusal


def of_captions(
    name: str, settings: Mapping[str, Any], device: torch.device, allow_download: bool
) -> ClipEncoder:
    """A CLIP model as OpenCLIP makes it before any training.

    Args:
        name: of the model in the config.
        settings: `architecture` (OpenCLIP's name), or `model_cfg` as of a model that is trained
            here; the `seed` of the weights; `preprocessing` as of `clip.load`.
        device: where to compute.
        allow_download: whether OpenCLIP may fetch the settings of a text tower.

    Raises:
        InputError: OpenCLIP can't build it.
    """
    if "architecture" in settings:
        if settings["architecture"] not in open_clip.list_models():
            raise InputError(
                f"Model {name}: OpenCLIP knows no architecture {settings['architecture']!r}."
            )
        return _untrained(name, settings["architecture"], settings, device, allow_download)
    with tempfile.TemporaryDirectory() as folder:
        told = {"model_cfg": settings["model_cfg"], "preprocess_cfg": {}}
        (Path(folder) / CONFIG).write_text(json.dumps(told), encoding="utf-8")
        return _untrained(name, f"{LOCAL_FOLDER}{folder}", settings, device, allow_download)


def _untrained(
    name: str,
    architecture: str,
    settings: Mapping[str, Any],
    device: torch.device,
    allow_download: bool,
) -> ClipEncoder:
    torch.manual_seed(settings["seed"])
    try:
        model, _, _ = open_clip.create_model_and_transforms(
            architecture,
            device="cpu",
            load_weights=False,
            pretrained_image=False,
            pretrained_text=False,
            **{f"image_{key}": value for key, value in settings.get("preprocessing", {}).items()},
        )
        tokenizer = open_clip.get_tokenizer(architecture)
    except Exception as error:
        unreachable = hub.unreachable(error)
        if unreachable and not allow_download:
            unreachable = (
                "its settings are not on this machine; `allow_download: true` fetches them"
            )
        raise refusal(
            error,
            f"Model {name}: {unreachable or f'OpenCLIP can not build it ({first_line(error)})'}.",
        ) from error
    return ClipEncoder(name, model, tokenizer, open_clip.get_model_config(architecture), device)


def of_images(
    name: str, settings: Mapping[str, Any], normalise: bool, device: torch.device
) -> SslEncoder:
    """A backbone as its library makes it before any training.

    Args:
        name: of the model in the config.
        settings: `backbone` (see `backbones.build`), `preprocessing`, and the `seed` of the
            weights.
        normalise: whether vectors are scaled to length 1.
        device: where to compute.

    Raises:
        InputError: the library can't build it, or it takes no images of these sides.
    """
    torch.manual_seed(settings["seed"])
    model = SslModel(backbones.build(settings["backbone"]), nn.Identity())
    used = settings["preprocessing"]
    check_sides(name, model, [used["image_side"], used["crop_side"]])
    architecture = {"backbone": settings["backbone"]}
    return SslEncoder(name, model, architecture, used, "backbone", normalise, device)
