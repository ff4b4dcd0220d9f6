"""Vectors that somebody else computed, in NumPy's files: mapped, and checked as they are taken."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dejavu.errors import InputError, first_line, system_fault
from dejavu.sources.regular import check_regular

FLOATS = (np.float16, np.float32)
# Checked at a time, to spare memory.
FINITE_ROWS = 65_536


def mapped(path: Path, remedy: str) -> NDArray[Any]:
    """The matrix of floats that a file holds, [rows, d], not read yet.

    Args:
        path: of a `.npy`.
        remedy: what a user can do about another file, the end of a sentence.

    Raises:
        InputError: the file can't be read, or holds something else.
    """
    try:
        check_regular(path)
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    # NumPy ends in the second where a file is empty.
    except (OSError, EOFError, ValueError) as error:
        raise system_fault(error, path, "be read") or InputError(
            f"{path} can't be read as an array ({first_line(error)}): {remedy}"
        ) from error
    # An archive of several arrays is opened under any name.
    if not isinstance(found, np.ndarray):
        raise InputError(f"{path} is an archive of arrays: {remedy}")
    if found.ndim != 2 or found.dtype.kind != "f" or not found.shape[1]:
        raise InputError(
            f"{path} is no matrix of floats, but {found.dtype} of shape {found.shape}: {remedy}"
        )
    return found


def kept(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The precision in which vectors are kept: their own, or float32 for other widths."""
    return dtype if dtype in FLOATS else np.dtype(np.float32)


def finite(path: Path, vectors: NDArray[Any], rows: NDArray[np.integer]) -> NDArray[Any]:
    """Vectors [n, d] in the precision in which they are kept, not copied if they have it already.

    Raises:
        InputError: a value is not finite, or not in that precision; the sentence tells which of
            the file's `rows` [n] has it.
    """
    with np.errstate(over="ignore"):
        cast = vectors.astype(kept(vectors.dtype), copy=False)
    for start in range(0, len(cast), FINITE_ROWS):
        wrong = ~np.isfinite(cast[start : start + FINITE_ROWS]).all(axis=1)
        if wrong.any():
            raise InputError(
                f"{path}: row {rows[start + int(wrong.argmax())]} holds a value that is no finite"
                f" number of {cast.dtype}: embed that sample anew, or take it out of the data."
            )
    return cast
