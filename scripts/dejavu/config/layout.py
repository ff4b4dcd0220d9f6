"""Paths below results/ that code, and not rules alone, must know.

Jobs take the paths that they are handed, wherever these lie, and tell by their last parts what a
file holds. Standard library only: the Snakefile imports it, and every job pays for that.
"""

from collections.abc import Iterable
from pathlib import PurePath


def shard_name(shard: int) -> str:
    """How a shard stands in paths."""
    return f"{shard:04d}"


def recovered_path(model: str, query: str, set_name: str, shard: int) -> str:
    """Counts of recovered objects of one shard under one model."""
    return f"results/vlm/recovered/{model}/{query}/{set_name}/{shard_name(shard)}.parquet"


def prediction_path(predictor: str, set_name: str) -> str:
    """Predictions of one predictor, by its path name, on the crops of a set."""
    return f"results/vision/predictions/{predictor}/{set_name}.parquet"


def as_handed(planned: Iterable[str], handed: Iterable[str]) -> list[str]:
    """The paths that a job was handed for those of a plan, whose results may lie elsewhere."""
    given = list(handed)
    return [next(path for path in given if PurePath(path).match(each)) for each in planned]


def predictions_of(paths: Iterable[str]) -> dict[tuple[str, str], str]:
    """Files of predictions by predictor and set, wherever they lie."""
    return {(PurePath(path).parent.name, PurePath(path).stem): path for path in paths}


def shards_of(paths: Iterable[str]) -> dict[tuple[str, str, str], list[str]]:
    """Recovered objects, or neighbours, by model, query and set: the shards in order."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for path in sorted(paths, key=lambda path: int(PurePath(path).stem)):
        model, query, set_name = PurePath(path).parts[-4:-1]
        found.setdefault((model, query, set_name), []).append(path)
    return found
