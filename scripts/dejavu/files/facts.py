"""Small facts as JSON, sealed."""

import json
from collections.abc import Callable
from pathlib import Path

from dejavu.errors import DamagedFile, first_line, system_fault
from dejavu.files import seals
from dejavu.files.seals import Metadata
from dejavu.job import whole_file


def write_json(path: str | Path, facts: Metadata, *content: bytes | memoryview) -> None:
    """Write small facts as JSON, sealed, together with content that lies elsewhere."""
    _write(path, seals.seal(facts, seals.place(path), *content))


def read_json(path: str | Path) -> Metadata:
    """Read small facts from JSON and check their seal.

    Raises:
        DamagedFile: the file is missing or damaged.
    """
    facts = sealed_facts(path)
    seals.check_seal(path, facts, seals.place(path))
    del facts["hash"]
    return facts


def write_noted(path: str | Path, facts: Metadata, note: Metadata) -> None:
    """Write JSON of a format that has no place for a seal but in a note, an object inside it."""
    note["hash"] = seals.seal(facts, seals.place(path))["hash"]
    _write(path, facts)


def read_noted(path: str | Path, note: Callable[[Metadata], Metadata]) -> Metadata:
    """Read what `write_noted` wrote and check its seal.

    Args:
        path: of the file.
        note: finds the note, without the seal, in what the file holds.

    Raises:
        DamagedFile: the file is missing or damaged.
    """
    facts = sealed_facts(path)
    try:
        sealed = note(facts).pop("hash")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise seals.spoiled(path) from None
    seals.check_seal(path, {**facts, "hash": sealed}, seals.place(path))
    return facts


def _write(path: str | Path, facts: Metadata) -> None:
    text = json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False)
    with whole_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def sealed_facts(path: str | Path) -> Metadata:
    """Read facts without checking their seal; raises `DamagedFile` where there are none."""
    try:
        facts = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise system_fault(error, path, "be read") or DamagedFile(
            path,
            f"{path} cannot be read as JSON ({first_line(error)}): delete the file and run again,"
            " it will be made anew.",
        ) from error
    if not isinstance(facts, dict):
        sentence = f"{path} holds no facts of this workflow: delete it and run again."
        raise DamagedFile(path, sentence)
    return facts
