"""How much of a list would a twin that never saw the members put there? In worlds that are trained.

`python -m tests.certify.trained results/trained` runs the default measurement of captions in worlds
whose pictures, sets and trainings are their own, each in a folder that a later call finds finished.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from snakemake.iocontainers import InputFiles

import weigh_captions
from dejavu.audits import evidence
from dejavu.config import plan_vlm, schema
from dejavu.scores.families import benjamini_hochberg

ROOT = Path(__file__).parents[2]
# Of the hash that tells which controls teach.
KEYS = range(10)
RATES = (0.05, 0.1, 0.2)
FEATURES = ("objects", "any")
SETS = ("target", "control")
HEADER = (
    "| features | rate | with a list | mean length | twin | worst | calibrated twin | worst |",
    "| --- " * 8 + "|",
)
Floats = NDArray[np.float64]


def config_of(world: int) -> dict[str, Any]:
    """The default measurement of captions, with a world's seeds."""
    vlm = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["vlm"]
    for audit in ("utility", "contamination"):
        del vlm[audit]
    vlm["sources"]["world"]["seed"] = world
    for name in ("clip_a", "clip_b"):
        vlm["models"][name] = {**vlm["models"][name], "seeds": [world]}
    return {"seed": world, "vlm": vlm}


def measure(folder: Path, config: dict[str, Any], cores: int) -> None:
    """Run a world up to its lists."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", str(path), "--cores", str(cores)]
    subprocess.run([*command, "--quiet=rules", "results/tables/vlm_discoveries.csv"], check=True)


def realized(
    folder: Path, config: dict[str, Any], features: str, twin: str, key: int
) -> np.ndarray:
    """How many members a list of the one-model test holds, and a twin would, int64 [rates, 3].

    The twin takes the target's place before the same regression and the same cut-off. Second, its
    scores are those that stand above it; third, they are first calibrated by the twin's own of the
    controls, which takes off by how much two trainings differ on everything.

    Args:
        folder: of a finished run.
        config: that it was made with.
        features: what the scores may use.
        twin: path name of a model like the target, that never saw the members.
        key: of the hash that tells which controls teach.
    """
    own, other = (job_of(folder, config, features, key, each) for each in (None, twin))
    sides = [partial(weigh_captions.shards, job, name) for job in (own, other) for name in SETS]
    [(facts, _)] = evidence.by_facts(_shards(folder, f"evidence/one_model/{features}/target"))
    odds = evidence._odds(*sides[:2], own.params.limit) if facts["weighted_by"] else None
    learned = evidence._learned(*sides[:2])
    members, control, twins, twin_control = (
        evidence.Weighed(*map(np.concatenate, zip(*parts, strict=True)))
        for side in sides
        for parts in [[evidence._weighed(each, learned, odds) for each in side(odds is not None)]]
    )
    p = evidence.member_p_values(members, control)
    as_low = [evidence.member_p_values(twins, each) for each in (control, twin_control)]
    return np.array([counts(p, as_low, rate) for rate in RATES])


def counts(p: Floats, of_twin: Sequence[Floats], rate: float) -> list[int]:
    """How many p-values [m] a list of a rate holds, and how many others [m] each are as low."""
    listed = p[benjamini_hochberg(p) <= rate]
    cut = listed.max(initial=-1.0)
    return [len(listed), *(int(np.count_nonzero(each <= cut)) for each in of_twin)]


def job_of(
    folder: Path, config: dict[str, Any], features: str, key: int, twin: str | None = None
) -> SimpleNamespace:
    """What `weigh_captions` would be given of the one-model test, with a twin for its target."""
    vlm = schema.complete(config, schema.read(ROOT / "rules/schemas/config.schema.yaml"))["vlm"]
    given = {"recovered": _shards(folder, "recovered/*/*/*"), "left_out": []}
    for name in SETS:
        given[f"{name}_samples"] = _shards(folder, f"samples/{name}")
        given[f"{name}_embeddings"] = _shards(folder, f"embeddings/minilm/caption/{name}")
    compared = [each for each in plan_vlm.comparisons(vlm) if each["test"] == "one_model"]
    for tally in (each["tallies"][name] for each in compared if twin for name in SETS):
        tally["target"] = {**tally["target"], "models": [twin]}
    params = {name: vlm[name] for name in ("k", "predict", "objects")}
    captions = dict.fromkeys(vlm["sets"], "one")
    limit = vlm["blind"]["samples"]
    return SimpleNamespace(
        input=InputFiles(fromdict=given),
        params=SimpleNamespace(
            **params, comparisons=compared, captions=captions, limit=limit, seed=key, digest=None
        ),
        wildcards=SimpleNamespace(features=features),
    )


def _shards(folder: Path, place: str) -> list[str]:
    return sorted(str(path) for path in folder.glob(f"results/vlm/{place}/*.parquet"))


def row(features: str, rate: float, worlds: np.ndarray) -> str:
    """A row of a table: of int64 [worlds, keys, 3], means over the keys and then the worlds."""
    listed = worlds[..., 0]
    cells = [f"{np.mean(listed > 0):.2f}", f"{listed.mean():.1f}"]
    for of_twin in (worlds[..., 1], worlds[..., 2]):
        # Of an empty list nothing is false.
        parts = (of_twin / np.maximum(listed, 1)).mean(axis=1)
        error = parts.std(ddof=1) / np.sqrt(len(parts))
        cells += [f"{parts.mean():.3f} ± {error:.3f}", f"{parts.max():.3f}"]
    return f"| `{features}` | {rate:g} | {' | '.join(cells)} |"


def main() -> None:
    """Run the worlds, count, and print a table."""
    parser = argparse.ArgumentParser("python -m tests.certify.trained", description=__doc__)
    parser.add_argument("folder", type=Path, help="to work in")
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    worlds = []
    for world in range(1, asked.worlds + 1):
        folder, config = asked.folder.resolve() / f"w{world}", config_of(world)
        measure(folder, config, asked.cores)
        twin = f"clip_b_s{world}"
        worlds.append(
            [[realized(folder, config, each, twin, key) for key in KEYS] for each in FEATURES]
        )
    print(*HEADER, sep="\n")
    for place, features in enumerate(FEATURES):
        for at, rate in enumerate(RATES):
            print(row(features, rate, np.array(worlds)[:, place, :, at]))


if __name__ == "__main__":
    main()
