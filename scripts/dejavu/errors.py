"""The exceptions for what a user can mend, and what the system's own refusals are told as."""

import errno
import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path

# Errors that tell of a bug where our own line raised them, and of its input where a library did:
# for damaged files and wrong settings, PyTorch, Transformers and timm raise each of them.
MISTAKES = (AssertionError, AttributeError, TypeError)

KEPT = "and run again; what is finished is kept"
MEMORY = (
    "run fewer jobs side by side (--resources mem_mb=N or fewer --cores), give this one more"
    " (--set-resources RULE:mem_mb=N), or set smaller batches in the config where a GPU ran out,"
    f" {KEPT}"
)
PERMISSION = f"change that, {KEPT}"
FAILING = f"a disk, or the network to it, fails: have it looked after {KEPT}; delete nothing"
REMEDIES = {
    errno.EACCES: PERMISSION,
    errno.EPERM: PERMISSION,
    errno.EROFS: f"mount it for writing, or run elsewhere with --directory, {KEPT}",
    errno.ENOSPC: f"free some space there {KEPT}",
    errno.EDQUOT: f"free some of your share of the disk, or ask for more, {KEPT}",
    errno.EFBIG: (
        "files may not become that large here: raise the limit (`ulimit -f`) or take more shards or"
        f" another disk, {KEPT}"
    ),
    errno.EMFILE: f"raise the limit of open files (`ulimit -n`) {KEPT}",
    errno.ENFILE: f"the whole machine has too many files open: run fewer jobs at once {KEPT}",
    errno.ENOMEM: MEMORY,
    errno.EIO: FAILING,
    errno.ESTALE: FAILING,
}
# The system's error as libraries quote it that raise errors of their own (Rust's, Arrow's).
QUOTED = re.compile(r"\b(?:os error|errno) (\d+)\b", re.IGNORECASE)
TEXTS = {os.strerror(code): code for code in REMEDIES}


class InputError(Exception):
    """Bad input: the message is one sentence that names the file, row or key and the remedy."""


class DamagedFile(InputError):
    """A file that the workflow made and that has to be made anew: damaged, replaced or gone."""

    def __init__(self, path: object, sentence: str) -> None:
        """Take the file and the sentence, which names it too."""
        super().__init__(path, sentence)
        self.path, self.sentence = str(path), sentence

    def __str__(self) -> str:
        """The sentence alone."""
        return self.sentence


def system_fault(
    error: BaseException, path: object = None, verb: str = "be used"
) -> InputError | None:
    """What to tell if the system refused something, so that nothing is wrong with any file.

    Args:
        error: of whatever library; its causes are looked at too.
        path: what was read or written; without one, the file that the system names.
        verb: what could not be done with it.

    Returns:
        None where it is no refusal of the system, but for instance a damaged or missing file.
    """
    for each in chain(error):
        code = _code(each)
        if code == errno.ENOMEM:
            what = f" while {path} was in use" if path is not None else ""
            return InputError(f"Memory ran out{what} ({first_line(each)}): {MEMORY}.")
        if code is not None:
            named = path if path is not None else getattr(each, "filename", None) or "A file"
            why = os.strerror(code)
            if code in (errno.EACCES, errno.EPERM):
                why += _owner(Path(str(named)))
            return InputError(f"{named} can't {verb} ({why}): {REMEDIES[code]}.")
    return None


def refusal(error: Exception, sentence: str) -> InputError:
    """What to raise where a library did not take a file or settings, from what it raised.

    Libraries raise anything then, down to a bare `Exception`. What certainly tells of something
    else is left as it is: that memory ran out is told as that, and a bug of ours is no InputError.

    Args:
        error: as caught by the function that called the library.
        sentence: for the user.

    Raises:
        Exception: the error itself, where it is a bug.
    """
    fault = system_fault(error)
    if fault is not None:
        return fault
    trace = error.__traceback__
    ours = trace is not None and trace.tb_next is None
    if isinstance(error, NameError) or (ours and isinstance(error, MISTAKES)):
        raise error
    return InputError(sentence)


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        yield cause
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__


def _code(error: BaseException) -> int | None:
    """The number of the system's refusal that an error stands for, if it stands for one."""
    # PyTorch has a class of its own for the memory of GPUs, which is not worth importing it.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in REMEDIES else None
    quoted = QUOTED.search(str(error))
    if quoted:
        return int(quoted[1]) if int(quoted[1]) in REMEDIES else None
    return next((code for text, code in TEXTS.items() if text in str(error)), None)


def _owner(path: Path) -> str:
    """Whose a file or the folder that refuses it is, if it is somebody else's."""
    for place in (path, *path.parents):
        try:
            owner = place.stat().st_uid
        except OSError:
            continue
        if owner == os.geteuid():
            return ""
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = str(owner)
        return f"; {place} belongs to the user {name}"
    return ""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, to be quoted inside a sentence."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
