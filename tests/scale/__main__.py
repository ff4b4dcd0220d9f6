"""Rehearse the measurement at a size of one's own, without models: python -m tests.scale --help.

Embeddings, samples and labels are made up in the contract's files; the workflow itself then builds
indexes, neighbours, tables and evidence from them, and the driver sums up what its jobs took.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from dejavu.config import records
from dejavu.files.facts import write_json
from dejavu.scores import recovered
from tests.scale import jobs, synthetic

ROOT = Path(__file__).parents[2]

TABLES = [
    *("vlm_ppg", "vlm_checks", "vlm_samples", "vlm_memorized"),
    *("vlm_evidence", "vlm_discoveries", "vlm_groups"),
]
STAGES = [
    *("build_index", "find_neighbors", "recover_objects", "blind"),
    *("vlm_ppg", "vlm_checks", "vlm_samples", "vlm_memorized"),
    *("weigh_captions", "evidence", "discoveries", "vlm_groups"),
]
MEASURED = ["target", "control"]


def arguments() -> argparse.Namespace:
    """What the user asks for."""
    parser = argparse.ArgumentParser("python -m tests.scale", description=__doc__)
    parser.add_argument("--targets", type=int, default=10_000, help="samples that are queried")
    parser.add_argument("--controls", type=int, help="samples of control; a tenth of the targets")
    parser.add_argument("--public", type=int, default=100_000, help="samples that are searched")
    parser.add_argument("--dimension", type=int, default=512, help="of the embeddings")
    parser.add_argument("--k", type=int, default=100, help="neighbours; 1 and 10 vote too")
    parser.add_argument("--objects", type=float, default=20, help="labels a picture, on average")
    parser.add_argument("--labels", type=int, default=synthetic.LABELS, help="in all")
    parser.add_argument("--target-shards", type=int, default=2)
    parser.add_argument("--public-shards", type=int, default=4)
    parser.add_argument("--tables-only", action="store_true", help="make up the predictions too")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--directory", type=Path, default="results/scale", help="to work in")
    asked = parser.parse_args()
    if asked.controls is None:
        asked.controls = asked.targets // 10
    return asked


def models(asked: argparse.Namespace) -> tuple[synthetic.Model, synthetic.Model]:
    """A target model that is less sharp on control, and a weaker text reference."""
    return (
        synthetic.Model("made_up", asked.dimension, "t2i", noise_of_control=1.5),
        synthetic.Model("made_up_text", asked.dimension, "t2t", noise=1.5),
    )


def sizes(asked: argparse.Namespace) -> dict[str, list[int]]:
    """Rows of each shard of the sets."""
    # Shards of control are as large as those of the targets, or smaller.
    control_shards = -(-asked.controls * asked.target_shards // asked.targets)
    return {
        "target": synthetic.shard_sizes(asked.targets, asked.target_shards),
        "public": synthetic.shard_sizes(asked.public, asked.public_shards),
        "control": synthetic.shard_sizes(asked.controls, control_shards),
    }


def votes(asked: argparse.Namespace) -> list[int]:
    """The numbers of neighbours that vote."""
    return [k for k in jobs.KS if k < asked.k] + [asked.k]


def write_config(folder: Path, asked: argparse.Namespace) -> Path:
    """The config of a measurement whose embeddings are there already."""
    (folder / "nothing.csv").write_text("id,image,caption,objects\n")
    (folder / "nothing.safetensors").write_text("")
    target, reference = models(asked)
    vlm = {
        "sources": {"made_up": {"kind": "table", "path": str(folder / "nothing.csv")}},
        "sets": {
            name: {"source": "made_up", "fraction": 0.3, "shards": len(shards)}
            for name, shards in sizes(asked).items()
        },
        "models": {
            target.name: {
                "kind": "open_clip",
                "architecture": "ViT-B-32",
                "checkpoint": str(folder / "nothing.safetensors"),
            },
            reference.name: {"kind": "sentence_transformers", "model": "made up"},
        },
        "k": votes(asked),
        "queries": ["t2i"],
        "tests": {
            "one_model": {
                "kind": "one_model",
                "target": target.name,
                "reference": reference.name,
            }
        },
        "blind": {"model": reference.name},
        "groups": ["object", "caption_length", "rarity", "typicality"],
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"vlm": vlm}, sort_keys=False))
    return path


def write_inputs(folder: Path, asked: argparse.Namespace) -> None:
    """Write all that models and sources would have given."""
    of_sets = sizes(asked)
    # In the order of the rules: what is older than its input would be made anew.
    for name in MEASURED:
        synthetic.write_records(folder, name, of_sets[name])
    synthetic.write_vocabulary(folder, asked.labels)
    for name, shards in of_sets.items():
        synthetic.write_samples(folder, name, shards, asked.objects, asked.labels)
    write_json(folder / "results/vlm/sets.json", of_sets)
    target, reference = models(asked)
    # The reference is the blind baseline's encoder, too.
    for model in [reference] if asked.tables_only else [target, reference]:
        for name in MEASURED:
            synthetic.write_embeddings(folder, model, "caption", name, of_sets[name])
    for model in (target, reference):
        if not asked.tables_only:
            synthetic.write_embeddings(folder, model, model.searched, "public", of_sets["public"])
            continue
        settings = recovered.settings(votes(asked), jobs.PREDICT, jobs.OBJECTS)
        for name in MEASURED:
            synthetic.write_recovered(folder, model, name, of_sets[name], settings)


def record(folder: Path) -> None:
    """Tell Snakemake of the files that are there already, as of results without parameters."""
    for path in (folder / "results").rglob("*"):
        if path.is_file():
            place = folder / records.RECORDS / records.name_of(str(path.relative_to(folder)))
            place.parent.mkdir(parents=True, exist_ok=True)
            made = path.stat().st_mtime
            told = {"params": [], "input": [], "starttime": made, "endtime": made}
            place.write_text(json.dumps(told), encoding="utf-8")


def run_workflow(folder: Path, config: Path, cores: int) -> None:
    """Build the tables by the workflow, from files that no parameters made."""
    record(folder)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--rerun-triggers", "mtime", "--cores", str(cores)]
    command += ["--quiet=rules"]
    command += [f"results/tables/{name}.csv" for name in TABLES]
    subprocess.run([*command, "--configfile", str(config)], check=True, cwd=folder)


def summary(folder: Path) -> list[dict[str, object]]:
    """What the jobs of each rule took, from their benchmark files."""
    rows = []
    for rule in STAGES:
        files = sorted((folder / "results/benchmarks" / rule).glob("*.jsonl"))
        found = [json.loads(path.read_text().splitlines()[-1]) for path in files]
        if found:
            rows.append(
                {
                    "rule": rule,
                    "jobs": len(found),
                    "cpu_seconds": round(sum(each["cpu_time"] for each in found), 1),
                    "longest_seconds": round(max(each["s"] for each in found), 1),
                    "peak_mb": round(max(each["max_rss"] for each in found)),
                }
            )
    return rows


def megabytes(folder: Path) -> dict[str, float]:
    """Disk that each kind of file takes."""
    found = {}
    for kind in sorted((folder / "results/vlm").iterdir()):
        if kind.is_dir():
            bytes_of_kind = sum(path.stat().st_size for path in kind.rglob("*") if path.is_file())
            found[kind.name] = round(bytes_of_kind / 1e6, 1)
    return found


def main() -> None:
    """Make up, run, sum up."""
    asked = arguments()
    folder = asked.directory.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    config = write_config(folder, asked)
    write_inputs(folder, asked)
    run_workflow(folder, config, asked.cores)
    print(f"{'rule':16} {'jobs':>5} {'CPU s':>9} {'longest s':>10} {'peak MB':>8}")
    for row in summary(folder):
        values = (row[key] for key in ("jobs", "cpu_seconds", "longest_seconds", "peak_mb"))
        print("{:16} {:5} {:9} {:10} {:8}".format(row["rule"], *values))
    print("disk, MB:", ", ".join(f"{kind} {size}" for kind, size in megabytes(folder).items()))


main()
