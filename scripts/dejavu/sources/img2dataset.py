"""Webdataset tar shards as img2dataset writes them: image, `.txt` and `.json` members per key.

What could not be downloaded or decoded has no members, only a row with its `status` in the shard's
`.parquet`, and so is no item here (rom1504/img2dataset, `img2dataset/writer.py`). The `.json` holds
the input's columns, `key`, `status`, sizes, `exif` and `sha256`, and no objects.
"""

import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from dejavu.errors import InputError, system_fault
from dejavu.samples.texts import normalised
from dejavu.sources import Record, Rejected, clean_labels
from dejavu.sources.images import decode, tar_reference, why_unreadable
from dejavu.sources.regular import open_regular

IMAGE_SUFFIXES = ("jpg", "jpeg", "png", "webp")
LARGEST_MEMBER = 2**30
LARGEST_TEXT = 2**24


def tar_files(folder: Path) -> list[Path]:
    """The tar shards of a folder, sorted by name.

    Raises:
        InputError: there is no such folder, or no tar in it.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    tars = sorted(folder.glob("*.tar"))
    if not tars:
        raise InputError(f"the folder {folder} holds no .tar files")
    return tars


def read_tar(
    path: Path,
    objects_field: str | None,
    id_field: str | None = None,
    further: Sequence[str] = (),
) -> Iterator[Record | Rejected]:
    """Read one tar shard.

    Members belong together by their name up to the first dot after the last slash, in whatever
    order they come; of members of the same name the first counts. Nothing is extracted: members
    are read at their offsets. Members that no shard needs are rejected: links, devices, sparse or
    huge files, and names that lead out of a folder.

    Args:
        path: the tar file.
        objects_field: the field of the `.json` member that holds the list of object labels; None
            where objects are annotated elsewhere.
        id_field: the field that holds the sample's id; the members' key where None.
        further: fields that samples are grouped by; what is neither text nor a number counts as
            no value.

    Raises:
        InputError: the file is not a complete tar archive.
    """
    members: dict[str, dict[str, tarfile.TarInfo]] = {}
    repeated: Counter[str] = Counter()
    unsafe: dict[str, str] = {}
    try:
        shard = open_regular(path)
    except OSError as error:
        raise system_fault(error, path, "be read") or InputError(
            f"{path} can't be read ({error}): move it out of the folder."
        ) from error
    with shard as file:
        try:
            # Names are UTF-8 in any locale; those that are not keep their bytes, and are rejected.
            with tarfile.open(fileobj=file, mode="r:", encoding="utf-8") as archive:
                for member in archive:
                    folder, _, name = member.name.rpartition("/")
                    key, _, suffix = name.partition(".")
                    key = normalised(f"{folder}/{key}" if folder else key)
                    fault = _fault(member)
                    if fault is not None:
                        unsafe.setdefault(key, fault)
                    elif not member.isdir():
                        parts = members.setdefault(key, {})
                        repeated[key] += suffix.lower() in parts
                        parts.setdefault(suffix.lower(), member)
                # At a damaged header, or where the file was cut off before one, tarfile just ends.
                file.seek(archive.offset)
                if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    raise tarfile.ReadError(f"no end marker at byte {archive.offset}")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise system_fault(error, path, "be read") or InputError(
                f"{path} is not a complete tar archive ({error}): fetch it again, or move it out"
                " of the folder."
            ) from error

        for key, fault in unsafe.items():
            yield Rejected(f"{path}#{key}", None, fault)

        def content(member: tarfile.TarInfo) -> bytes:
            file.seek(member.offset_data)
            return file.read(member.size)

        for key, parts in members.items():
            item, known_id = f"{path}#{key}", key if id_field is None else None
            if repeated[key]:
                reason = f"members repeat the names of earlier ones: {repeated[key]}"
                yield Rejected(item, known_id, reason)
            image = next((parts[suffix] for suffix in IMAGE_SUFFIXES if suffix in parts), None)
            try:
                facts = json.loads(content(parts["json"])) if "json" in parts else {}
                caption = content(parts["txt"]).decode().strip() if "txt" in parts else ""
            except (ValueError, RecursionError) as error:
                yield Rejected(item, known_id, f"unreadable .json or .txt: {error}")
                continue
            if not isinstance(facts, dict):
                yield Rejected(item, known_id, "unreadable .json: it is not an object")
                continue
            identifier = key if id_field is None else facts.get(id_field)
            objects = [] if objects_field is None else clean_labels(facts.get(objects_field))
            if not isinstance(identifier, str | int) or identifier == "":
                yield Rejected(item, None, f"no id in the field {id_field!r} of the .json")
            elif image is None:
                yield Rejected(item, str(identifier), "no .jpg, .png or .webp member")
            elif not caption:
                yield Rejected(item, str(identifier), "no caption")
            elif objects is None:
                reason = f"no list of labels in the field {objects_field!r} of the .json"
                yield Rejected(item, str(identifier), reason)
            else:
                try:
                    decode(content(image))
                except OSError as error:
                    yield Rejected(item, str(identifier), why_unreadable(error))
                    continue
                reference = tar_reference(str(path), image.name, image.offset_data, image.size)
                found = (facts.get(field) for field in further)
                told = tuple(str(v) if isinstance(v, str | int | float) else None for v in found)
                yield Record(str(identifier), reference, caption, objects, further=told)


def _fault(member: tarfile.TarInfo) -> str | None:
    """Why a member is not looked at, if it is not."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        return "the member's name leads out of a folder"
    if member.issparse():
        return "a sparse member"
    if not (member.isfile() or member.isdir()):
        return "a member that is neither a file nor a folder"
    largest = LARGEST_TEXT if name.suffix.lower() in (".txt", ".json") else LARGEST_MEMBER
    too_large = f"a member is too large: {member.size} bytes, over {largest}"
    return too_large if member.size > largest else None
