"""The config against its schema: defaults filled in, and every wrong key told in a sentence."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dejavu.errors import InputError


def complete(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Check a config against the schema and fill in its defaults.

    Raises:
        InputError: naming the first key that is wrong, what is wrong with it and what is allowed.
    """
    import copy

    import jsonschema
    from jsonschema import Draft202012Validator

    plain = Draft202012Validator.VALIDATORS["properties"]

    def fill_defaults(
        validator: Any, properties: Any, instance: Any, schema: Any
    ) -> Iterator[jsonschema.ValidationError]:
        if isinstance(instance, dict):
            for key, rules in properties.items():
                if "default" in rules:
                    instance.setdefault(key, copy.deepcopy(rules["default"]))
        yield from plain(validator, properties, instance, schema)

    filling = jsonschema.validators.extend(Draft202012Validator, {"properties": fill_defaults})
    filled = copy.deepcopy(dict(config))
    errors = list(filling(schema).iter_errors(filled))
    # Where the kind is wrong or missing, every other key of the mapping looks unknown or missing.
    kindless = [error for error in errors if error.message == "'kind' is a required property"]
    clear = [error for error in errors if error.validator != "unevaluatedProperties"]
    error = jsonschema.exceptions.best_match(kindless or clear or errors)
    if error is not None:
        told = _explained(error, schema)
        raise InputError(f"Config key {_dotted(error.absolute_path)}: {told}")
    return filled


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
    return f"{error.message}."


def _known(error: Any, schema: Mapping[str, Any]) -> list[str]:
    """The keys that a mapping may hold, given its kind."""
    known = set(error.schema.get("properties", {}))
    for branch in error.schema.get("allOf", []):
        [kinds] = branch["if"]["properties"].values()
        if error.instance.get("kind") in kinds.get("enum", [kinds.get("const")]):
            known |= set(branch["then"].get("properties", {}))
            if "$ref" in branch["then"]:
                common = schema["$defs"][branch["then"]["$ref"].rpartition("/")[2]]
                known |= set(common["properties"])
    return sorted(known)
