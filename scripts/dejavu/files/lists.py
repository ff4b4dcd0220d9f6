"""Lists of shards: one small file instead of very many inputs of a job."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import xxhash

from dejavu.errors import DamagedFile
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

    Where the list or one of its shards is to be made anew, the list is removed, so that the next
    run makes both. After any other fault it stays: other jobs, which may run now, read it too.

    Raises:
        DamagedFile: the list is missing or damaged, or one of its shards is gone.
    """
    shards: list[str] = []
    try:
        shards = [shard["path"] for shard in read_json(path)["shards"]]
        gone = [shard for shard in shards if not Path(shard).is_file()]
        if gone:
            raise DamagedFile(gone[0], f"{gone[0]} is missing: run again, it will be made anew.")
        yield shards
    except DamagedFile as error:
        if error.path in (str(path), *shards):
            Path(path).unlink(missing_ok=True)
        raise
