"""What image encoders of published libraries have in common: facts, fingerprint, vectors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from dejavu.encoders.preparing import Preparation
from dejavu.files import fingerprints


class ImageEncoder:
    """A model that prepares images as its library does, and the fingerprint of both.

    Kinds say how an image is prepared, and what represents it (`represented`).
    """

    def __init__(
        self,
        name: str,
        model: Any,
        preparation: Preparation,
        settings: Mapping[str, Any],
        representation: str,
        normalise: bool,
        device: torch.device,
        library: str,
    ) -> None:
        """Take a loaded model.

        Args:
            name: of the model in the config.
            model: its module.
            preparation: of its images.
            settings: what its weights do not show, `architecture` and `preprocessing`.
            representation: what of the model represents an image.
            normalise: whether vectors are scaled to length 1.
            device: where to compute.
            library: the package that it is of.
        """
        self.model = model.eval().to(device)
        self.preparation = preparation
        self.representation = representation
        self.normalise = normalise
        self.device = device
        weights = (
            (key, value.detach().cpu().contiguous().numpy())
            for key, value in model.state_dict().items()
        )
        used = {"representation": representation, "normalised": normalise}
        self.facts = {
            "model": name,
            "fingerprint": fingerprints.fingerprint(weights, {**settings, **used}),
            "normalised": normalise,
            "versions": fingerprints.versions("torch", "torchvision", library),
        }
        blank = self.prepare_image(Image.new("RGB", (32, 32)))
        self.dimension = self.encode_images([blank]).shape[1]

    def prepare_image(self, image: Image.Image, part: str = "image") -> NDArray[Any]:
        """The pixels of an RGB image or crop of any size, resized, as `preparing` has them."""
        return self.preparation.alone(image)

    def represented(self, pixels: torch.Tensor) -> torch.Tensor:
        """What represents each image of a batch [n, 3, h, w]: [n, d]."""
        raise NotImplementedError

    def encode_images(self, prepared: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Embed prepared images: float32 [n, d]."""
        pixels = self.preparation.batch(prepared, self.device)
        with torch.inference_mode():
            vectors = self.represented(pixels).float()
            if self.normalise:
                vectors = nn.functional.normalize(vectors)
        return vectors.cpu().numpy()
