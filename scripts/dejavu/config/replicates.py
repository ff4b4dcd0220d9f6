"""Seeds: how the replicates of a model stand in paths and rows.

Standard library only: the Snakefile imports it, and every job pays for that.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dejavu.config.kinds import MODELS

Config = Mapping[str, Any]
Plan = dict[str, Any]


def seeds(settings: Config) -> Sequence[int]:
    """A model's training seeds; a model that is not trained here has one."""
    return settings.get("seeds", (0,))


def path_names(model: str, settings: Config) -> list[str]:
    """How a model stands in paths: once for each of its seeds, where it is trained here.

    One seed stands there as several do: a seed that is added renames none.
    """
    if not is_trained(settings):
        return [model]
    return [f"{model}_s{seed}" for seed in seeds(settings)]


def is_trained(settings: Config) -> bool:
    """Whether the workflow trains a model; Naive Bayes, which has no settings, is fitted."""
    return "kind" in settings and MODELS[settings["kind"]].trained


def model_of(path_name: str, models: Config) -> str:
    """The model that a path name belongs to."""
    return path_name if path_name in models else path_name.rpartition("_s")[0]


def seed_of(path_name: str, models: Config) -> int:
    """The training seed that a path name stands for."""
    model = model_of(path_name, models)
    place = path_names(model, models[model]).index(path_name)
    return seeds(models[model])[place]


def replicates(target: Config, reference: Config) -> dict[str, list[int]]:
    """For each value of the column `replicate` the places of the seeds that it is made of."""
    several = max(seeds(target), seeds(reference), key=len)
    rows = {str(seed if len(several) > 1 else 0): [place] for place, seed in enumerate(several)}
    return {**rows, "pooled": list(range(len(several)))} if len(several) > 1 else rows


def trainings(models: Config, used: Sequence[str]) -> list[tuple[str, int, str]]:
    """Name, seed and path name of each training of those models that are trained here."""
    return [
        (model, seed, name)
        for model, settings in models.items()
        if model in used and is_trained(settings)
        for seed, name in zip(seeds(settings), path_names(model, settings), strict=True)
    ]


def replicated(name: str, settings: Config, count: int) -> list[str]:
    """Path names of a predictor's replicates; one with a single seed serves all of them."""
    names = path_names(name, settings)
    return names * count if len(names) == 1 else names
