"""Checks that both domains share: names, sources, checkpoints."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dejavu.errors import InputError

NAME = re.compile(r"[a-z0-9_]+")
SEED_SUFFIX = re.compile(r".*_s[0-9]+")


def check_names(
    domain: Mapping[str, Any], where: str, groups: tuple[str, ...] = ("sources", "models", "tests")
) -> None:
    """Check that names can stand in paths."""
    for group in groups:
        for name in domain[group]:
            # YAML reads 1 and true, without quotes, as something else than strings.
            allowed = isinstance(name, str) and NAME.fullmatch(name)
            if not allowed or SEED_SUFFIX.fullmatch(name):
                raise InputError(
                    f"Config key {where}.{group}.{name}: a name may hold a-z, 0-9 and _, must be"
                    " a string (digits alone need quotes) and must not end in _s and digits: rename"
                    " it."
                )


def check_sources(domain: Mapping[str, Any], where: str) -> None:
    """Check that every set takes its samples from a source that is there."""
    for name, settings in domain["sets"].items():
        if settings["source"] not in domain["sources"]:
            raise InputError(
                f"Config key {where}.sets.{name}.source: there is no source"
                f" {settings['source']!r}; {where}.sources has {', '.join(domain['sources'])}."
            )


def check_checkpoints(domain: Mapping[str, Any], where: str, base: Path) -> None:
    """Check that files of weights are there."""
    for name, model in domain["models"].items():
        checkpoint = model.get("checkpoint")
        if checkpoint is not None and not (base / checkpoint).is_file():
            raise InputError(
                f"Config key {where}.models.{name}.checkpoint: there is no file"
                f" {base / checkpoint}; relative paths start from the folder of the Snakefile."
            )
