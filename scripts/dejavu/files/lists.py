"""Lists of shards: one small file instead of very many inputs of a job."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import xxhash

from dejavu.errors import InputError
from dejavu.files.facts import read_json, write_json


def write_list(path: str | Path, shards: Iterable[str]) -> None:
    """List shards in one small file, with their sizes and the hashes of their content."""
    listed = []
    for shard in shards:
        with Path(shard).open("rb") as file:
            content = hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()
            listed.append({"path": str(shard), "bytes": file.tell(), "content": content})
    write_json(path, {"shards": listed})


@contextmanager
def listed(path: str | Path) -> Iterator[list[str]]:
    """Paths of the shards that a list names, to be read inside the context.

    After bad input the list is removed, so that the next run makes it anew, and with it whatever
    shard was deleted.

    Raises:
        InputError: the list is missing or damaged, or one of its shards is gone.
    """
    try:
        shards = [shard["path"] for shard in read_json(path)["shards"]]
        gone = [shard for shard in shards if not Path(shard).is_file()]
        if gone:
            raise InputError(f"{gone[0]} is missing: run again, it will be made anew.")
        yield shards
    except InputError:
        Path(path).unlink(missing_ok=True)
        raise
