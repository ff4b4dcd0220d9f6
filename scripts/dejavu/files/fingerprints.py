"""What tells models apart: fingerprints of weights and settings.

Two files may be compared only if their vectors come from the same weights under the same
preprocessing; that is what a fingerprint stands for.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.files.seals import Metadata, array_bytes, canonical, digest


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


def check_same_model(first: Metadata, first_path: object, second: Metadata, path: object) -> None:
    """Raise `InputError` unless two files' vectors come from one model under one preprocessing."""
    if first["fingerprint"] != second["fingerprint"]:
        raise InputError(
            f"{path} was made by another model than {first_path}"
            f" ({second['model']} {second['fingerprint'][:12]} and {first['model']}"
            f" {first['fingerprint'][:12]}): delete the older of the two and run again."
        )
