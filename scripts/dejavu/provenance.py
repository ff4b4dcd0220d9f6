"""Where an embedding comes from: fingerprints of weights and settings, and seals on files.

Two files may be compared only if their vectors come from the same weights under the same
preprocessing; that is what a fingerprint stands for. A seal is a hash of a file's content and of
its own metadata, so that damaged or swapped files are found on reading.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from numpy.typing import NDArray

from dejavu.errors import InputError

Metadata = dict[str, Any]


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
    return memoryview(array.reshape(-1).view("u1").data) if array.size else memoryview(b"")


def fingerprint(weights: Iterable[tuple[str, NDArray[Any]]], settings: Mapping[str, Any]) -> str:
    """Fingerprint a model.

    Args:
        weights: names and contiguous arrays, in any order.
        settings: what else an embedding depends on: preprocessing, tokeniser, prompt.

    Returns:
        32 hexadecimal digits.
    """
    hashes = sorted(
        (name, str(array.dtype), list(array.shape), digest(array_bytes(array)))
        for name, array in weights
    )
    return digest(canonical(hashes), canonical(dict(settings)))


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of the packages that a result depends on."""
    return {package: version(package) for package in packages}


def seal(metadata: Metadata, *content: bytes | memoryview) -> Metadata:
    """Add the hash of content and metadata to the metadata."""
    return {**metadata, "hash": digest(canonical(metadata), *content)}


def check_seal(path: object, metadata: Metadata, *content: bytes | memoryview) -> None:
    """Raise `InputError` unless the content and metadata are those that were sealed."""
    unsealed = {key: value for key, value in metadata.items() if key != "hash"}
    if digest(canonical(unsealed), *content) != metadata.get("hash"):
        raise InputError(
            f"{path} does not hold what was written to it: its content and its hash differ;"
            " delete the file and run again, it will be made anew."
        )


def check_same_model(first: Metadata, first_path: object, second: Metadata, path: object) -> None:
    """Raise `InputError` unless two files' vectors come from one model under one preprocessing."""
    if first["fingerprint"] != second["fingerprint"]:
        raise InputError(
            f"{path} was made by another model than {first_path}"
            f" ({second['model']} {second['fingerprint'][:12]} and {first['model']}"
            f" {first['fingerprint'][:12]}): delete the older of the two and run again."
        )
