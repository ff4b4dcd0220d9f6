"""Any model of timm, under the weights that timm names or those of a file, as timm evaluates it.

Pictures and crops are prepared as the model's own data config says (`timm.data`): size, crop,
interpolation, mean and standard deviation.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import create_transform, resolve_model_data_config

from dejavu.encoders import backbones, checkpoints, hub, preparing
from dejavu.encoders.as_published import ImageEncoder
from dejavu.encoders.published import fit
from dejavu.errors import InputError, first_line, refusal

BACKBONE, LOGITS = "backbone", "logits"


class TimmEncoder(ImageEncoder):
    """A model with its own preprocessing."""

    def __init__(
        self, name: str, model: Any, representation: str, normalise: bool, device: torch.device
    ) -> None:
        """Take a loaded model.

        Args:
            name: of the model in the config.
            model: of timm, with its classifier where it has one.
            representation: `backbone`, what a classifier sees; `logits`; or a stage, as `layer3`.
            normalise: whether vectors are scaled to length 1.
            device: where to compute.
        """
        data = resolve_model_data_config(model)
        preparation = preparing.of_transform(create_transform(**data, is_training=False))
        settings = {
            # Without its tag, which is that of some weights.
            "architecture": model.pretrained_cfg["architecture"],
            "preprocessing": {key: str(value) for key, value in data.items()},
        }
        used = representation, normalise, device
        super().__init__(name, model, preparation, settings, *used, "timm")

    def represented(self, pixels: torch.Tensor) -> torch.Tensor:
        """What represents each image of a batch [n, 3, h, w]: [n, d]."""
        if self.representation == LOGITS:
            logits: torch.Tensor = self.model(pixels)
            return logits
        if self.representation == BACKBONE:
            features = self.model.forward_features(pixels)
            pooled: torch.Tensor = self.model.forward_head(features, pre_logits=True)
            return pooled
        stage = int(self.representation.removeprefix("layer"))
        return backbones.stage_output(self.model, stage, pixels)


def load(
    name: str,
    settings: Mapping[str, Any],
    normalise: bool,
    device: torch.device,
    allow_download: bool,
) -> TimmEncoder:
    """Load a model by its name in timm.

    Args:
        name: its name in the config.
        settings: `model`, timm's name, perhaps with the tag of its weights; `checkpoint`, a file
            with other weights, perhaps of a classifier of other classes; and `representation`.
        normalise: whether vectors are scaled to length 1.
        device: where to compute.
        allow_download: whether weights may be fetched.

    Raises:
        InputError: timm has no such model, its weights are not to be had or do not fit, or it has
            no such representation.
    """
    called = settings["model"]
    where = f"Model {name}: {called!r}"
    if not timm.is_model(called):
        raise InputError(f"{where} is no model of timm: see `timm.list_models()` for the names.")
    try:
        weights = timm.get_pretrained_cfg(called)
    except RuntimeError as error:
        raise InputError(
            f"{where} is no name of weights in timm ({first_line(error)}): see"
            " `timm.list_pretrained()`, or leave the tag out and give a `checkpoint`."
        ) from error
    if "checkpoint" in settings:
        model = _of_file(called, settings["checkpoint"])
    else:
        model = _as_published(called, weights, where, allow_download)
    if settings["representation"] == LOGITS and not model.num_classes:
        raise InputError(
            f"{where} has no classifier: set `representation: backbone`, or give a file with one."
        )
    return TimmEncoder(name, model, settings["representation"], normalise, device)


def _as_published(called: str, weights: Any, where: str, allow_download: bool) -> Any:
    """A model under the weights that its name stands for."""
    if weights is None or not weights.has_weights:
        raise InputError(
            f"{where} has no weights in timm: name some with their tag"
            " (`timm.list_pretrained()`), or give a `checkpoint`."
        )
    # What is not on the hub timm would fetch whatever the hub's own variable says.
    if not allow_download and not weights.hf_hub_id:
        raise InputError(
            f"{where} has weights on no hub: fetch {weights.url} and name the file as"
            " `checkpoint`, or set `allow_download: true`."
        )
    try:
        return timm.create_model(called, pretrained=True)
    except Exception as error:
        unreachable = hub.unreachable(error)
        reason = "it is not on this machine" if unreachable else hub.reason(error)
        remedy = f"{reason}; give a `checkpoint`, or set `allow_download: true`."
        told = unreachable if unreachable and allow_download else remedy
        raise refusal(error, f"{where} does not load: {told}") from error


def _of_file(called: str, path: str | Path) -> Any:
    """A model under the weights of a file, whose classifier tells how many classes there are."""
    state = checkpoints.state_dict(checkpoints.read(path), path)
    bare: Any = timm.create_model(called, pretrained=False, num_classes=0)
    state = checkpoints.network(state, list(bare.state_dict()), path)
    published: Any = bare.pretrained_cfg
    place = published.get("classifier")
    classifier = state.get(f"{place}.weight") if isinstance(place, str) else None
    if classifier is None:
        model = bare
    else:
        model = timm.create_model(called, pretrained=False, num_classes=len(classifier))
    fit(model, state, (), f"{path} does not fit {called}", "`model` to timm's name of it")
    return model
