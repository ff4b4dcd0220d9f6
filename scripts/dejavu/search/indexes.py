"""FAISS indexes over public shards, and their files with a sealed provenance."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from dejavu.errors import DamagedFile, InputError
from dejavu.files import seals
from dejavu.files.seals import Metadata
from dejavu.job import whole_file

TRAILER = b"dejavu-index"
COSINE, EUCLIDEAN = "cosine", "euclidean"
# Bytes before the vectors in a flat index's file; their address is to be a multiple of 64.
VECTORS_AT, ALIGNMENT = 82, 64
# Bytes that one of the threads reads at a time: smaller and larger pieces were slower.
READING_THREADS, PIECE = 2, 2**24

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class PublicIndex:
    """A FAISS index over one public shard, with its provenance."""

    index: Any
    metadata: Metadata
    content: NDArray[np.uint8] | None = None
    """The bytes of the file, which an index that was read points into."""

    @property
    def numbers(self) -> Numbers:
        """Sample numbers int64 [rows], in the order of the rows."""
        return faiss.vector_to_array(self.index.id_map)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The stored vectors of a flat index, float32 [rows, d], without a copy."""
        flat: Any = faiss.downcast_index(self.index.index)
        values = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d)
        return values.reshape(flat.ntotal, flat.d)


OpenShard = Callable[[], PublicIndex]


def build_index(numbers: Numbers, vectors: NDArray[Any], metric: str = COSINE) -> Any:
    """Make a flat index over vectors [rows, d] whose ids are the sample numbers [rows]."""
    flat = faiss.IndexFlatL2 if metric == EUCLIDEAN else faiss.IndexFlatIP
    index = faiss.IndexIDMap2(flat(vectors.shape[1]))
    index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), numbers)
    return index


def write_index(path: str | Path, index: Any, facts: Metadata) -> None:
    """Write an index that FAISS reads as it is, followed by its sealed provenance."""
    content = faiss.serialize_index(index)
    sealed = seals.seal(facts, seals.place(path), seals.array_bytes(content))
    trailer = seals.canonical(sealed)
    with whole_file(path) as partial, partial.open("wb") as file:
        file.write(seals.array_bytes(content))
        file.write(trailer)
        file.write(len(trailer).to_bytes(8))
        file.write(TRAILER)


def read_index(path: str | Path) -> PublicIndex:
    """Read an index and check its seal. The vectors stay where they were read: no second copy.

    Raises:
        InputError: the file is damaged or was not made by this workflow.
    """
    content = _read_aligned(path)
    tail = len(TRAILER) + 8
    sentence = f"{path} is damaged or no index of this workflow: delete it and rerun."
    damaged = DamagedFile(path, sentence)
    if bytes(content[-len(TRAILER) :]) != TRAILER:
        raise damaged
    size = int.from_bytes(bytes(content[-tail : -len(TRAILER)]))
    body = content[: -tail - size] if size <= len(content) - tail else content[:0]
    try:
        metadata = json.loads(bytes(content[len(body) : -tail]))
    except ValueError:
        raise damaged from None
    seals.check_seal(path, metadata, seals.place(path), seals.array_bytes(body))
    reader: Any = faiss
    index = reader.read_index(reader.ZeroCopyIOReader(faiss.swig_ptr(body), len(body)))
    return PublicIndex(index, metadata, content)


def expect(path: str | Path) -> None:
    """Let the system fetch a file that is to be read soon, while others are searched."""
    # macOS has no such call: there the file is fetched when it is read.
    if hasattr(os, "posix_fadvise"):
        with Path(path).open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def too_few(k: int, total: int) -> InputError:
    """What to say where there are fewer public samples than places."""
    return InputError(
        f"k is {k}, but there are only {total} public samples: lower `k` or enlarge the public set."
    )


def _read_aligned(path: str | Path) -> NDArray[np.uint8]:
    """The bytes of a file, where the vectors of a flat index are aligned in memory."""
    size = Path(path).stat().st_size
    buffer = np.empty(size + ALIGNMENT, dtype=np.uint8)
    start = -(buffer.ctypes.data + VECTORS_AT) % ALIGNMENT
    content = buffer[start : start + size]
    with Path(path).open("rb") as file, ThreadPoolExecutor(READING_THREADS) as pool:

        def read(place: int) -> int:
            return os.preadv(file.fileno(), [content.data[place : place + PIECE]], place)

        if sum(pool.map(read, range(0, size, PIECE))) < size:
            raise InputError(f"{path} could not be read to its end: run again.")
    return content
