"""Self-supervised training of an image model from scratch, with lightly's losses and heads.

A supervised one, which labels teach and which is measured as the others are, goes the same way.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from lightly.loss import (
    BarlowTwinsLoss,
    DINOLoss,
    NegativeCosineSimilarity,
    NTXentLoss,
    VICRegLoss,
)
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import cosine_schedule
from numpy.typing import NDArray
from timm.optim import Lars
from torch import Tensor, nn

from dejavu.encoders.ssl import SslModel, as_batch, build, resized, standardised
from dejavu.errors import InputError, first_line
from dejavu.files import fingerprints, seals
from dejavu.training import loop
from dejavu.training.pixels import decoded
from dejavu.training.processes import ALONE, Alone
from dejavu.training.views import random_views

Forward = Callable[[Tensor], Tensor]
LOSSES = {
    "vicreg": VICRegLoss,
    "barlow_twins": BarlowTwinsLoss,
    "simclr": NTXentLoss,
    "dino": DINOLoss,
    "byol": NegativeCosineSimilarity,
    "supervised": nn.CrossEntropyLoss,
}


class Objective(nn.Module):
    """A method's loss of a batch, with whatever state it keeps: what is trained, but the model."""

    def __init__(self, loss: nn.Module, team: Alone) -> None:
        """Take lightly's loss, which sees the outputs of a whole batch, whoever made them."""
        super().__init__()
        self.loss, self.team = loss, team

    def forward(
        self, model: Forward, view: Callable[[str], Tensor], epoch: int, labels: Tensor
    ) -> Tensor:
        """The loss; `view` gives further views of the batch, `global` or `local` ones.

        `labels` are those of the whole batch, int64 [n], empty where none are told. Two views pass
        the model as one batch, so that batch norm sees both. Epochs count from 0.
        """
        pixels = torch.cat([view("global"), view("global")])
        return self.loss(*self.outputs(model, pixels, 2))

    def outputs(self, model: Forward, pixels: Tensor, views: int) -> list[Tensor]:
        """What a model makes of each of several views of the whole batch, [n, d] a view."""
        return [self.team.whole(outputs) for outputs in model(pixels).chunk(views)]

    def before_step(self, model: SslModel, epoch: int) -> None:
        """What remains to be done with the gradients before the optimiser's step."""

    def after_step(self, model: SslModel, progress: float) -> None:
        """What remains to be done after the optimiser's step; `progress` runs from 0 to 1."""


class Supervision(Objective):
    """Labels of views of whole images."""

    def forward(
        self, model: Forward, view: Callable[[str], Tensor], epoch: int, labels: Tensor
    ) -> Tensor:
        """The cross-entropy of one view of each image."""
        [scores] = self.outputs(model, view("global"), 1)
        return self.loss(scores, labels)


class Averaged(Objective):
    """A model learns what its own moving average says of other views."""

    def __init__(self, loss: nn.Module, team: Alone, teacher: SslModel, momentum: float) -> None:
        """Take a teacher like the model, and its momentum at the start."""
        super().__init__(loss, team)
        self.teacher, self.momentum = teacher, momentum
        deactivate_requires_grad(teacher)

    def after_step(self, model: SslModel, progress: float) -> None:
        """Move the teacher towards the model, less and less."""
        momentum = cosine_schedule(round(progress * 10**6), 10**6, self.momentum, 1.0)
        update_momentum(model, self.teacher, m=momentum)
        for ours, theirs in zip(self.teacher.buffers(), model.buffers(), strict=True):
            ours.copy_(theirs)


class Bootstrap(Averaged):
    """BYOL: the model's predictor tells the teacher's projection of the other view."""

    def forward(
        self, model: Forward, view: Callable[[str], Tensor], epoch: int, labels: Tensor
    ) -> Tensor:
        """The mean loss of both directions, whose views pass together (Grill et al. 2020)."""
        pixels = torch.cat([view("global"), view("global")])

        def projected(views: Tensor) -> Tensor:
            return self.teacher.represent(views, "projector")

        with torch.no_grad():
            first, second = self.outputs(projected, pixels, 2)
        one, other = self.outputs(model, pixels, 2)
        return (self.loss(one, second) + self.loss(other, first)) / 2


class Distillation(Averaged):
    """DINO: a student learns the prototypes that its teacher sees in other views."""

    def __init__(
        self, loss: nn.Module, team: Alone, teacher: SslModel, settings: Mapping[str, Any]
    ) -> None:
        """Take a teacher like the student; `settings` has its `momentum`, and `local_views`."""
        super().__init__(loss, team, teacher, settings["momentum"])
        self.local_views = settings["local_views"]

    def forward(
        self, model: Forward, view: Callable[[str], Tensor], epoch: int, labels: Tensor
    ) -> Tensor:
        """The loss of the student's views against the teacher's, of different views alone.

        The teacher's temperature is that of the epoch.
        """
        wide = torch.cat([view("global"), view("global")])
        with torch.no_grad():
            taught = self.outputs(self.teacher, wide, 2)
        seen = torch.cat([wide, *(view("local") for _ in range(self.local_views))])
        return self.loss(taught, self.outputs(model, seen, 2 + self.local_views), epoch=epoch)

    def before_step(self, model: SslModel, epoch: int) -> None:
        """Keep the prototypes as they are for the head's first epochs, where it asks for that."""
        head: Any = model.projector
        head.cancel_last_layer_gradients(epoch)


