"""What an encoder gives."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    import torch

Vectors = NDArray[np.float32]


class DualEncoder(Protocol):
    """A model that embeds images and captions: float32 [n, d], rows of length 1."""

    facts: dict[str, Any]
    device: "torch.device"

    def prepare_image(self, image: Image.Image) -> Any:
        """What an RGB image becomes before it meets its batch."""

    def encode_images(self, prepared: Sequence[Any]) -> Vectors:
        """Embed prepared images."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed captions."""


class PictureEncoder(Protocol):
    """A model that embeds whole images and background crops: float32 [n, dimension]."""

    facts: dict[str, Any]
    device: "torch.device"
    dimension: int

    def prepare_image(self, image: Image.Image, part: str) -> Any:
        """What an RGB image becomes before it meets its batch; `part` is `image` or `crop`."""

    def encode_images(self, prepared: Sequence[Any]) -> Vectors:
        """Embed prepared images."""
