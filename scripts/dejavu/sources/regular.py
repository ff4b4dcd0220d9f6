"""Files of a data set, which are regular files or not read: a pipe or a device could block."""

import os
import stat
from pathlib import Path
from typing import BinaryIO


def check_regular(path: str | Path) -> None:
    """Raise `OSError` unless a path leads to a regular file."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except ValueError as error:  # a NUL, or characters that this locale's file names can't have
        raise OSError("its name can't be a file's name here") from error
    if not stat.S_ISREG(mode):
        raise OSError("it is not a regular file")


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file for reading; raises `OSError`."""
    check_regular(path)
    return open(path, "rb")  # noqa: PTH123


def read_regular(path: str | Path) -> bytes:
    """Read a regular file; raises `OSError`."""
    with open_regular(path) as file:
        return file.read()
