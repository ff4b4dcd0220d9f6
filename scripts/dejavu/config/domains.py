"""The two domains: their sets, which of them are measured, and what their queries ask.

Standard library only: the Snakefile imports it, and every job pays for that.
"""

from collections.abc import Mapping
from typing import Any

from dejavu.config.kinds import CLIP_LIKE, IMAGE_ENCODERS
from dejavu.config.plan_vision import predictors_in_tests
from dejavu.config.plan_vlm import models_in_tests, query_of
from dejavu.config.replicates import Config, Plan, path_names

SETS = {
    "vlm": ("target", "reference", "public", "control"),
    "vision": ("A", "B", "shared", "public", "control"),
}
# The sets whose samples are asked about; the others are searched, or trained on.
MEASURED = {"vlm": ("target", "reference", "control"), "vision": ("A", "B", "control")}
QUERY_INPUTS = {"t2i": "image", "t2t": "caption", "crop": "image"}


def useful_models(name: str, domain: Config) -> list[str]:
    """The measured models of a domain that have a task which tells what they are good for."""
    models = domain["models"]
    if name == "vlm":
        used, kinds = models_in_tests(domain), set(CLIP_LIKE)
    else:
        used, kinds = predictors_in_tests(domain), set(IMAGE_ENCODERS)
    return [model for model in used if models.get(model, {}).get("kind") in kinds]


def searches(domain: str, settings: Config) -> list[Plan]:
    """Each `model` of the tests that searches, with the `query`; `name`: its first replicate's."""
    models = settings["models"]
    if domain == "vision":
        asked = [
            (name, "crop")
            for name in predictors_in_tests(settings)
            if name in models and models[name]["kind"] != "classifier"
        ]
    else:
        asked = [
            (model, query_of(test, role, query, models))
            for model in models_in_tests(settings)
            for query in settings["queries"]
            for test in settings["tests"].values()
            for role in ("target", "reference")
            if test[role] == model
        ]
    return [
        {"model": model, "query": query, "name": path_names(model, models[model])[0]}
        for model, query in dict.fromkeys(asked)
    ]


def searched_for_duplicates(domain: str, sets: Config) -> dict[str, list[str]]:
    """For each measured set those in which its near-duplicates are looked for, each pair once."""
    measured = [name for name in MEASURED[domain] if name in sets]
    others = [name for name in SETS[domain] if name in sets and name not in measured]
    return {name: measured[place:] + others for place, name in enumerate(measured, 1)}


def headline_sets(domain: Config) -> dict[str, str]:
    """The set whose row is the headline, by kind of test (method: §3).

    Without control nothing is calibrated, and one-model tests have their raw score alone.
    """
    return {
        "two_model": "symmetric",
        "one_model": "calibrated" if "control" in domain["sets"] else "target",
    }


def in_order(domain: str, sets: Mapping[str, Any]) -> list[str]:
    """The sets that a config has, in the domain's order, which hash ranges and numbers follow."""
    return [name for name in SETS[domain] if name in sets]
