"""Points of sweeps as tables have them.

Standard library only: the Snakefile imports it, and every job pays for that.
"""

from collections.abc import Mapping, Sequence
from typing import Any


def text_of(point: Mapping[str, Any]) -> str:
    """A point as tables have it: `key=value`, two joined."""
    return ", ".join(f"{key}={value_text(value)}" for key, value in point.items())


def value_text(value: Any) -> str:
    """A varied value as text, the same for 1 and 1.0."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple):
        return " ".join(map(value_text, value))
    if isinstance(value, Mapping):
        return " ".join(f"{key} {value_text(each)}" for key, each in value.items())
    return str(value)


def ordered(values: Sequence[Any]) -> list[Any]:
    """The different values of a key: numbers ascending, others as the config has them."""
    different: list[Any] = []
    for value in values:
        if value not in different:
            different.append(value)
    return sorted(different) if all(map(is_number, different)) else different


def is_number(value: Any) -> bool:
    """Whether a value is one of an axis of numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool)
