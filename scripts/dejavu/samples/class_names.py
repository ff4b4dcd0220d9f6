"""Readable names of classes, whose folders bear identifiers such as WordNet's."""

import csv
import io
import json
from pathlib import Path

from dejavu.errors import InputError, system_fault
from dejavu.samples.texts import decoded, normalised


def read(path: Path) -> dict[str, str]:
    """Read names by class folder, both in Unicode's normal form C; no type is inferred.

    Args:
        path: `.json`, as the `imagenet_class_index.json` of Keras, ``{"0": ["n01440764",
            "tench"], …}``, or ``{"n01440764": "tench", …}``; or `.csv` with a header and the folder
            and the name in its first two columns.

    Raises:
        InputError: it is of neither form, or gives a folder two names.
    """
    try:
        # Spreadsheets put a byte order mark first.
        text = decoded(path, path.read_bytes())
        if path.suffix == ".csv":
            pairs = [row[:2] for row in [*csv.reader(io.StringIO(text))][1:] if row]
        else:
            pairs = [
                value if isinstance(value, list) else [key, value]
                for key, value in json.loads(text).items()
            ]
    except (OSError, ValueError, AttributeError, RecursionError, csv.Error) as error:
        raise system_fault(error, path, "be read") or InputError(
            f"{path} cannot be read as class names: {error}"
        ) from error
    if not all(len(pair) == 2 and all(isinstance(each, str) for each in pair) for pair in pairs):
        raise InputError(
            f'{path} holds no class names: give {{"0": ["n01440764", "tench"], …}} as'
            " imagenet_class_index.json, or a .csv of folders and names."
        )
    pairs = [[normalised(each) for each in pair] for pair in pairs]
    names = dict(pairs)
    if any(names[folder] != name for folder, name in pairs):
        raise InputError(f"{path} gives a class folder two names: remove one.")
    return names
