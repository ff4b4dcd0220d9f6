"""The digest of a config: what tables and pictures carry to tell what made them.

Standard library only: the Snakefile imports it.
"""

import copy
import hashlib
import json

from dejavu.config.domains import DOMAINS
from dejavu.config.replicates import Config

# What changes no result: whether weights may be fetched, when a run stops, how many threads work.
WITHOUT_EFFECT = ("allow_download",)
WITHOUT_EFFECT_IN_DOMAINS = ("max_rejected", "embedding.threads")


def config_digest(config: Config, domain: str | None) -> str:
    """Hash what of a config may change a domain's results: its section, the seed and the like.

    Args:
        config: completed with its defaults.
        domain: its key; None for what is of all domains.

    Returns:
        32 hexadecimal digits, the same for a config whose keys stand in another order.
    """
    others = DOMAINS.keys() - {domain} if domain else set()
    left = {key: value for key, value in config.items() if key not in {*others, *WITHOUT_EFFECT}}
    left = copy.deepcopy(left)
    for section in (left[key] for key in left if key in DOMAINS):
        for key in WITHOUT_EFFECT_IN_DOMAINS:
            *parents, last = key.split(".")
            place = section
            for parent in parents:
                place = place.get(parent, {})
            place.pop(last, None)
    text = json.dumps(left, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
