"""What a run costs besides its work: planning, finding nothing to do, starting scripts."""

import copy
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
TABLE = "results/tables/vlm_ppg.csv"
SHARDS, PARTS, TIMES = 70, 9_999, 5
# Run as a job's script is, and say how long the imports took and whether PyTorch was one of them.
START = """
import runpy, sys, time
snakemake = None
begun = time.perf_counter()
sys.path.insert(0, sys.argv[1].rpartition("/")[0])
runpy.run_path(sys.argv[1])
print(time.perf_counter() - begun, "torch" in sys.modules)
"""


def main() -> None:
    """Print seconds; the medians of several runs."""
    plan()
    nothing_to_do()
    starts()


def plan() -> None:
    """Plan the default table with many shards a set, and with a source of many parts."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        many_shards, many_parts = copy.deepcopy(config), copy.deepcopy(config)
        for settings in many_shards["vlm"]["sets"].values():
            settings["shards"] = SHARDS
        tars = Path(folder) / "tars"
        tars.mkdir()
        for number in range(PARTS):
            (tars / f"{number:04d}.tar").touch()
        for name in many_parts["vlm"]["sources"]:
            many_parts["vlm"]["sources"][name] = {
                "kind": "img2dataset",
                "path": str(tars),
                "parts": PARTS,
            }
        print_plan(f"{SHARDS} shards a set", folder, many_shards)
        print_plan(f"{PARTS} parts of the source", folder, many_parts)


def print_plan(what: str, folder: str, config: dict[str, Any]) -> None:
    """Print how long the plan of a config takes."""
    path = Path(folder) / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    command = ["-n", "--configfile", str(path), "--directory", folder, TABLE]
    jobs = next(
        int(line.split()[1])
        for line in snakemake(*command, "--quiet", "rules").splitlines()
        if line.startswith("total")
    )
    taken = statistics.median(seconds(*command, "--quiet", "all") for _ in range(TIMES))
    print(f"{what}: {jobs} jobs planned in {taken:.1f} s: {1000 * taken / jobs:.1f} ms a job")


def nothing_to_do() -> None:
    """Ask for the default table where it is there already."""
    asked = ["--cores", "1", TABLE]
    if not (ROOT / TABLE).is_file() or "Nothing to be done" not in snakemake("-n", *asked):
        print(f"nothing to be done: not timed, {TABLE} of the default is not there (make table)")
        return
    taken = statistics.median(seconds(*asked) for _ in range(TIMES))
    print(f"nothing to be done in {taken:.1f} s")


def starts() -> None:
    """Import what each script imports."""
    found: dict[bool, list[tuple[float, str]]] = {True: [], False: []}
    for script in sorted((ROOT / "scripts").glob("*.py")):
        done = run(sys.executable, "-c", START, str(script))
        taken, with_torch = done.split()
        found[with_torch == "True"].append((float(taken), script.stem))
    for with_torch, times in found.items():
        longest, name = max(times)
        middle = statistics.median(taken for taken, _ in times)
        print(
            f"{len(times)} scripts {'with' if with_torch else 'without'} PyTorch start in"
            f" {middle:.2f} s, the slowest ({name}) in {longest:.2f} s"
        )


def seconds(*arguments: str) -> float:
    """Wall time of one Snakemake."""
    begun = time.perf_counter()
    snakemake(*arguments)
    return time.perf_counter() - begun


def snakemake(*arguments: str) -> str:
    """All that Snakemake prints."""
    return run(
        sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *arguments
    )


def run(*command: str) -> str:
    """All that a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout + done.stderr


if __name__ == "__main__":
    main()
