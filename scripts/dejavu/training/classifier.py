"""A classifier from background crops to labels: a torchvision or timm architecture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from dejavu.encoders import backbones
from dejavu.encoders.ssl import as_batch, resized, standardised
from dejavu.errors import InputError, first_line, refusal
from dejavu.files import fingerprints, seals
from dejavu.files.weights import read_settings
from dejavu.sources.images import crop_pixels, open_available
from dejavu.training import loop
from dejavu.training.views import random_views


def build(settings: Mapping[str, Any], classes: int, seed: int) -> nn.Module:
    """Make a classifier with random weights.

    Args:
        settings: `backbone` (see `backbones.build`), `views` with the `side` of its input, and
            `dropout` before the last layer.
        classes: number of labels.
        seed: of the weights.
    """
    torch.manual_seed(seed)
    backbone = backbones.build(settings["backbone"])
    features = backbones.width(backbone, settings["views"]["side"])
    return nn.Sequential(backbone, nn.Dropout(settings["dropout"]), nn.Linear(features, classes))


def train(
    settings: Mapping[str, Any],
    crops: pl.DataFrame,
    seed: int,
    checkpoint: loop.Checkpoint,
    device: torch.device,
) -> tuple[nn.Module, list[str], list[dict[str, float]]]:
    """Train a classifier.

    Args:
        settings: the model's in the config: `backbone`, `views`, `stored_side`, `preprocessing`
            with `mean` and `std`, `dropout`, `epochs`, `batch`, `learning_rate`, `weight_decay`,
            `warmup_epochs`, `label_smoothing`.
        crops: as `samples.images.read_crops` gives them.
        seed: of weights, order, views and dropout.
        checkpoint: file to resume from.
        device: where to compute.

    Returns:
        The model, its labels in the order of its outputs, and `epoch`, `loss` and `accuracy`.
    """
    labels = sorted(set(crops["label"]))
    truth = torch.tensor([labels.index(label) for label in crops["label"]], device=device)
    pixels = crop_pixels(crops["image"], crops["crop"], settings["stored_side"])
    model = build(settings, len(labels), seed)
    model.to(device).to(memory_format=torch.channels_last).train()
    identity = seals.digest(
        seals.canonical([dict(settings), labels, crops["label"].to_list(), seed, str(device)]),
        seals.canonical(fingerprints.versions("torch", "timm", "torchvision")),
        seals.array_bytes(pixels),
    )
    order = loop.EpochOrder(len(pixels), settings["batch"], seed)
    steps = settings["epochs"] * order.steps
    warmup = settings["warmup_epochs"] / settings["epochs"]
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings["learning_rate"],
        weight_decay=settings["weight_decay"],
        fused=True,
    )

    def take_step(step: int) -> loop.Metrics:
        chosen = order.indices(step)
        views = random_views(as_batch(pixels[chosen], device), settings["views"])
        for group in optimizer.param_groups:
            group["lr"] = settings["learning_rate"] * loop.learning_rate(step, steps, warmup)
        scores = model(standardised(views, settings["preprocessing"]))
        loss = functional.cross_entropy(
            scores, truth[chosen], label_smoothing=settings["label_smoothing"]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right = (scores.argmax(dim=1) == truth[chosen]).double().mean()
        return {"loss": float(loss.detach()), "accuracy": float(right)}

    parts: dict[str, Any] = {"model": model, "optimizer": optimizer}
    history = loop.run(parts, take_step, settings["epochs"], order, checkpoint, identity, seed)
    if not all(np.isfinite(epoch["loss"]) for epoch in history):
        raise InputError(
            "The training's loss is not finite: lower `learning_rate` of the model in the config."
        )
    return model, labels, history


def load(
    weights: str | Path, settings: str | Path, device: torch.device
) -> tuple[nn.Module, dict[str, Any]]:
    """Load a trained classifier and its settings, `labels` among them.

    Raises:
        InputError: the files are damaged or do not belong together.
    """
    trained = read_settings(settings, weights)
    model = build(trained, len(trained["labels"]), seed=0)
    model.load_state_dict(load_file(weights))
    return model.eval().to(device).to(memory_format=torch.channels_last), trained


def check_side(model: nn.Module, side: int, device: torch.device) -> None:
    """Check that a classifier takes square crops of a side.

    Raises:
        InputError: it does not, as a vision transformer of another size.
    """
    try:
        with torch.inference_mode():
            model(torch.zeros(1, 3, side, side, device=device))
    except Exception as error:
        raise refusal(
            error,
            f"The classifier takes no crops of {side} by {side} px ({first_line(error)}): set its"
            " `preprocessing.crop_side` to `views.side`, with which it was trained.",
        ) from error


def seen(crops: pl.DataFrame, preprocessing: Mapping[str, Any]) -> NDArray[np.uint8]:
    """What a model of this preprocessing sees of crops: uint8 [n, side, side, 3]."""
    side = preprocessing["crop_side"]
    how = side, preprocessing["resize"], preprocessing["interpolation"]
    squares = [
        np.asarray(resized(open_available(image, crop), *how))
        for image, crop in zip(crops["image"], crops["crop"], strict=True)
    ]
    return np.stack(squares) if squares else np.empty((0, side, side, 3), np.uint8)


def probabilities(
    model: nn.Module,
    labels: int,
    crops: pl.DataFrame,
    preprocessing: Mapping[str, Any],
    batch: int,
    device: torch.device,
) -> NDArray[np.float64]:
    """P(label | crop), float64 [crops, labels].

    Args:
        model: from `load`.
        labels: how many it tells.
        crops: as `samples.images.read_crops` gives them.
        preprocessing: `crop_side`, `resize` and `interpolation`, as a target's, and the `mean` and
            `std` that it was trained with.
        batch: crops classified at a time.
        device: where to compute.

    Raises:
        InputError: the model takes no crops of this side.
    """
    check_side(model, preprocessing["crop_side"], device)
    pixels = seen(crops, preprocessing)
    found = [np.empty((0, labels))]
    for start in range(0, len(pixels), batch):
        views = as_batch(pixels[start : start + batch], device)
        with torch.inference_mode():
            scores = model(standardised(views, preprocessing))
        found.append(scores.double().softmax(dim=1).cpu().numpy())
    return np.concatenate(found)
