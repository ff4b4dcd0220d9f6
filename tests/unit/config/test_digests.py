"""The digest of a config: of what may change a result, and of nothing else."""

import copy
from pathlib import Path

import pytest

from dejavu.config.digests import config_digest

BASE = Path()
CONFIG = {
    "seed": 0,
    "allow_download": False,
    "smallest": {"gap": 0.02},
    "vlm": {"k": [1, 10], "max_rejected": 0.1, "embedding": {"batch": 2, "threads": 1}},
    "vision": {
        "k": 50,
        "models": {"net": {"kind": "ssl", "epochs": 3}},
        "sources": {"photographs": {"kind": "imagenet", "path": "data/here", "parts": 2}},
    },
}


def changed(key, value):
    config = copy.deepcopy(CONFIG)
    *parents, last = key.split(".")
    place = config
    for parent in parents:
        place = place[parent]
    place[last] = value
    return config


@pytest.mark.parametrize(
    ("key", "value", "of"),
    [
        ("seed", 1, {"vlm", "vision", None}),
        ("smallest.gap", 0.5, {"vlm", "vision", None}),
        ("vlm.k", [1], {"vlm", None}),
        ("vlm.embedding.batch", 3, {"vlm", None}),
        ("vision.models.net.epochs", 4, {"vision", None}),
        ("allow_download", True, set()),
        ("vision.sources.photographs.path", "/data/there", set()),
        ("vision.sources.photographs.parts", 3, {"vision", None}),
        ("vlm.max_rejected", 0.2, set()),
        ("vlm.embedding.threads", 8, set()),
    ],
)
def test_a_digest_changes_with_what_may_change_its_domain(key, value, of):
    before, after = CONFIG, changed(key, value)
    other = {each for each in ("vlm", "vision", None)
             if config_digest(before, each, BASE) != config_digest(after, each, BASE)}  # fmt: skip
    assert other == of


def test_a_digest_does_not_depend_on_the_order_of_keys_and_changes_no_config():
    reverse = dict(reversed(CONFIG.items()))
    assert config_digest(reverse, None, BASE) == config_digest(CONFIG, None, BASE)
    assert CONFIG["vlm"]["max_rejected"] == 0.1 and CONFIG["vlm"]["embedding"]["threads"] == 1


def test_sweeps_change_the_digest_of_their_own_results_alone():
    swept = changed("vlm.sweeps", {"votes": {"k": [1, 10]}})
    swept["vlm"]["contrasts"] = [["a", "b"]]
    for domain in ("vlm", "vision", None):
        assert config_digest(swept, domain, BASE) == config_digest(CONFIG, domain, BASE)
    of_sweeps = [config_digest(each, "vlm", BASE, with_sweeps=True) for each in (swept, CONFIG)]
    assert of_sweeps[0] != of_sweeps[1] == config_digest(CONFIG, "vlm", BASE)
