"""Pickles from anywhere, read without running anything that they hold.

A pickle is a program: it names functions and calls them. This reader knows no function but its own
stand-ins for numpy's, so that a file can build lists, tuples, dictionaries, strings, numbers and
arrays of numbers or strings, and nothing else. See "Restricting Globals" in the documentation of
Python's `pickle`; how arrays are pickled is read off `numpy.ndarray.__reduce_ex__`.
"""

import pickle
import re
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dejavu.errors import refusal

# Bytes; what so small a file asks for in vain is damage, and no lack of memory.
SMALL_FILE = 2**24
PLAIN_TYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|[SU]\d{1,6})")


class PickledType:
    """What stands for a numpy dtype: a type of plain numbers or strings."""

    def __init__(self, name: str, *_: object) -> None:
        """Take the name that numpy pickles, as `i8`."""
        if not isinstance(name, str) or not PLAIN_TYPE.fullmatch(name):
            raise pickle.UnpicklingError(f"an array of the type {name!r}")
        self.order, self.name = "|", name.lstrip("<>|=")

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Take the byte order, the second of what numpy pickles; fields and shapes are refused."""
        if len(state) < 8 or state[1] not in ("<", ">", "|", "=") or any(state[2:5]):
            raise pickle.UnpicklingError("an array of a compound type")
        self.order = state[1]

    def dtype(self) -> "np.dtype[Any]":
        """The type for numpy."""
        return np.dtype(self.order + self.name)


class PickledArray:
    """What stands for a numpy array until its bytes have been checked."""

    values: NDArray[Any]

    def __init__(self, *_: object) -> None:
        """Be empty, as numpy's own arrays are before their state is set."""
        self.values = np.empty(0)

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Take version, shape, type, order and bytes."""
        _, shape, kind, fortran, content = state
        self.values = _array(content, kind, shape, "F" if fortran else "C")


def load(path: str | Path) -> Any:
    """Read a pickle of plain data; arrays come as `PickledArray`.

    Raises:
        InputError: it asks for anything else, or is damaged.
    """
    try:
        return _loaded(path)
    # On damaged input the reader raises anything, as its documentation says.
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise refusal(
            error,
            f"{path} is not a pickle of lists, numbers, strings and arrays alone ({reason}): it was"
            " not read; give the file that the annotations were saved to.",
        ) from error


def _loaded(path: str | Path) -> Any:
    # A function of its own: what the reader's C code raises of a pickle is no bug of its caller.
    with open(path, "rb") as file:  # noqa: PTH123
        try:
            return _Reader(file).load()
        except MemoryError:
            if Path(path).stat().st_size > SMALL_FILE:
                raise
    # Outside the handler, as its cause would be told as a lack of memory.
    raise pickle.UnpicklingError("a length that no such file holds")


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        known = _STAND_INS.get(f"{module}.{name}".replace("numpy._core", "numpy.core"))
        if known is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known


def _array(content: Any, kind: Any, shape: Any, order: Any) -> NDArray[Any]:
    """An array out of its bytes, once they are as many as type and shape need."""
    if not isinstance(kind, PickledType) or not isinstance(content, bytes | bytearray):
        raise pickle.UnpicklingError("an array of objects")
    sides = tuple(shape)
    if not all(isinstance(side, int) and side >= 0 for side in sides) or (
        prod(sides) * kind.dtype().itemsize != len(content)
    ):
        raise pickle.UnpicklingError("an array whose bytes do not fill its shape")
    if not content:
        return np.zeros(sides, kind.dtype().newbyteorder("="))
    values = np.frombuffer(content, kind.dtype()).reshape(sides, order="F" if order == "F" else "C")
    return values.astype(values.dtype.newbyteorder("="))


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any) -> PickledArray:
    """What stands for `numpy._core.numeric._frombuffer`, of protocol 5."""
    array = PickledArray()
    array.values = _array(content, kind, shape, order)
    return array


def _scalar(kind: Any, content: Any) -> Any:
    """What stands for `numpy._core.multiarray.scalar`: a plain number or string."""
    return _array(content, kind, (), "C").item()


def _no_bytes() -> bytes:
    """What stands for `bytes`, which old protocols call where there are none."""
    return b""


def _bytes(text: Any, encoding: Any) -> bytes:
    """What stands for `_codecs.encode`, by which old protocols write bytes."""
    if encoding != "latin1" or not isinstance(text, str):
        raise pickle.UnpicklingError("it asks for another encoding than latin1")
    return text.encode("latin1")


_STAND_INS: dict[str, Callable[..., Any]] = {
    "numpy.dtype": PickledType,
    "numpy.ndarray": PickledArray,
    "numpy.core.multiarray._reconstruct": PickledArray,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "_codecs.encode": _bytes,
    "__builtin__.bytes": _no_bytes,
    "builtins.bytes": _no_bytes,
}
