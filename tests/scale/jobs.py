"""The jobs that the workflow would hand to its scripts, for runs of them without Snakemake.

A job is a mapping, so that it can be sent to another process; `run` makes it what a script expects.
Paths are relative to the folder that holds `results`.
"""

import importlib
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from dejavu.config import layout, plan_vlm
from tests.scale.synthetic import Model

Job = dict[str, Any]
Shards = Mapping[str, int]

KS, PREDICT, OBJECTS = [1, 10, 100], ["top1", "top10", "all"], ["all", "unnamed"]
SETTINGS = {"k": KS, "predict": PREDICT, "objects": OBJECTS, "seed": 0}


def run(script: str, job: Job) -> None:
    """Call a script's main."""
    parts = {
        name: SimpleNamespace(**value) if isinstance(value, dict) else value
        for name, value in job.items()
    }
    importlib.import_module(script).main(SimpleNamespace(**parts))


def of_set(kind: str, set_name: str, shards: Shards) -> list[str]:
    """The shards of a set's samples or records."""
    return [
        f"results/vlm/{kind}/{set_name}/{layout.shard_name(shard)}.parquet"
        for shard in range(shards[set_name])
    ]


def build_index(model: Model, shard: int) -> Job:
    """One public shard's index."""
    name = f"{model.name}/{model.searched}"
    return {
        "input": {
            "public": f"results/vlm/embeddings/{name}/public/{layout.shard_name(shard)}.parquet",
            "trained": [],
        },
        "output": [index_path(model, shard)],
        "params": {"metric": "cosine"},
    }


def index_path(model: Model, shard: int) -> str:
    """Where a public shard's index is."""
    return f"results/vlm/index/{model.name}/{model.searched}/{layout.shard_name(shard)}.faiss"


def list_path(folder: str) -> str:
    """Where the list of a folder's shards is."""
    return f"results/vlm/lists/{folder}.json"


def list_indexes(model: Model, shards: Shards) -> Job:
    """The list of the public shards' indexes."""
    return {
        "input": [index_path(model, place) for place in range(shards["public"])],
        "output": [list_path(f"index/{model.name}/{model.searched}")],
    }


def list_samples(shards: Shards) -> Job:
    """The list of the public samples."""
    return {
        "input": of_set("samples", "public", shards),
        "output": [list_path("samples/public")],
    }


def neighbors_path(model: Model, set_name: str, shard: int) -> str:
    """Where a shard's neighbours are."""
    return (
        f"results/vlm/neighbors/{model.name}/{model.query}/{set_name}/"
        f"{layout.shard_name(shard)}.parquet"
    )


def find_neighbors(model: Model, set_name: str, shard: int) -> Job:
    """The neighbours of one shard."""
    name = f"{model.name}/caption/{set_name}/{layout.shard_name(shard)}"
    return {
        "input": {
            "queries": f"results/vlm/embeddings/{name}.parquet",
            "indexes": list_path(f"index/{model.name}/{model.searched}"),
        },
        "output": [neighbors_path(model, set_name, shard)],
        "params": {"k": max(KS), "metric": "cosine", "approximate": False},
        "wildcards": {"query": model.query},
        "threads": 1,
    }


def recover_objects(model: Model, set_name: str, shard: int, shards: Shards) -> Job:
    """The recovered objects of one shard."""
    return {
        "input": {
            "neighbors": neighbors_path(model, set_name, shard),
            "samples": of_set("samples", set_name, shards)[shard],
            "public": list_path("samples/public"),
            "vocabulary": "results/vlm/vocabulary.json",
        },
        "output": [layout.recovered_path(model.name, model.query, set_name, shard)],
        "params": {**SETTINGS, "captions": "one"},
        "wildcards": {"set": set_name},
    }


def table(name: str, target: Model, reference: Model, shards: Shards) -> Job:
    """A table of the one-model test of two models."""
    models = {
        target.name: {"kind": "open_clip"},
        reference.name: {"kind": "sentence_transformers"},
    }
    test = {"kind": "one_model", "target": target.name, "reference": reference.name}
    vlm = {"models": models, "sets": shards, "queries": ["t2i"], "tests": {"one_model": test}}
    pair = {"query": "t2i"}
    for role, model in (("first", target), ("second", reference)):
        pair[role] = {"name": model.name, "model": model.name, "query": model.query}
    return {
        "input": {
            "recovered": [
                layout.recovered_path(model.name, model.query, set_name, shard)
                for model in (target, reference)
                for set_name in shards
                for shard in range(shards[set_name])
            ],
            "samples": of_set("samples", "target", shards),
            "left_out": [],
            "blind": [],
        },
        "output": [f"results/tables/{name}.csv"],
        "params": {
            **SETTINGS,
            "comparisons": list(plan_vlm.comparisons(vlm)),
            "pairs": [pair],
            "memorized": 100,
            "shift_components": None,
            "digest": "synthetic",
        },
    }
