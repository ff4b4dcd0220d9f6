"""Reading YAML, and the traps of it that Snakemake, which reads the config itself, lets pass."""

import math
from pathlib import Path
from typing import Any

import yaml

from dejavu.errors import InputError, first_line

# The C parser, where PyYAML has it, is nine times as fast; every job reads the schema.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

TAG = "tag:yaml.org,2002:"
KINDS = {"bool": "true or false", "int": "a number", "float": "a number", "null": "nothing"}
KINDS |= {"timestamp": "a date"}


def load(path: str | Path) -> Any:
    """What a YAML file holds."""
    return yaml.load(Path(path).read_text(encoding="utf-8"), Loader=LOADER)


def check(path: str | Path) -> None:
    """Refuse what YAML takes for something else than is written, at every depth of a config.

    That is a key that stands twice in a mapping, of which the last would count; a key that is no
    text, as `no` or `1`; dates and bytes; infinities and NaN; and `010`, which is 8, or `1:30`,
    which is 90. Anchors are good, and so are keys that override merged ones (`<<`).

    Raises:
        InputError: naming file, line and key.
    """
    text = Path(path).read_text(encoding="utf-8")
    try:
        # JSON is YAML but for its tabs, which never are inside of strings.
        root = yaml.compose(text.replace("\t", " ") if text[:1] == "{" else text, Loader=LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}:" if mark else f"{path}"
        problem = getattr(error, "problem", None) or first_line(error)
        raise InputError(f"{where} cannot be read as YAML ({problem}).") from error
    _check(root, (), path, set())


def _check(node: Any, place: tuple[str, ...], path: str | Path, seen: set[int]) -> None:
    # An anchor's node stands in several places.
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            if key.tag == f"{TAG}merge":
                _check(value, place, path, seen)
                continue
            below = (*place, str(key.value) if isinstance(key, yaml.ScalarNode) else "?")
            _check_key(key, below, path, lines)
            _check(value, below, path, seen)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            _check(value, (*place, str(number)), path, seen)
    elif isinstance(node, yaml.ScalarNode):
        _check_value(node, place, path)


def _check_key(key: Any, place: tuple[str, ...], path: str | Path, lines: dict[str, int]) -> None:
    told = f"{_where(path, key)}: the key {'.'.join(place)}"
    if key.tag != f"{TAG}str":
        kind = KINDS.get(key.tag.removeprefix(TAG), "no text")
        raise InputError(f"{told} is {kind} to YAML: put it in quotes.")
    if key.value in lines:
        raise InputError(
            f"{told} stands there for a second time, after line {lines[key.value]}, and only the"
            " last would count: keep one of them."
        )
    lines[key.value] = key.start_mark.line + 1


def _check_value(node: Any, place: tuple[str, ...], path: str | Path) -> None:
    told = f"{_where(path, node)}: the value {node.value} of the key {'.'.join(place)}"
    kind, written = node.tag.removeprefix(TAG), node.value.lstrip("+-.")
    if kind in ("timestamp", "binary"):
        raise InputError(
            f"{told} is {KINDS.get(kind, 'bytes')} to YAML, and no key takes one: put it in quotes."
        )
    number = 0.0
    if kind in ("int", "float"):
        number = getattr(yaml.constructor.SafeConstructor(), f"construct_yaml_{kind}")(node)
    if not math.isfinite(number):
        raise InputError(f"{told} is no finite number: give one, or put it in quotes as text.")
    octal = kind == "int" and len(written) > 1 and written[0] == "0" and written[1] not in "xb"
    if octal or (number and ":" in written):
        raise InputError(
            f"{told} is {number} to YAML: write that, or the number that you mean without leading"
            " zeros and colons, or put it in quotes as text."
        )


def _where(path: str | Path, node: Any) -> str:
    return f"{path}, line {node.start_mark.line + 1}"
