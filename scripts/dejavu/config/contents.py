"""What files and folders of the config hold: hashes of their content, remembered.

A file counts by its bytes, wherever it lies and whenever it was written, so that one that was
touched, copied or moved is the same file. It is read once: as long as size, times and inode stay,
its hash is remembered. Standard library only: the Snakefile imports it.
"""

import errno
import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from dejavu.errors import InputError, system_fault
from dejavu.job import whole_file

# Of arrays of vectors, which may be very large and change everywhere, some blocks count.
SAMPLED, WHOLE, BLOCK, BLOCKS = (".npy",), 2**26, 2**16, 256
# Below the working directory; what lies there may be deleted at any time.
MEMORY = Path(".snakemake/contents")
# A file may change again within one tick of its disk's clock, which the times do not show.
TICK = 2 * 10**9
TOLD_BYTES, TOLD_FILES = 2**32, 50_000
THREADS, BATCH = 8, 256


# What the system says of a file, size, times of content and of the rest, and inode: as long as that
# stays, so does the content.
Seen = tuple[int, int, int, int]


@cache
def content_of(place: Path) -> str:
    """Hash what a file, or all files of a folder, hold; a file's suffix or their names count too.

    In folders links are followed, and what has a name that begins with a dot is passed over. What
    can't be read for want of permission, or is no regular file, counts as such.

    Raises:
        InputError: the system fails to read a file.
    """
    files = dict(_files(place))
    memory = _Memory(place)
    stamp = _digest(files)
    if memory.head.get("stamp") == stamp:
        return str(memory.head["content"])
    hashes, kept = _hashes(place, files, memory.body())
    content = _digest(hashes)
    regular = sum(not isinstance(seen, str) for seen in files.values())
    memory.keep(stamp if len(kept) == regular else None, content, kept)
    return content


@cache
def contents_of(folder: Path, pattern: str) -> Sequence[tuple[str, str]]:
    """Names and hashes of the single files of a folder that match a pattern, sorted."""
    names = sorted(path.name for path in folder.glob(pattern))
    return sorted(_of_names(folder, names, folder / pattern).items())


def content_of_named(folder: Path, names: Sequence[str], by: Path) -> str:
    """Hash what the files hold that another file names, by paths from a folder."""
    return _digest(_of_names(folder, names, Path(f"{by}#")))


def _of_names(folder: Path, names: Sequence[str], place: Path) -> dict[str, str]:
    """Hashes of files by their names, remembered under a place."""
    files = {name: _seen(folder / name) for name in names}
    memory = _Memory(place)
    hashes, kept = _hashes(folder, files, memory.body())
    memory.keep(None, None, kept)
    return hashes


def _files(place: Path) -> Iterator[tuple[str, Seen | str]]:
    """A file under its suffix, or each file of a folder under its path from there."""
    if not place.is_dir():
        yield place.suffix, _seen(place)
        return
    # Folders that are open above each one: a link to one of them would lead round for ever.
    waiting: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", ())]
    while waiting:
        inside, above = waiting.pop()
        try:
            known = os.stat(place / inside)  # noqa: PTH116
            here = (known.st_dev, known.st_ino)
            if here in above:
                continue
            with os.scandir(place / inside) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        waiting.append((f"{inside}{entry.name}/", (*above, here)))
                    else:
                        yield f"{inside}{entry.name}", _seen(entry)
        except OSError as error:
            yield inside, _fault(error, place / inside)


def _seen(file: Path | os.DirEntry[str]) -> Seen | str:
    """What the system says of a file; why it is none that can be read."""
    try:
        known = file.stat()
    except OSError as error:
        return _fault(error, file)
    except ValueError:  # a NUL, or characters that this locale's file names can't have
        return "no file's name"
    if not stat.S_ISREG(known.st_mode):
        return "no regular file"
    return known.st_size, known.st_mtime_ns, known.st_ctime_ns, known.st_ino


def _fault(error: OSError, path: Path | os.DirEntry[str] | str) -> str:
    """Why a file has no content: what a later job will tell of it, if it needs it.

    Raises:
        InputError: a disk fails, or the system lacks something: that tells nothing of the file.
    """
    if error.errno not in (errno.EACCES, errno.EPERM):
        fault = system_fault(error, os.fspath(path), "be read")
        if fault is not None:
            raise fault from error
    return f"not readable: {errno.errorcode.get(error.errno or 0, 'unknown')}"


