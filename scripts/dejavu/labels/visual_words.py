"""Visual words: tags of crops that need no pretrained model (Coates & Ng 2012).

A crop's patches, with their brightness and contrast taken out and whitened, are assigned to the
nearest of k clusters; a word is a cluster, its score the part of the patches assigned to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.errors import refusal
from dejavu.job import whole_file
from dejavu.labels.tags import Tags
from dejavu.sources.images import crop_pixels

Floats = NDArray[np.float32]

CONTRAST_FLOOR = 10.0
WHITENING_FLOOR = 0.1
ITERATIONS = 25


@dataclass(frozen=True)
class Words:
    """A fitted vocabulary: whitening mean [d] and matrix [d, d], and cluster centres [words, d]."""

    mean: Floats
    whitening: Floats
    centres: Floats
    patch: int
    stride: int

    def tags(self, pixels: NDArray[np.uint8]) -> list[tuple[str, float]]:
        """Words of a crop uint8 [side, side, 3] and their scores, highest first, ties by name."""
        patches = patches_of(pixels, self.patch, self.stride)
        white = (patches - self.mean) @ self.whitening
        distances = (self.centres**2).sum(axis=1) - 2 * white @ self.centres.T
        counts = np.bincount(distances.argmin(axis=1), minlength=len(self.centres))
        found = np.flatnonzero(counts)
        scores = [(f"word {word:04d}", float(counts[word] / len(patches))) for word in found]
        return sorted(scores, key=lambda pair: (-pair[1], pair[0]))

    def save(self, path: str | Path) -> None:
        """Write the vocabulary as a NumPy archive."""
        with whole_file(path) as partial, partial.open("wb") as file:
            np.savez(
                file,
                mean=self.mean,
                whitening=self.whitening,
                centres=self.centres,
                shape=np.array([self.patch, self.stride]),
            )


def load(path: str | Path) -> Words:
    """Read a vocabulary, whose members have checksums.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as saved:
            patch, stride = map(int, saved["shape"])
            return Words(saved["mean"], saved["whitening"], saved["centres"], patch, stride)
    except Exception as error:  # zip, zlib and NumPy raise anything on damaged input
        raise refusal(
            error,
            f"{path} cannot be read ({error}): delete it and run again, it will be made anew.",
        ) from error


def patches_of(pixels: NDArray[np.uint8], patch: int, stride: int) -> Floats:
    """All patches of a picture uint8 [h, w, 3], without brightness and contrast: [n, d]."""
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (patch, patch), axis=(0, 1))
    patches = windows[::stride, ::stride].reshape(-1, 3 * patch * patch).astype(np.float32)
    patches -= patches.mean(axis=1, keepdims=True)
    return patches / np.sqrt((patches**2).mean(axis=1, keepdims=True) + CONTRAST_FLOOR)


def fit(pictures: NDArray[np.uint8], settings: Mapping[str, Any], seed: int) -> Words:
    """Fit a vocabulary to crops uint8 [n, side, side, 3].

    Args:
        pictures: the crops.
        settings: `words`, `patch` and `stride` in pixels, `patches`, at most so many of which are
            clustered.
        seed: of the choice of patches and of the clusters.
    """
    patch, stride = settings["patch"], settings["stride"]
    per_crop = -(-settings["patches"] // len(pictures))
    rng = np.random.default_rng(seed)
    chosen = []
    for picture in pictures:
        found = patches_of(picture, patch, stride)
        chosen.append(rng.permutation(found)[:per_crop])
    patches = np.concatenate(chosen)
    mean = patches.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((patches - mean).T))
    whitening = (vectors / np.sqrt(values.clip(min=0) + WHITENING_FLOOR)) @ vectors.T
    clusters = faiss.Kmeans(
        patches.shape[1],
        min(settings["words"], len(patches)),
        niter=ITERATIONS,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(patches),
    )
    clusters.train(np.ascontiguousarray((patches - mean) @ whitening, dtype=np.float32))
    return Words(
        mean,
        whitening.astype(np.float32),
        np.asarray(clusters.centroids),
        patch,
        stride,
    )


def from_words(crops: pl.DataFrame, words: str | Path, side: int) -> Tags:
    """Visual words of the crops, resized to a square of `side` pixels."""
    vocabulary = load(words)
    pixels = crop_pixels(crops["image"], crops["crop"], side)
    return [vocabulary.tags(picture) for picture in pixels]
