"""Files and folders that a config names: where they stand in it, and what tells that they changed.

Standard library only: the Snakefile imports it.
"""

import copy
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dejavu.config import contents
from dejavu.errors import InputError

SOURCE, QUERY = "{source}", "{query}"


@dataclass(frozen=True)
class File:
    """A key whose value is a path, relative to the folder of the Snakefile.

    Attributes:
        key: dotted where it lies in another mapping.
        is_folder: whether it names a folder; else a file.
        prefix: what stands before a path, where the key may hold something else without it.
        or_name: whether it may hold a name on a hub, `owner/name` at most, where no folder is.
        or_endings: of the one file that may stand in a folder's place.
        below: the folder inside it whose files tell a change.
        of_source: whether `{source}` in it stands for the name of a source.
        of_query: whether `{query}` in it stands for that of a query.
    """

    key: str
    is_folder: bool = False
    prefix: str = ""
    or_name: bool = False
    below: str = ""
    or_endings: tuple[str, ...] = ()
    of_source: bool = False
    of_query: bool = False

    def inside(self, key: str) -> "File":
        """The same of a mapping that stands under a key."""
        return replace(self, key=f"{key}.{self.key}")


def named(
    settings: Mapping[str, Any], files: Sequence[File], base: Path
) -> Iterator[tuple[File, str]]:
    """Each file that settings name, with its path as the config has it."""
    for file in files:
        value: Any = settings
        for key in file.key.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if not isinstance(value, str) or not value.startswith(file.prefix):
            continue
        path = value.removeprefix(file.prefix)
        looks_like_one = path.startswith((".", "/", "~")) or path.count("/") > 1
        if not file.or_name or looks_like_one or (base / path).is_dir():
            yield file, path


def replaced(
    settings: Mapping[str, Any],
    files: Sequence[File],
    base: Path,
    by: Callable[[File, str], object],
) -> dict[str, Any]:
    """A copy of settings in which something stands for every path."""
    changed = copy.deepcopy(dict(settings))
    for file, path in named(settings, files, base):
        inside = changed
        *parents, last = file.key.split(".")
        for parent in parents:
            inside = inside[parent]
        inside[last] = f"{file.prefix}{by(file, path)}"
    return changed


def for_source(
    settings: Mapping[str, Any], files: Sequence[File], base: Path, source: str, query: str = QUERY
) -> dict[str, Any]:
    """A copy of settings with the paths that they have for a source and a query."""

    def named_for(file: File, path: str) -> str:
        path = path.replace(SOURCE, source)
        return path.replace(QUERY, query) if file.of_query else path

    differing = [file for file in files if file.of_source]
    return replaced(settings, differing, base, named_for)


def told(settings: Mapping[str, Any], files: Sequence[File], base: Path) -> dict[str, Any]:
    """A copy of settings in which hashes of content stand for paths: what moves stays the same."""
    return replaced(
        settings, files, base, lambda file, path: contents.content_of(base / path / file.below)
    )


def from_here(path: str, base: Path) -> str:
    """A path that starts from a folder, as seen from the working directory; absolute ones stay.

    What stands before `..` is taken for what it is on the disk: behind a link to a folder, `..` is
    that folder's own parent, while by the letters it would lead beside the link.
    """
    if Path(path).is_absolute():
        return path
    place = base / path
    ends = [end for end, part in enumerate(place.parts, start=1) if part == os.pardir]
    if ends:
        risen = Path(*place.parts[: ends[-1]])
        place = Path(os.path.realpath(risen)).joinpath(*place.parts[ends[-1] :])
    return os.path.relpath(place)


def check(where: str, settings: Mapping[str, Any], files: Sequence[File], base: Path) -> None:
    """Check that files and folders are there.

    Raises:
        InputError: naming the key, which stands under `where`, and the path.
    """
    for file, path in named(settings, files, base):
        place = base / path
        is_folder = file.is_folder and place.suffix not in file.or_endings
        what, other = ("folder", "file") if is_folder else ("file", "folder")
        if not (place.is_dir() if is_folder else place.is_file()):
            wrong = f"{place} is a {other}" if place.exists() else f"there is no {what} {place}"
            raise InputError(
                f"Config key {where}.{file.key}: {wrong}: put a {what} there, or correct the path;"
                f" relative paths start from the folder of the Snakefile.{_of_braces(file, path)}"
            )


def _of_braces(file: File, path: str) -> str:
    """What stands for a name in a path, where something in braces was left there."""
    if "{" not in path:
        return ""
    pairs = ((SOURCE, file.of_source), (QUERY, file.of_query))
    names = " or ".join(name for name, stands in pairs if stands)
    if not names:
        return " Braces stand for nothing here."
    return f" Braces stand for a name as {names} alone here."