def _hashes(
    place: Path, files: Mapping[str, Seen | str], known: Mapping[str, list[Any]]
) -> tuple[dict[str, str], dict[str, list[Any]]]:
    """Hashes of files, and of those that may be remembered what was seen, with the hash."""
    started = time.time_ns()
    hashes = {name: seen for name, seen in files.items() if isinstance(seen, str)}
    unknown: list[tuple[str, Seen]] = []
    for name, seen in files.items():
        if isinstance(seen, str):
            continue
        remembered = known.get(name)
        if remembered is not None and remembered[:-1] == list(seen):
            hashes[name] = remembered[-1]
        else:
            unknown.append((name, seen))
    size = sum(seen[0] for _, seen in unknown)
    if size > TOLD_BYTES or len(unknown) > TOLD_FILES:
        print(
            f"Reading {len(unknown)} files of {place} ({size / 1e9:.1f} GB), to know them again:"
            " this is done once.",
            file=sys.stderr,
            flush=True,
        )
    batches = [unknown[start : start + BATCH] for start in range(0, len(unknown), BATCH)]
    if len(unknown) < BATCH:
        batches = [[each] for each in unknown]

    is_folder = place.is_dir()

    def read(batch: list[tuple[str, Seen]]) -> list[tuple[str, str]]:
        paths = (os.path.join(place, name) if is_folder else place for name, _ in batch)  # noqa: PTH118
        return [(name, _hash(str(path))) for (name, _), path in zip(batch, paths, strict=True)]

    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(read, batches):
            hashes.update(found)
    kept = {
        name: [*seen, hashes[name]]
        for name, seen in files.items()
        if not isinstance(seen, str)
        and max(seen[1:3]) < started - TICK
        and not hashes[name].startswith("not readable")
    }
    return hashes, kept


def _hash(path: str) -> str:
    """The size of a file and the hash of its bytes, or why it can't be read."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            size = os.fstat(file.fileno()).st_size
            if size > WHOLE and path.endswith(SAMPLED):
                found = hashlib.sha256()
                for block in range(BLOCKS):
                    file.seek((size - BLOCK) * block // (BLOCKS - 1))
                    found.update(file.read(BLOCK))
            elif size > 4 * BLOCK:
                found = hashlib.file_digest(file, "sha256")
            else:
                found = hashlib.sha256(file.read())
            return f"{size} {found.hexdigest()[:32]}"
    except OSError as error:
        return _fault(error, path)


def _digest(values: Mapping[str, object]) -> str:
    named = sorted((_bytes(name), value) for name, value in values.items())
    text = f"{[value for _, value in named]}".encode(errors="backslashreplace")
    return _check(b"\0".join([*(name for name, _ in named), text])).decode()


def _bytes(name: str) -> bytes:
    """A name as a disk has it, whatever the locale; its codes where no file can have it here."""
    try:
        return os.fsencode(name)
    except UnicodeEncodeError:
        return name.encode(errors="backslashreplace")


class _Memory:
    """What was seen of the files of one place when their hashes were taken.

    The first line has the hash of all files together, so that where nothing changed the other
    lines, one for a million files, are not read. A memory that is damaged, of another place or not
    there only costs time; of two processes that write one, the later one's stays.
    """

    def __init__(self, place: Path) -> None:
        self.place = os.path.realpath(place)
        self.path = MEMORY / f"{_check(os.fsencode(self.place)).decode()}.json"
        self.head: dict[str, Any] = {}
        with suppress(OSError, ValueError), self.path.open("rb") as file:
            check, _, line = file.readline().partition(b" ")
            head = json.loads(line) if _check(line) == check else {}
            self.head = head if head.get("place") == self.place else {}

    def body(self) -> dict[str, list[Any]]:
        """Of each file what was seen, and its hash."""
        with suppress(OSError, ValueError), self.path.open("rb") as file:
            file.readline()
            line = file.read()
            if self.head and _check(line).decode() == self.head["body"]:
                files: dict[str, list[Any]] = json.loads(line)
                return files
        return {}

    def keep(self, stamp: str | None, content: str | None, files: dict[str, list[Any]]) -> None:
        """Remember, if that is possible here."""
        body = json.dumps(files).encode()
        head = {"place": self.place, "stamp": stamp, "content": content}
        head["body"] = _check(body).decode()
        if head == self.head:
            return
        line = f"{json.dumps(head)}\n".encode()
        with suppress(OSError, InputError), whole_file(self.path) as partial:
            partial.write_bytes(_check(line) + b" " + line + body)


def _check(line: bytes) -> bytes:
    return hashlib.sha256(line).hexdigest()[:32].encode()
