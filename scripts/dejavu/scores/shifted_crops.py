"""Components of a blind encoder's vectors of crops, shard by shard (method: shift)."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.files.embeddings import read_embeddings
from dejavu.scores.shift import Sums, components

Floats = NDArray[np.float64]


def scores_of(
    sets: Sequence[tuple[Sequence[str], NDArray[np.int64]]], most: int | None
) -> list[NDArray[np.float32]]:
    """Scores of members and of controls, float32 [n, m] each; a shard's vectors are in memory.

    Args:
        sets: of members and of controls the files of their vectors, in the shards' order, and the
            numbers of the samples, ascending.
        most: components at most, as of `shift.components`.

    Raises:
        InputError: a sample has no vector.
    """
    sums = []
    for paths, samples in sets:
        found = 0
        whole: Sums | None = None
        for vectors in _vectors(paths, samples):
            found += len(vectors)
            none = np.empty((len(vectors), 0))
            part = Sums.of(vectors, none, none)
            whole = part if whole is None else whole + part
        if whole is None or found < len(samples):
            raise InputError(
                f"{paths[0]} and the files beside it lack vectors of crops that are scored: delete"
                " that folder and run again."
            )
        sums.append(whole)
    members, controls = sums
    axes = components(members, controls, most)
    return [
        np.concatenate([(each @ axes).astype(np.float32) for each in _vectors(paths, samples)])
        for paths, samples in sets
    ]


def _vectors(paths: Sequence[str], samples: NDArray[np.int64]) -> Iterator[Floats]:
    """Vectors of some samples, file by file."""
    for path in paths:
        held = read_embeddings(path)
        kept = np.isin(held.samples, samples)
        yield held.vectors[kept].astype(np.float64)
