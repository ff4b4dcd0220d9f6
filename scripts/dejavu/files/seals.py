"""Seals: hashes of a file's content, of its own metadata and of its place in the results.

Damaged or swapped files are found on reading.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import xxhash
from numpy.typing import NDArray

from dejavu.errors import DamagedFile

Metadata = dict[str, Any]

PARQUET_MAGIC = b"PAR1"
FOOTER_SEAL_BYTES = 16
END_BLOCK_BYTES = 512
READ_BYTES = 2**20


def canonical(value: object) -> bytes:
    """The one JSON text of a value, keys sorted."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(*parts: bytes | memoryview) -> str:
    """Hash parts in order, each with its length, to 128 bits in hexadecimal."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in parts:
        hashed.update(len(part).to_bytes(8))
        hashed.update(part)
    return hashed.hexdigest()


def array_bytes(array: NDArray[Any]) -> memoryview:
    """The bytes of a contiguous array, without a copy."""
    return memoryview(array.reshape(-1).view("u1").data if array.size else bytearray())


def place(path: str | Path) -> bytes:
    """Where a file lies: its path from the last folder `results` on, or its name alone."""
    parts = Path(path).parts
    inside = parts[::-1].index("results") if "results" in parts else 1
    return "/".join(parts[-inside:]).encode()


def seal_footer(partial: Path, path: str | Path) -> None:
    """Seal a Parquet file that is to appear under another name.

    A Parquet file ends with its footer, the footer's length (4 bytes, little-endian) and a magic
    word; the footer tells by offsets from the file's start where everything lies, so that readers
    don't see the 16 bytes put before it: the hash of the file's place and of all that follows them.
    Pages have checksums of their own.
    """
    with partial.open("r+b") as file:
        start = _footer_start(file)
        file.seek(start)
        footer = file.read()
        file.seek(start)
        file.write(bytes.fromhex(digest(place(path), footer)) + footer)


def has_footer_seal(path: str | Path) -> bool:
    """Whether a Parquet file's footer is the one that was sealed in this place.

    Raises:
        OSError: the file is missing or does not end as Parquet does.
    """
    with Path(path).open("rb") as file:
        start = max(0, _footer_start(file) - FOOTER_SEAL_BYTES)
        file.seek(start)
        sealed, footer = file.read(FOOTER_SEAL_BYTES), file.read()
    return sealed.hex() == digest(place(path), footer)


def _footer_start(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 8))
    length, magic = file.read(4), file.read(4)
    start = size - 8 - int.from_bytes(length, "little")
    if magic != PARQUET_MAGIC or start < len(PARQUET_MAGIC):
        raise OSError(f"it does not end as Parquet does, at byte {size}")
    return start


def seal_end(partial: Path, path: str | Path) -> None:
    """Seal a file of a format that readers take to end before its end, such as tar.

    A block of 512 bytes is appended, of which the last 16 are the hash of the file's place and of
    all that is before the block.
    """
    with partial.open("r+b") as file:
        hashed = _hash_before(file, file.seek(0, os.SEEK_END), path)
        file.write(bytes(END_BLOCK_BYTES - len(hashed)) + hashed)


def check_end(path: str | Path) -> None:
    """Raise `DamagedFile` unless a file is the one that was sealed by `seal_end` in this place."""
    with Path(path).open("rb") as file:
        end = max(0, file.seek(0, os.SEEK_END) - END_BLOCK_BYTES)
        hashed = _hash_before(file, end, path)
        if file.read() != bytes(END_BLOCK_BYTES - len(hashed)) + hashed:
            raise spoiled(path)


def _hash_before(file: BinaryIO, end: int, path: str | Path) -> bytes:
    hashed = hashlib.blake2b(digest_size=16, key=digest(place(path)).encode())
    file.seek(0)
    while file.tell() < end:
        hashed.update(file.read(min(READ_BYTES, end - file.tell())))
    return hashed.digest()


def hashed(*content: bytes | memoryview) -> str:
    """Hash content, of which the pieces count as one, by XXH3: as fast as memory gives it.

    That guards against damage and mistakes, not against those who could seal anew.
    """
    hashing = xxhash.xxh3_128()
    for piece in content:
        hashing.update(piece)
    return hashing.hexdigest()


def seal(metadata: Metadata, *content: bytes | memoryview) -> Metadata:
    """Add the hash of content and metadata to the metadata."""
    return {**metadata, "hash": digest(canonical(metadata), hashed(*content).encode())}


def check_seal(path: object, metadata: Metadata, *content: bytes | memoryview) -> None:
    """Raise `DamagedFile` unless the content and metadata are those that were sealed."""
    unsealed = {key: value for key, value in metadata.items() if key != "hash"}
    if seal(unsealed, *content)["hash"] != metadata.get("hash"):
        raise spoiled(path)


def spoiled(path: object) -> DamagedFile:
    """What is said of a file whose seal is broken."""
    return DamagedFile(
        path,
        f"{path} does not hold what was written to it: it is damaged, or the file of another model,"
        " set or shard, or of another program, was put in its place; delete it and run again, it"
        " will be made anew.",
    )