def objective_of(
    model: SslModel, settings: Mapping[str, Any], seed: int, team: Alone = ALONE
) -> Objective:
    """The objective that `settings` name: `method`, `loss` (arguments), `dino` or `byol`."""
    method, arguments = settings["method"], dict(settings["loss"])
    if method == "dino":
        arguments["output_dim"] = settings["projector"]["output_dim"]
    try:
        loss = LOSSES[method](**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"lightly can't build the loss of {method} from `loss` ({first_line(error)}): see"
            f" {LOSSES[method].__name__} for its arguments."
        ) from error
    if method == "supervised":
        return Supervision(loss, team)
    if method not in ("dino", "byol"):
        return Objective(loss, team)
    teacher = build(settings, seed)
    teacher.load_state_dict(model.state_dict())
    if method == "byol":
        return Bootstrap(loss, team, teacher, settings["byol"]["momentum"])
    return Distillation(loss, team, teacher, settings["dino"])


def optimizer_of(model: nn.Module, settings: Mapping[str, Any]) -> torch.optim.Optimizer:
    """The optimiser that `settings` name: `optimizer`, its `weight_decay` and `momentum`.

    LARS (You et al. 2017, arXiv 1708.03888) takes biases and the weights of norms, all that are
    vectors, as plain SGD without weight decay, as VICReg, Barlow Twins and BYOL were trained.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rate, decay = settings["learning_rate"], settings["weight_decay"]
    if settings["optimizer"] == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
    momentum = settings["momentum"]
    if settings["optimizer"] == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=momentum, weight_decay=decay)
    adapted = [parameter for parameter in parameters if parameter.ndim > 1]
    plain = [parameter for parameter in parameters if parameter.ndim <= 1]
    groups = [
        {"params": adapted, "weight_decay": decay, "always_adapt": True},
        {"params": plain, "weight_decay": 0.0, "always_adapt": False},
    ]
    return Lars(groups, lr=rate, momentum=momentum)


def train(
    settings: Mapping[str, Any],
    images: Sequence[str],
    seed: int,
    checkpoint: loop.Checkpoint,
    device: torch.device,
    team: Alone = ALONE,
    labels: Sequence[str] = (),
) -> tuple[SslModel, list[dict[str, float]]]:
    """Train a model on images alone.

    Args:
        settings: the model's in the config: `method`, `backbone`, `projector`, `loss`, `views`,
            `epochs`, `batch`, `optimizer` (with `momentum`, but for AdamW), `learning_rate`,
            `weight_decay`, `warmup_epochs`, `stored_side`, `preprocessing` with `mean` and `std`,
            and `dino` or `byol`; or, in the place of the projector, the `labels` of a supervised
            one in the order of its outputs.
        images: references of n images.
        seed: of weights, order and views.
        checkpoint: file to resume from.
        device: where to compute.
        team: the processes that train it together, each with its part of every batch.
        labels: of the n images, where the method is `supervised`.

    Returns:
        The model (DINO's teacher, and of BYOL's two networks the one that gradients move), and
        `epoch` and `loss` of each epoch.

    Raises:
        InputError: a library does not accept the settings, or the loss is not finite.
    """
    side = settings["stored_side"]
    pixels = decoded(images, lambda image: resized(image, side, "squash"), side, team)
    return train_on_pixels(settings, pixels, images, seed, checkpoint, device, team, labels)


def train_on_pixels(
    settings: Mapping[str, Any],
    pixels: NDArray[np.uint8],
    images: Sequence[str],
    seed: int,
    checkpoint: loop.Checkpoint,
    device: torch.device,
    team: Alone = ALONE,
    labels: Sequence[str] = (),
) -> tuple[SslModel, list[dict[str, float]]]:
    """Train as `train` does, on decoded images uint8 [n, side, side, 3]."""
    model = build(settings, seed)
    objective = objective_of(model, settings, seed, team)
    identity = seals.digest(
        seals.canonical([list(images), dict(settings), list(labels), seed, str(device)]),
        seals.canonical(fingerprints.versions("torch", "lightly", "timm", "torchvision")),
        seals.digest(seals.array_bytes(np.ascontiguousarray(pixels))).encode(),
    )
    order = loop.EpochOrder(len(pixels), settings["batch"], seed)
    steps = settings["epochs"] * order.steps
    places = {label: place for place, label in enumerate(settings["labels"])} if labels else {}
    truth = torch.tensor([places[label] for label in labels], dtype=torch.int64)
    warmup = settings["warmup_epochs"] / settings["epochs"]
    channels = {key: settings["preprocessing"][key] for key in ("mean", "std")}
    for module in (model, objective):
        team.prepared(module).to(device).to(memory_format=torch.channels_last).train()
    forward = team.joined(model)
    optimizer = optimizer_of(model, settings)

    def take_step(step: int) -> loop.Metrics:
        chosen = order.indices(step)
        batch = as_batch(pixels[team.share.of(chosen)], device)

        def view(kind: str) -> Tensor:
            cut = settings["views"]
            if kind == "local":
                cut = {**cut, "area": settings["dino"]["local_area"]}
            return standardised(random_views(batch, cut, team.share), channels)

        for group in optimizer.param_groups:
            group["lr"] = settings["learning_rate"] * loop.learning_rate(step, steps, warmup)
        epoch = step // order.steps
        told = truth[chosen] if len(truth) else truth
        loss = objective(forward, view, epoch, told.to(device))
        optimizer.zero_grad()
        loss.backward()
        objective.before_step(model, epoch)
        optimizer.step()
        objective.after_step(model, (step + 1) / steps)
        return {"loss": float(loss.detach())}

    parts: dict[str, Any] = {"model": model, "objective": objective, "optimizer": optimizer}
    history = loop.run(
        parts,
        take_step,
        settings["epochs"],
        order,
        checkpoint,
        identity,
        seed,
        leads=team.leads,
    )
    if not all(np.isfinite(epoch["loss"]) for epoch in history):
        raise InputError(
            "The training's loss is not finite: lower `learning_rate` of the model in the config."
        )
    return (objective.teacher if isinstance(objective, Distillation) else model), history
