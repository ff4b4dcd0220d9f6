"""A fixed encoder of pixels, which finds copies of images and has learnt from none.

An image becomes a thumbnail of 8 × 8 pixels; its features are the differences of neighbouring
pixels, across and down, in each colour, scaled to length 1. It is the difference hash of images
(Krawetz 2013, "Kind of Like That") without its rounding to bits. Copies keep their features under
recompression, resizing, changes of brightness or contrast and cuts of a few per cent; mirrored
images, and those with something large drawn over them, do not.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dejavu.files import fingerprints
from dejavu.files.seals import Metadata

SIDE = 8
DIMENSION = 2 * SIDE * (SIDE - 1) * 3


def facts(name: str) -> Metadata:
    """What stands in the metadata of embeddings by a model of this kind."""
    settings = {"kind": "pixels", "side": SIDE, "filter": "bilinear", "features": "differences"}
    return {
        "model": name,
        "fingerprint": fingerprints.fingerprint([], settings),
        "normalised": True,
        "versions": fingerprints.versions("pillow"),
    }


def prepare_image(image: Image.Image) -> NDArray[np.float32]:
    """The thumbnail of an RGB image of any size, float32 [8, 8, 3]."""
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float32)


def encode_images(prepared: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Embed thumbnails: float32 [n, 336], rows of length 1; 0 for a plain colour."""
    thumbnails = np.stack(prepared)
    count = len(prepared)
    across = np.diff(thumbnails, axis=2).reshape(count, -1)
    down = np.diff(thumbnails, axis=1).reshape(count, -1)
    features = np.concatenate([across, down], axis=1)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.divide(features, lengths, out=np.zeros_like(features), where=lengths > 0)
