"""How much of a list would a twin that never saw the members put there? In worlds that are trained.

`python -m tests.certify.trained results/trained` runs the default measurement of captions in worlds
whose pictures, sets and trainings are their own, each in a folder that a later call finds finished.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from dejavu.audits import evidence
from dejavu.files.parquet import column_strings, read_parquet
from dejavu.samples.hashes import row_of
from dejavu.scores.families import benjamini_hochberg
from dejavu.scores.recovered import Recovered, settings

ROOT = Path(__file__).parents[2]
SETTINGS = settings([1, 10, 100], ["top1", "top10", "all"], ["all", "unnamed"])
# Of the hash that tells which controls teach.
KEYS = range(10)
RATES = (0.05, 0.1, 0.2)
FEATURES = ("objects", "any")
HEADER = "| features | rate | with a list | mean length | twin | worst | calibrated twin | worst |"


def measure(folder: Path, world: int, cores: str) -> None:
    """Run the default measurement of captions with a world's seeds."""
    vlm = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["vlm"]
    for audit in ("utility", "contamination"):
        del vlm[audit]
    vlm["sources"]["world"]["seed"] = world
    for name in ("clip_a", "clip_b"):
        vlm["models"][name] = {**vlm["models"][name], "seeds": [world]}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"seed": world, "vlm": vlm}), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", str(path), "--cores", cores]
    subprocess.run([*command, "--quiet=rules", "results/tables/vlm_ppg.csv"], check=True)


def seen(folder: Path, model: str, name: str, features: str, key: int) -> evidence.Shard:
    """What a one-model test of a model shows of a set that is one shard."""
    found = folder / "results/vlm"
    asked = ((model, "t2i"), ("minilm", "t2t"), (model, "t2t"))
    sides = [Recovered.read(f"{found}/recovered/{m}/{q}/{name}/0000.parquet") for m, q in asked]
    chosen = np.any([sides[0].scored(setting) for setting in SETTINGS], axis=0)
    numbers = sides[0].samples[chosen]
    records = read_parquet(f"{found}/samples/{name}/0000.parquet", ["id"])
    ids = column_strings(records.take(row_of(numbers)), "id")
    return evidence.Shard(
        numbers,
        evidence.image_hashes(ids, key),
        evidence.own_hashes(ids, key),
        evidence.caption_features(sides, SETTINGS, features == "any")[chosen],
    )


def realized(
    folder: Path, members: str, models: Sequence[str], features: str, key: int
) -> list[list[int]]:
    """For each rate, how many members are listed, and as how many a twin would have them.

    The twin, the second of the models, never saw the members, and takes the first one's place
    before the same regression and cut-off: with its scores as they are, and calibrated by its own
    of the controls, which takes off by how much two trainings differ on everything. No sample
    weighs more than another, as the sets are parts of one source.
    """
    sides = [seen(folder, m, name, features, key) for m in models for name in (members, "control")]
    learned = evidence._learned(lambda _: [sides[0]], lambda _: [sides[1]])
    listed, control, twins, twin_control = (
        evidence.Weighed(*evidence._weighed(side, learned, None)) for side in sides
    )
    p = evidence.member_p_values(listed, control)
    of_twin = [evidence.member_p_values(twins, each) for each in (control, twin_control)]
    return [counts(p, of_twin, rate) for rate in RATES]


def counts(
    p: NDArray[np.float64], of_twin: Sequence[NDArray[np.float64]], rate: float
) -> list[int]:
    """How many p-values [m] a list of a rate holds, and how many others [m] each are as low."""
    cut = p[benjamini_hochberg(p) <= rate].max(initial=-1.0)
    return [int(np.count_nonzero(each <= cut)) for each in (p, *of_twin)]


def row(features: str, rate: float, worlds: np.ndarray) -> str:
    """A row of the table: of int64 [worlds, lists, 3], means over the lists, then the worlds."""
    listed = worlds[..., 0]
    cells = [f"`{features}`", f"{rate:g}", f"{np.mean(listed > 0):.2f}", f"{listed.mean():.1f}"]
    for of_twin in (worlds[..., 1], worlds[..., 2]):
        # Of an empty list nothing is false.
        parts = (of_twin / np.maximum(listed, 1)).mean(axis=1)
        error = parts.std(ddof=1) / np.sqrt(len(parts))
        cells += [f"{parts.mean():.3f} ± {error:.3f}", f"{parts.max():.3f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run the worlds, count, and print a table."""
    parser = argparse.ArgumentParser("python -m tests.certify.trained", description=__doc__)
    parser.add_argument("folder", type=Path, help="to work in")
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--cores", default="all")
    asked = parser.parse_args()
    found: dict[str, list[list[list[list[int]]]]] = {features: [] for features in FEATURES}
    for world in range(1, asked.worlds + 1):
        folder = asked.folder.resolve() / f"w{world}"
        measure(folder, world, asked.cores)
        a, b = f"clip_a_s{world}", f"clip_b_s{world}"
        # Each is the other's twin.
        ways = [(*way, key) for way in (("target", (a, b)), ("reference", (b, a))) for key in KEYS]
        for features, worlds in found.items():
            worlds.append([realized(folder, *way, features, key) for *way, key in ways])
    print(HEADER, "| --- " * 8 + "|", sep="\n")
    for features, worlds in found.items():
        for place, rate in enumerate(RATES):
            print(row(features, rate, np.array(worlds)[:, :, place]))


if __name__ == "__main__":
    main()
