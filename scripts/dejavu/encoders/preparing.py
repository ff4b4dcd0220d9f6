"""What a library's preprocessing does to an image alone, in 8 bits, and to a batch, on its device.

Threads prepare images ahead of the model: what waits there, and then goes to the device, is a
quarter of the size in 8 bits. Libraries make floats of each image; here a batch becomes floats, by
the same operations, which give the same bits. Other forms of preprocessing are left to the library.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import Compose, Normalize, ToTensor


@dataclass(frozen=True)
class Preparation:
    """What is done to an RGB image `alone`, and then to those of a batch `together`."""

    alone: Callable[[Image.Image], NDArray[Any]]
    together: Callable[[Tensor], Tensor]

    def batch(self, prepared: Sequence[NDArray[Any]], device: torch.device) -> Tensor:
        """What a model takes, float32 [n, 3, h, w], of images prepared `alone`."""
        return self.together(torch.from_numpy(np.stack(prepared)).to(device))


def of_transform(transform: Any) -> Preparation:
    """The steps of a transform as OpenCLIP and timm make it of torchvision's.

    It is split where it ends in `ToTensor` and `Normalize`; images are of 8 bits before.
    """
    match transform:
        case Compose(transforms=[*steps, ToTensor(), Normalize(mean=mean, std=std)]):
            resized = Compose(steps)
            return Preparation(
                lambda image: np.asarray(resized(image)), partial(_normalised, mean=mean, std=std)
            )
    return Preparation(lambda image: transform(image).numpy(), lambda batch: batch)


def of_processor(processor: Any) -> Preparation:
    """The steps of an image processor of Transformers'.

    It is split where it resizes and cuts, and only then rescales and normalises, as most do.
    """
    # Its import takes seconds, and other encoders do without.
    from transformers.image_processing_backends import TorchvisionBackend

    def alone(image: Image.Image, **options: bool) -> NDArray[Any]:
        pixels: Tensor = processor(images=image, return_tensors="pt", **options)["pixel_values"][0]
        return pixels.numpy()

    def together(batch: Tensor) -> Tensor:
        pixels: Tensor = processor.rescale_and_normalize(
            batch,
            processor.do_rescale,
            processor.rescale_factor,
            processor.do_normalize,
            processor.image_mean,
            processor.image_std,
        )
        return pixels

    usual = getattr(type(processor), "_preprocess", None) is TorchvisionBackend._preprocess
    if usual and not processor.do_pad:
        return Preparation(partial(alone, do_rescale=False, do_normalize=False), together)
    return Preparation(alone, lambda batch: batch)


def _normalised(batch: Tensor, mean: Any, std: Any) -> Tensor:
    """What `ToTensor` and `Normalize` make of images, uint8 [n, h, w, 3]: float32 [n, 3, h, w]."""
    # 255 as a tensor: by a plain number a GPU does not divide, but multiplies by its inverse.
    most, mean, std = (
        torch.as_tensor(value, dtype=torch.float32, device=batch.device).view(-1, 1, 1)
        for value in (255, mean, std)
    )
    channels = batch.permute(0, 3, 1, 2)
    pixels = channels.to(torch.float32, memory_format=torch.contiguous_format)
    return pixels.div_(most).sub_(mean).div_(std)
