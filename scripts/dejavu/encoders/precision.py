"""The arithmetic of an encoder: float32, or bfloat16 where its effect on embeddings is small.

In bfloat16 (PyTorch's autocast) the factors of matrix products are rounded to 8 binary digits. The
first vectors of every shard are computed in float32 too, so that a model that does not bear it is
found out.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.files import seals

BF16 = "bf16"
# The largest distance from a vector in float32, as a part of that vector's length: rounding moves
# CLIP's ViT-B/32 and MiniLM by a hundredth.
TOLERANCE = 0.03
CHECKED = 32

Vectors = NDArray[np.float32]


class ReducedPrecision:
    """An encoder in bfloat16; its embeddings go by a fingerprint of their own."""

    def __init__(self, encoder: Any, device: torch.device) -> None:
        """Take an encoder in float32."""
        self.encoder, self.device = encoder, device
        own = seals.digest(encoder.facts["fingerprint"].encode(), BF16.encode())
        self.facts = {**encoder.facts, "fingerprint": own, "precision": BF16}
        self.unchecked = CHECKED

    @property
    def dimension(self) -> int:
        """Number of values of a vector."""
        width: int = self.encoder.dimension
        return width

    def prepare_image(self, image: Any, **options: Any) -> Any:
        """What an RGB image becomes before it meets its batch."""
        return self.encoder.prepare_image(image, **options)

    def encode_images(self, prepared: Sequence[Any]) -> Vectors:
        """Embed prepared images: float32 [n, d]; raises `InputError` beyond the tolerance."""
        return self._encode(self.encoder.encode_images, prepared)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed captions: float32 [n, d]; raises `InputError` beyond the tolerance."""
        return self._encode(self.encoder.encode_texts, texts)

    def _encode(self, encode: Callable[[Sequence[Any]], Vectors], batch: Sequence[Any]) -> Vectors:
        with torch.autocast(self.device.type, torch.bfloat16):
            vectors = encode(batch)
        if self.unchecked and len(batch):
            self._check(vectors[: self.unchecked], encode(batch[: self.unchecked]))
            self.unchecked -= min(self.unchecked, len(batch))
        return vectors

    def _check(self, vectors: Vectors, exact: Vectors) -> None:
        lengths = np.linalg.norm(exact, axis=1)
        off = np.linalg.norm(vectors - exact, axis=1) / np.where(lengths > 0, lengths, 1)
        if not off.max() <= TOLERANCE:
            raise InputError(
                f"Model {self.facts['model']}: in bfloat16 an embedding is off by {off.max():.2g}"
                f" of its length, more than {TOLERANCE}: set `embedding.precision: fp32`."
            )


def applied(encoder: Any, precision: str, device: torch.device) -> Any:
    """The encoder in the arithmetic that is asked for, `fp32` or `bf16`."""
    return ReducedPrecision(encoder, device) if precision == BF16 else encoder
