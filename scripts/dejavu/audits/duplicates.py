"""Near-duplicates between sets: pairs whose similarity reaches a threshold (method: raw scores).

A measured sample with a near-duplicate in another set is contaminated: its copy may have been
trained on, or be the neighbour that gives its answer away, and either would count as memory or
hide it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.files.csv import scan_csv
from dejavu.samples.hashes import set_of

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]

TIE = 1e-6
# Float32 products of unit vectors err by less than this, up to 10,000 dimensions.
MARGIN = 1e-3
BLOCK_VALUES = 2**24
MOST_PAIRS = 100


def unit_rows(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Vectors [n, d] scaled to length 1, float32; zero vectors stay what they are."""
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.divide(exact, lengths, out=exact, where=lengths > 0).astype(np.float32)


def similar_pairs(
    first: NDArray[np.float32], second: NDArray[np.float32], threshold: float
) -> Iterator[tuple[Numbers, Numbers, Floats]]:
    """Find the rows of unit vectors [n, d] and [m, d] whose cosine reaches the threshold.

    Yields blocks of row numbers of both and their similarities, as float64 products give them.
    """
    rows = max(1, BLOCK_VALUES // max(1, len(second)))
    for start in range(0, len(first), rows):
        block = first[start : start + rows]
        here, there = np.nonzero(block @ second.T >= threshold - MARGIN)
        exact = np.empty(len(here))
        step = max(1, BLOCK_VALUES // (4 * first.shape[1]))
        for low in range(0, len(here), step):
            part = slice(low, low + step)
            pairs = block[here[part]].astype(np.float64), second[there[part]].astype(np.float64)
            exact[part] = np.einsum("nd,nd->n", *pairs)
        kept = exact >= threshold - TIE
        yield here[kept] + start, there[kept], exact[kept]


def check_number(pairs: int, samples: int, threshold: float) -> None:
    """Stop where so many pairs are similar that they can't be duplicates.

    Raises:
        InputError: more than 100 for each sample that is looked at.
    """
    if pairs > MOST_PAIRS * max(1, samples):
        raise InputError(
            f"More than {MOST_PAIRS} near-duplicates a sample reach `contamination.threshold:"
            f" {threshold:g}`: raise it, or take another encoder."
        )


def contaminated(tables: Sequence[str], digest: str) -> Numbers:
    """Samples of all pairs in a table of contamination, int64, sorted, each once.

    Args:
        tables: the table, which its description may follow; none where nothing is left out.
        digest: of the config that must have made it.
    """
    numbers = [np.empty(0, dtype=np.int64)]
    for path in tables[:1]:
        pairs = scan_csv(path, digest).select("first_sample", "second_sample").collect()
        numbers += [pairs[name].to_numpy() for name in pairs.columns]
    return np.unique(np.concatenate(numbers))


def without(frame: pl.DataFrame, samples: Numbers) -> pl.DataFrame:
    """A frame with a column `sample` but for some samples."""
    return frame.filter(~np.isin(frame["sample"].to_numpy(), samples))


def sets_of(samples: Numbers, names: tuple[str, ...]) -> list[str]:
    """Names of the sets that samples belong to, by their numbers."""
    return [names[place] for place in set_of(samples)]


DUPLICATES = pa.schema(
    [("first_sample", pa.int64()), ("second_sample", pa.int64()), ("similarity", pa.float64())]
)
