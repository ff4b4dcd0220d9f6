"""The config against its schema: defaults filled in, and every wrong key told in a sentence."""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dejavu.config import reading
from dejavu.errors import InputError

# Numbers that YAML 1.1 takes for text: those without a point or a sign before the exponent.
EXPONENT = re.compile(r"(?P<whole>[-+]?\d+)(?P<part>\.\d*)?[eE](?P<sign>[-+]?)(?P<power>\d+)")


def read(path: str | Path) -> dict[str, Any]:
    """Read a schema and join it with those that it refers to.

    Args:
        path: of a file whose references are to itself (`#/$defs/name`) or, as editors follow them,
            to files beside it (`file#/$defs/name`).

    Returns:
        One schema whose references are all to its own `$defs`.

    Raises:
        ValueError: two files define one name.
    """
    waiting = [Path(path)]
    joined = reading.load(path)
    defined: dict[str, Any] = {}
    for file in waiting:
        content = joined if file == waiting[0] else reading.load(file)
        twice = defined.keys() & content.get("$defs", {}).keys()
        if twice:
            raise ValueError(f"{file} defines {', '.join(twice)}, as another file does")
        defined |= content.pop("$defs", {})
        for rules in _referring([content, defined]):
            name, _, place = rules["$ref"].partition("#")
            rules["$ref"] = f"#{place}"
            if name and file.with_name(name) not in waiting:
                waiting.append(file.with_name(name))
    return {**joined, "$defs": defined}


def _referring(rules: Any) -> Iterator[dict[str, Any]]:
    """All parts of a schema that refer to another."""
    if isinstance(rules, dict) and isinstance(rules.get("$ref"), str):
        yield rules
    if isinstance(rules, dict | list):
        for below in rules.values() if isinstance(rules, dict) else rules:
            yield from _referring(below)


def complete(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Check a config against the schema and fill in its defaults.

    Returns:
        A copy, in which keys that the schema names, or that a library does, stand in the order of
        the alphabet, however they were written: Snakemake would take another order for another
        value, and train again. Keys that are names of the config's own stay in their order.

    Raises:
        InputError: naming the first key that is wrong, what is wrong with it and what is allowed.
    """
    import copy

    import jsonschema
    from jsonschema import Draft202012Validator

    plain = Draft202012Validator.VALIDATORS
    settings: dict[int, dict[str, Any]] = {}

    def fill_defaults(
        validator: Any, properties: Any, instance: Any, schema: Any
    ) -> Iterator[jsonschema.ValidationError]:
        if isinstance(instance, dict):
            settings[id(instance)] = instance
            for key, rules in properties.items():
                if "default" in rules:
                    instance.setdefault(key, copy.deepcopy(rules["default"]))
        yield from plain["properties"](validator, properties, instance, schema)

    def note_settings(
        validator: Any, kind: Any, instance: Any, schema: Any
    ) -> Iterator[jsonschema.ValidationError]:
        # What a library takes: no keys are named, and none of them is a name.
        if kind == "object" and not {"properties", "additionalProperties"} & schema.keys():
            settings.update((id(below), below) for below in _mappings(instance))
        yield from plain["type"](validator, kind, instance, schema)

    # To JSON Schema 1.0 is an integer and NaN a number; to what takes them they are none.
    types = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
            "number": lambda _, value: (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and math.isfinite(value)
            ),
        }
    )
    filling = jsonschema.validators.extend(
        Draft202012Validator,
        {"properties": fill_defaults, "type": note_settings},
        type_checker=types,
    )
    filled = _apart(config)
    errors = list(filling(schema).iter_errors(filled))
    # Where the kind is wrong or missing, every other key of the mapping looks unknown or missing.
    kindless = [error for error in errors if error.message == "'kind' is a required property"]
    clear = [error for error in errors if error.validator != "unevaluatedProperties"]
    error = jsonschema.exceptions.best_match(kindless or clear or errors)
    if error is not None:
        told = _explained(error, schema)
        raise InputError(f"Config key {_dotted(error.absolute_path)}: {told}")
    for mapping in settings.values():
        ordered = sorted(mapping.items(), key=lambda item: str(item[0]))
        mapping.clear()
        mapping.update(ordered)
    return filled


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    """All mappings within a value, itself included."""
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for below in value.values() if isinstance(value, dict) else value:
            yield from _mappings(below)


def _apart(value: Any) -> Any:
    """A copy in which nothing stands twice: what YAML's anchors share has defaults of its own."""
    if isinstance(value, Mapping):
        return {key: _apart(below) for key, below in value.items()}
    return [_apart(below) for below in value] if isinstance(value, list) else value


def models_of(schema: Mapping[str, Any], domain: str) -> dict[str, Any]:
    """The schema of a domain's models, by name."""
    models = {"$ref": f"#/$defs/{domain}_model"}
    return {"type": "object", "additionalProperties": models, "$defs": schema["$defs"]}


def _dotted(path: Any) -> str:
    return ".".join(str(part) for part in path) or "(the whole file)"


def _explained(error: Any, schema: Mapping[str, Any]) -> str:
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        names = re.findall(r"'([^']*)'", error.message.partition("(")[2])
        return (
            f"it does not know {', '.join(names)}; it may hold {', '.join(_known(error, schema))}."
        )
    if error.validator == "required":
        missing = re.findall(r"'([^']*)'", error.message)[0]
        return f"it lacks the key {missing!r}."
    if error.validator == "pattern":
        return f"{error.instance!r} must match {error.validator_value}."
    if error.validator == "enum":
        return f"{error.instance!r} is none of {', '.join(map(str, error.validator_value))}."
    if error.validator == "type":
        return f"{error.message}{_remedy(error.instance, error.validator_value)}."
    return f"{error.message}."


def _remedy(value: Any, kind: str) -> str:
    """What to write for a value that YAML takes for another kind of thing than is asked for."""
    written = EXPONENT.fullmatch(value) if isinstance(value, str) else None
    if written and kind == "number":
        number = f"{written['whole']}{written['part'] or '.0'}e{written['sign'] or '+'}"
        return f", but text to YAML: write {number}{written['power']}"
    if kind == "integer" and (written or isinstance(value, float)):
        return f": write {int(float(value))}" if float(value).is_integer() else ""
    if value is None:
        return ": give it a value, or leave the key out"
    if kind == "boolean":
        return ": write true or false"
    if kind == "object":
        return ": write keys with values, as {key: value}"
    return ": put it in quotes" if kind == "string" and not isinstance(value, dict | list) else ""


def _known(error: Any, schema: Mapping[str, Any]) -> list[str]:
    """The keys that a mapping may hold, given its kind, or what else they depend on."""
    known = set(error.schema.get("properties", {}))
    for branch in error.schema.get("allOf", []):
        [(name, asked)] = branch["if"]["properties"].items()
        if error.instance.get(name) in asked.get("enum", [asked.get("const")]):
            known |= set(branch["then"].get("properties", {}))
            if "$ref" in branch["then"]:
                common = schema["$defs"][branch["then"]["$ref"].rpartition("/")[2]]
                known |= set(common["properties"])
    return sorted(known)
