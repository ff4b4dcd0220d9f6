"""Settings of trainings, sealed together with the weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dejavu.errors import DamagedFile, system_fault
from dejavu.files import seals
from dejavu.files.facts import sealed_facts, write_json
from dejavu.files.seals import Metadata


def write_settings(path: str | Path, settings: Metadata, weights: str | Path) -> None:
    """Write what a model was trained with, sealed together with its weights."""
    write_json(path, settings, _file_bytes(weights))


def read_settings(path: str | Path, weights: str | Path) -> Metadata:
    """Read what a model was trained with, and check that the weights are those of that training.

    Raises:
        DamagedFile: one of the files is missing or damaged.
    """
    settings = sealed_facts(path)
    try:
        content = _file_bytes(weights)
    except OSError as error:
        sentence = f"The weights {weights} are missing ({error}): run again."
        raise system_fault(error, weights, "be read") or DamagedFile(weights, sentence) from error
    seals.check_seal(f"{weights}, or {path},", settings, seals.place(path), content)
    del settings["hash"]
    return settings


def weights_fingerprint(path: str | Path, preprocessing: Mapping[str, Any]) -> str:
    """Fingerprint of a model whose weights are used as they lie in a file, 32 hexadecimal digits.

    Args:
        path: of the weights.
        preprocessing: what it sees of pictures.
    """
    return seals.digest(_file_bytes(path), seals.canonical(dict(preprocessing)))


def _file_bytes(path: str | Path) -> memoryview:
    return seals.array_bytes(np.fromfile(path, dtype=np.uint8))
