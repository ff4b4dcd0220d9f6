"""Shards of embeddings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dejavu.errors import DamagedFile, InputError
from dejavu.files.arrays import read_arrays, write_arrays
from dejavu.files.seals import Metadata

FINITE_ROWS = 2**12


@dataclass(frozen=True)
class Embeddings:
    """One shard of embeddings: sample numbers int64 [n], vectors [n, d] and their provenance."""

    samples: NDArray[np.int64]
    vectors: NDArray[Any]
    metadata: Metadata

    def of_samples(self, samples: NDArray[np.int64]) -> NDArray[Any]:
        """The vectors of some samples of the shard, which stands in the order of their numbers.

        Raises:
            InputError: a sample has none.
        """
        rows = np.searchsorted(self.samples, samples)
        known = rows < len(self.samples)
        if not known.all() or not np.array_equal(self.samples[rows], samples):
            raise InputError(
                f"Embeddings by {self.metadata['model']} lack samples that are scored: delete the"
                " model's folder in embeddings and run again."
            )
        return self.vectors[rows]


def write_embeddings(
    path: str | Path, samples: NDArray[np.int64], vectors: NDArray[Any], facts: Metadata
) -> None:
    """Write one shard of embeddings, sealed.

    Args:
        path: the file to appear.
        samples: int64 [n].
        vectors: float32 or float16 [n, d].
        facts: model, fingerprint, whether normalised, library versions.

    Raises:
        InputError: a vector is not finite; the sentence names the model and the first sample.
    """
    finite = finite_rows(vectors)
    if not finite.all():
        raise InputError(
            f"Model {facts['model']} gives embeddings that are not finite for"
            f" {np.count_nonzero(~finite)} samples, first {samples[~finite][0]} of {path}:"
            " check the checkpoint, or train with a lower learning rate."
        )
    facts = {**facts, "dimension": int(vectors.shape[1])}
    write_arrays(path, {"sample": samples, "embedding": vectors}, facts)


def finite_rows(vectors: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows of vectors [n, d] are finite, [n]; a block at a time, to spare memory."""
    finite = np.empty(len(vectors), dtype=bool)
    for start in range(0, len(vectors), FINITE_ROWS):
        block = slice(start, start + FINITE_ROWS)
        finite[block] = np.isfinite(vectors[block]).all(axis=1)
    return finite


def read_embeddings(path: str | Path) -> Embeddings:
    """Read one shard of embeddings and check its seal.

    Raises:
        DamagedFile: it holds other than was written, or values that are not finite.
    """
    (samples, vectors), metadata = read_arrays(path, ["sample", "embedding"])
    if not finite_rows(vectors).all():
        sentence = f"{path} holds embeddings that are not finite: delete it and run again."
        raise DamagedFile(path, sentence)
    return Embeddings(samples, vectors, metadata)
