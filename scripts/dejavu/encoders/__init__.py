"""Models that turn images and texts into unit vectors, one module a family.

An encoder has `facts` (its name's weights and preprocessing as a fingerprint, versions),
`prepare_image` (what an image becomes before it meets its batch; threads do that ahead of the
model), and `encode_images` of prepared images or `encode_texts`: float32 [n, d], rows of length 1
(of image models where so configured).
"""

import os

import torch


def prepare_torch(threads: int) -> torch.device:
    """Fix the number of threads, which shows in the last bits of a result; choose the device."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def downloads_allowed() -> bool:
    """Whether the hub may be asked for weights: the workflow tells by the hub's own variable."""
    return os.environ.get("HF_HUB_OFFLINE", "0") in ("", "0")
