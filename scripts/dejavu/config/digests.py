"""The digest of a config: what tables and pictures carry to tell what made them.

Standard library only: the Snakefile imports it.
"""

import copy
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dejavu.config import paths
from dejavu.config.domains import DOMAINS
from dejavu.config.kinds import ANNOTATIONS, MODELS, SOURCES, TAGGERS
from dejavu.config.replicates import Config

# What changes no result: whether weights may be fetched, when a run stops, how many threads work.
WITHOUT_EFFECT = ("allow_download",)
WITHOUT_EFFECT_IN_DOMAINS = ("max_rejected", "embedding.threads")
# What changes results of its own alone.
OF_SWEEPS = ("sweeps", "contrasts")


def config_digest(config: Config, domain: str | None, base: Path, with_sweeps: bool = False) -> str:
    """Hash what of a config may change a domain's results: its section, the seed and the like.

    Where files lie changes none, and what they hold is told to the rules that read them.

    Args:
        config: completed with its defaults.
        domain: its key; None for what is of all domains.
        base: the folder that paths start from.
        with_sweeps: whether it is for results of sweeps and contrasts, which others ignore.

    Returns:
        32 hexadecimal digits, the same for a config whose keys stand in another order.
    """
    others = DOMAINS.keys() - {domain} if domain else set()
    left = {key: value for key, value in config.items() if key not in {*others, *WITHOUT_EFFECT}}
    left = {key: _placeless(left[key], base) if key in DOMAINS else left[key] for key in left}
    for section in (left[key] for key in left if key in DOMAINS):
        for key in (*WITHOUT_EFFECT_IN_DOMAINS, *(() if with_sweeps else OF_SWEEPS)):
            *parents, last = key.split(".")
            place = section
            for parent in parents:
                place = place.get(parent, {})
            place.pop(last, None)
    text = json.dumps(left, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _placeless(given: Config, base: Path) -> dict[str, Any]:
    """A copy of a domain's section without the paths of files."""
    section: dict[str, Any] = copy.deepcopy(dict(given))

    def without(settings: dict[str, Any], files: Sequence[paths.File]) -> dict[str, Any]:
        return paths.replaced(settings, files, base, lambda _, path: "")

    for name, source in section.get("sources", {}).items():
        record = SOURCES[source["kind"]]
        source = without(source, (*record.files, *record.later))
        annotations = source.get("annotations")
        if isinstance(annotations, dict) and "kind" in annotations:
            source["annotations"] = without(annotations, ANNOTATIONS[annotations["kind"]].files)
        section["sources"][name] = source
    for name, model in section.get("models", {}).items():
        section["models"][name] = without(model, MODELS[model["kind"]].files)
    if "kind" in section.get("tags", {}):
        section["tags"] = without(section["tags"], TAGGERS[section["tags"]["kind"]].files)
    return section
