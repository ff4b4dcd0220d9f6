"""Paths below results/ that code, and not rules alone, must know.

Standard library only: the Snakefile imports it, and every job pays for that.
"""


def shard_name(shard: int) -> str:
    """How a shard stands in paths."""
    return f"{shard:04d}"


def recovered_path(model: str, query: str, set_name: str, shard: int) -> str:
    """Counts of recovered objects of one shard under one model."""
    return f"results/vlm/recovered/{model}/{query}/{set_name}/{shard_name(shard)}.parquet"


def prediction_path(predictor: str, set_name: str) -> str:
    """Predictions of one predictor, by its path name, on the crops of a set."""
    return f"results/vision/predictions/{predictor}/{set_name}.parquet"
