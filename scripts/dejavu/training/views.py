"""Random views of pictures, made batch by batch on tensors."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2.functional import solarize

from dejavu.training.processes import WHOLE, Share

GREY = (0.299, 0.587, 0.114)
COLOUR_PROBABILITY = 0.8
TONE, HUE, GREY_PROBABILITY = 0.4, 0.1, 0.2
# Standard deviations of blurs in pixels, uniform, as published; three of the largest are a kernel.
SIGMAS, KERNEL_REACH = (0.1, 2.0), 6
SOLARIZED_FROM = 0.5


def settings_of(settings: Mapping[str, Any], place: int | None) -> dict[str, Any]:
    """Settings of one kind of view, where `blur` and `solarization` may differ between views.

    Args:
        settings: of `random_views`, but that either may be two fractions.
        place: 0 and 1 for the two views of a picture; None for any other, which takes their mean.
    """
    told = dict(settings)
    for key in ("blur", "solarization"):
        if isinstance(told[key], Sequence):
            one, other = told[key]
            told[key] = (one + other) / 2 if place is None else told[key][place]
    return told


def random_views(pixels: Tensor, settings: Mapping[str, Any], share: Share = WHOLE) -> Tensor:
    """Cut one view out of each picture, with torch's generator.

    Args:
        pixels: float [n, 3, h, w], 0 to 1.
        settings: `side` of a view; `area`, its smallest and largest part of the picture, and
            `aspect`, its largest ratio of sides, both log-uniform; `border`: centres are uniform
            over so many times the possible range and then moved inside, so that above 1 a part of
            the views sticks to a border; `flip`: whether half of them are mirrored; `colour`:
            strength of the colour changes; `blur` and `solarization`: of how many of the views.
        share: the part of a batch that the pictures are. Numbers are drawn for the whole batch, so
            that a picture's view does not depend on who cuts it.

    Returns:
        Float [n, 3, side, side], 0 to 1.
    """
    count, side = len(pixels) * share.processes, settings["side"]
    low, high = (math.log(area) for area in settings["area"])
    reach = math.log(settings["aspect"])
    area = torch.empty(count).uniform_(low, high).exp()
    aspect = torch.empty(count).uniform_(-reach, reach).exp()
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    centres = (settings["border"] * (torch.rand(2, count) * 2 - 1)).clamp(-1, 1)
    mirror = torch.ones(count)
    if settings["flip"]:
        mirror[torch.rand(count) < 0.5] = -1
    frame = torch.zeros(count, 2, 3)
    frame[:, 0, 0], frame[:, 0, 2] = width * mirror, centres[0] * (1 - width)
    frame[:, 1, 1], frame[:, 1, 2] = height, centres[1] * (1 - height)
    size = [len(pixels), 3, side, side]
    grid = functional.affine_grid(share.of(frame), size, align_corners=False)
    views = functional.grid_sample(
        pixels, grid.to(pixels.device), padding_mode="reflection", align_corners=False
    )
    if settings["colour"]:
        views = recoloured(views, settings["colour"], share)
    if settings["blur"]:
        views = blurred(views, settings["blur"], share)
    if settings["solarization"]:
        # Of those chosen, bright pixels are turned into their negatives (Grill et al. 2020).
        chosen = share.of(torch.rand(count, 1, 1, 1) < settings["solarization"]).to(pixels.device)
        views = torch.where(chosen, solarize(views, SOLARIZED_FROM), views)
    return views


def blurred(pixels: Tensor, probability: float, share: Share = WHOLE) -> Tensor:
    """Blur some of the pictures, each with a Gaussian of its own width (Grill et al. 2020)."""
    count = len(pixels) * share.processes
    chosen = share.of(torch.rand(count) < probability)
    sigma = share.of(torch.empty(count).uniform_(*SIGMAS))[chosen]
    if not len(sigma):
        return pixels
    places = torch.arange(-KERNEL_REACH, KERNEL_REACH + 1)
    kernels = torch.softmax(-(places**2) / (2 * sigma[:, None] ** 2), dim=1)
    # Pictures and channels side by side, so that each meets its own kernel.
    kernels = kernels.repeat_interleave(3, dim=0).to(pixels)[:, None]
    some = chosen.nonzero().flatten().to(pixels.device)
    found = pixels[some].flatten(0, 1)[None]
    found = functional.pad(found, [KERNEL_REACH] * 4, mode="reflect")
    found = functional.conv2d(found, kernels[:, :, None], groups=len(kernels))
    found = functional.conv2d(found, kernels[..., None], groups=len(kernels))
    return pixels.index_copy(0, some, found[0].unflatten(0, (-1, 3)))


def recoloured(pixels: Tensor, strength: float, share: Share = WHOLE) -> Tensor:
    """Change brightness, contrast, hue and saturation of most pictures, turn some of them grey."""
    count = len(pixels) * share.processes
    changed = (torch.rand(count, 1, 1, 1) < COLOUR_PROBABILITY).float()

    def factor() -> Tensor:
        spread = (torch.rand(count, 1, 1, 1) * 2 - 1) * TONE * strength
        return share.of(1 + spread * changed).to(pixels.device)

    pixels = pixels * factor()
    mean = pixels.mean((1, 2, 3), keepdim=True)
    pixels = mean + (pixels - mean) * factor()
    weights = torch.tensor(GREY, device=pixels.device).view(1, 3, 1, 1)
    grey = (pixels * weights).sum(1, keepdim=True)
    angle = (torch.rand(count) * 2 - 1) * 2 * math.pi * HUE * strength * changed.flatten()
    turn = _hue_rotation(share.of(angle)).to(pixels.device)
    chroma = torch.einsum("nij,njhw->nihw", turn, pixels - grey)
    kept = share.of(torch.rand(count, 1, 1, 1) >= GREY_PROBABILITY * strength).float()
    return (grey + chroma * factor() * kept.to(pixels.device)).clamp(0, 1)


def _hue_rotation(angle: Tensor) -> Tensor:
    """Rotations [n, 3, 3] of colours about the axis of greys (Rodrigues' formula)."""
    axis = torch.full((3,), 1 / math.sqrt(3))
    x, y, z = axis.tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    cosine, sine = angle.cos().view(-1, 1, 1), angle.sin().view(-1, 1, 1)
    return torch.eye(3) * cosine + sine * cross + (1 - cosine) * torch.outer(axis, axis)
