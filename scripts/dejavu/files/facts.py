"""Small facts as JSON, sealed."""

import json
from pathlib import Path

from dejavu.errors import DamagedFile, first_line, system_fault
from dejavu.files import seals
from dejavu.files.seals import Metadata
from dejavu.job import whole_file


def write_json(path: str | Path, facts: Metadata, *content: bytes | memoryview) -> None:
    """Write small facts as JSON, sealed, together with content that lies elsewhere."""
    sealed = seals.seal(facts, seals.place(path), *content)
    with whole_file(path) as partial:
        partial.write_text(
            json.dumps(sealed, indent=2, sort_keys=True, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )


def read_json(path: str | Path) -> Metadata:
    """Read small facts from JSON and check their seal.

    Raises:
        DamagedFile: the file is missing or damaged.
    """
    facts = sealed_facts(path)
    seals.check_seal(path, facts, seals.place(path))
    del facts["hash"]
    return facts


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
