"""Configs of runs that are planned, or were made, as the workflow completes them."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dejavu.config import reading, schema, sweeps
from dejavu.config.domains import DOMAINS
from dejavu.errors import InputError

BASE = Path(__file__).parents[3]


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Two configs as one, where the second's keys take the place of the first's."""
    found = dict(one)
    for key, value in other.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = merged(found[key], value) if both else value
    return found


def completed(*paths: str | Path) -> dict[str, Any]:
    """A config, of one file or several, with its defaults and a model for each point of its sweeps.

    Raises:
        InputError: it cannot be read, or is wrong.
    """
    given: dict[str, Any] = {}
    for path in paths:
        if not Path(path).is_file():
            raise InputError(f"{path} does not exist: name the config of the run that is planned.")
        reading.check(path)
        given = merged(given, reading.load(path) or {})
    rules = schema.read(BASE / "rules/schemas/config.schema.yaml")
    config = schema.complete(given, rules)
    for domain in (name for name in DOMAINS if name in config):
        complete = functools.partial(schema.complete, schema=schema.models_of(rules, domain))
        config[domain] = sweeps.expanded(config[domain], domain, given[domain]["models"], complete)
    return config
