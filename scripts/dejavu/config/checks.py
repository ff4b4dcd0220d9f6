"""What a schema can't say of a config: every mistake is told before work starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dejavu.config import checks_vision, checks_vlm
from dejavu.errors import InputError

CHECKS = {"vlm": checks_vlm.check, "vision": checks_vision.check}


def check(config: Mapping[str, Any], base: Path) -> None:
    """Check what a schema can't say: names that refer to each other, paths, sets that fit.

    Args:
        config: the completed config.
        base: the folder that the config's relative paths start from.

    Raises:
        InputError: naming the key and the remedy.
    """
    if not CHECKS.keys() & config.keys():
        raise InputError(
            "The config measures nothing: give it `vlm` for captions or `vision` for crops, as"
            " config.yaml does."
        )
    for domain, check_domain in CHECKS.items():
        if domain in config:
            check_domain(config[domain], base)
