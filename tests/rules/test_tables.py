"""Every table that a rule makes is asked for by some config, and every one asked for is made."""

import re

from dejavu.config import plan
from dejavu.config.domains import DOMAINS
from tests.rules.test_conventions import RULES

AUDITS = {"contamination": {}, "blind": {}, "utility": {}, "index": {"factory": "IVF64,Flat"}}
# As much as a config can ask for.
ALL = {
    "vlm": {
        "models": {"clip": {"kind": "open_clip"}, "text": {"kind": "sentence_transformers"}},
        "tests": {"one": {"kind": "one_model", "target": "clip", "reference": "text"}},
        "sets": {"target": {}, "control": {}},
        "groups": ["object"],
        "sweeps": {"one": {"target": "clip", "k": [1, 2], "taken": {"clip": ["clip"] * 2}}},
        **{"queries": ["t2i"], "k": [1, 2], "predict": ["all"], "objects": ["all"]},
        "headline": {},
        **AUDITS,
    },
    "vision": {
        "models": {"ssl": {"kind": "ssl"}},
        "tests": {
            "two_model": [],
            "one_model": {"targets": ["ssl"], "references": ["naive_bayes@1"]},
        },
        "sets": {"A": {}, "control": {}},
        "groups": ["label"],
        "sweeps": {"one": {"target": "ssl", "k": [1, 2], "taken": {"ssl": ["ssl"] * 2}}},
        "k": 2,
        **AUDITS,
    },
}


def made():
    """Names of the tables that stand in the outputs of rules, of either domain where both do."""
    outputs = "".join(
        re.search(r"^    output:\n((?: {8}.*\n)+)", rule, re.MULTILINE)[1]
        for rule in RULES.values()
    )
    patterns = re.findall(r'"results/tables/(.+)\.csv"', outputs)
    return sorted({pattern.format(domain=domain) for pattern in patterns for domain in DOMAINS})


def test_tables_that_rules_make_are_those_that_configs_can_ask_for():
    assert set(ALL) == set(DOMAINS)
    assert sorted(plan.tables(ALL)) == made()
