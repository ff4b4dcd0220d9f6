"""The jobs of a run and how much work each has, before any of it is done.

Jobs are those of a dry-run; work is counted in samples, from the numbers of the sets.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

from dejavu.config import kinds, plan_vlm, replicates, sweeps
from dejavu.config.domains import DOMAINS
from dejavu.config.replicates import Config
from dejavu.costs.configs import BASE
from dejavu.errors import InputError

RULE = re.compile(r"(?:local)?rule (?P<name>\w+):")
FIELD = re.compile(r"    (?P<key>input|output|benchmark|wildcards): (?P<value>.*)")
SHARD = re.compile(r"\d{4}")
# How Snakemake tells what is wrong.
FAULT = re.compile(r"^\w*(?:Error|Exception)\b.*:\n(?P<sentence>.+)", re.MULTILINE)
# Rules that compare the samples of a shard with all that are searched.
SEARCHING = ("find_neighbors", "find_duplicates")
TRAINING = ("train_clip", "train_ssl", "train_classifier")
# What a pass of a model over a sample takes does not depend on these of its settings.
LEARNING = {
    *("seed", "seeds", "train_on", "trained_on", "train_fraction", "extra", "epochs", "batch"),
    *("learning_rate", "weight_decay", "warmup", "optimizer", "momentum", "loss", "flip", "shift"),
    *("area", "colour", "text_mask", "logit_scale_max", "label_smoothing", "dropout", "prompt"),
    *sweeps.MARKS,
}
# Rules whose work is that of a model; without a pilot of it nothing is known.
OF_MODELS = {rule for record in kinds.MODELS.values() for rule in record.rules} - {"vote_labels"}
# Rules whose model is none of `models`, but of the annotations.
DETECTING = {
    rule for record in kinds.ANNOTATIONS.values() if record.detects for rule in record.rules
}


@dataclass(frozen=True)
class Job:
    """A job: its rule, files, wildcards, and where its benchmark lies."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    benchmark: str
    wildcards: Mapping[str, str]


@dataclass(frozen=True)
class Sizes:
    """Samples of a domain: of each shard of its sets, and of each source with its parts."""

    sets: Mapping[str, Sequence[float]]
    sources: Mapping[str, tuple[float, int]]


def dry_run(configs: Sequence[str | Path], targets: Sequence[str] = (), called: str = "") -> str:
    """What Snakemake prints of all jobs of a config, in a folder that has no results yet.

    Raises:
        InputError: with what it says of a config that can't be run, by what that is called.
    """
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(BASE / "Snakefile")]
        command += ["--directory", folder, "--cores", "1", "--dry-run", *targets]
        command += ["--configfile", *(str(Path(config).resolve()) for config in configs)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = FAULT.search(done.stdout) or FAULT.search(done.stderr)
        told = said["sentence"] if said else (done.stderr + done.stdout).strip()[-500:]
        raise InputError(f"{called or ', '.join(map(str, configs))} can't be planned: {told}")
    return done.stdout


def read(printed: str) -> list[Job]:
    """The jobs that a dry-run printed, but for those that only ask for others."""
    found: list[dict[str, str]] = []
    for line in printed.splitlines():
        if rule := RULE.fullmatch(line):
            found.append({"rule": rule["name"]})
        elif (field := FIELD.fullmatch(line)) and found:
            found[-1][field["key"]] = field["value"]
    return [
        Job(
            each["rule"],
            _paths(each.get("input", "")),
            _paths(each.get("output", "")),
            each["benchmark"],
            dict(part.split("=", 1) for part in _paths(each.get("wildcards", ""))),
        )
        for each in found
        if "benchmark" in each
    ]


def _paths(listed: str) -> tuple[str, ...]:
    return tuple(part for part in listed.split(", ") if part)


def measured(run: Mapping[str, Any]) -> dict[str, Sizes]:
    """The sizes of a finished run, by domain, from the facts that it tells of itself."""
    config, found = run["config"], {}
    for domain in (name for name in DOMAINS if name in config):
        counts = {each["set"]: each["samples"] for each in run["sets"] if each["domain"] == domain}
        sets = config[domain]["sets"]
        rows = {
            name: (_rows(name, counts, sets), settings["parts"])
            for name, settings in config[domain]["sources"].items()
        }
        found[domain] = Sizes(_in_shards(counts, sets), rows)
    return found


def _in_shards(counts: Mapping[str, float], sets: Config) -> dict[str, list[float]]:
    """Samples of the shards of each set, which are alike."""
    return {
        name: [count / sets[name]["shards"]] * sets[name]["shards"]
        for name, count in counts.items()
    }


def _rows(source: str, counts: Mapping[str, float], sets: Config) -> float:
    """Samples of a source: all, where its sets are parts of it by their fraction."""
    taken = [name for name in counts if sets[name]["source"] == source]
    parts = sum(sets[name].get("fraction", 1) for name in taken)
    is_in_parts = any("fraction" in sets[name] for name in taken)
    return sum(counts[name] for name in taken) / (parts if is_in_parts else 1)


def expected(config: Config, pilot: Config, sizes: Mapping[str, Sizes]) -> dict[str, Sizes]:
    """The sizes of a run that has not been made, from those of a pilot, by domain.

    Raises:
        InputError: the pilot lacks a domain or a source.
    """
    return {
        domain: _expected(domain, config[domain], pilot.get(domain, {}), sizes.get(domain))
        for domain in DOMAINS
        if domain in config
    }


def _expected(domain: str, ours: Config, theirs: Config, sizes: Sizes | None) -> Sizes:
    rows, grown = {}, {}
    for name, settings in ours["sources"].items():
        before = theirs.get("sources", {}).get(name)
        if sizes is None or before is None or before["kind"] != settings["kind"]:
            raise InputError(
                f"{domain}.sources.{name}: no pilot has a source of that name and kind: run one"
                " with a part of it."
            )
        grown[name] = _growth(settings, before)
        rows[name] = (sizes.sources[name][0] * grown[name], settings["parts"])
    assert sizes is not None
    counts: dict[str, float] = {}
    for name, settings in ours["sets"].items():
        source = settings["source"]
        if "fraction" in settings:
            counts[name] = rows[source][0] * settings["fraction"]
            continue
        key = {"A": "n_per_class", "B": "n_per_class", "control": "control_per_class"}.get(name)
        sharing = [each for each in ours["sets"].values() if each["source"] == source]
        if name not in sizes.sets:
            raise InputError(f"{domain}.sets.{name}: no pilot has that set: run one with it.")
        by_class = key is not None and len(sharing) > 1 and "split" not in ours["sources"][source]
        # More pictures of a generated world are no more classes.
        classes = 1.0 if "pictures" in ours["sources"][source] else grown[source]
        growth = ours[key] / theirs[key] * classes if key and by_class else grown[source]
        counts[name] = sum(sizes.sets[name]) * growth
    public = ours["sets"].get("public", {})
    if "fraction" not in public:
        taken = sum(
            count
            for name, count in counts.items()
            if name != "public" and ours["sets"][name]["source"] == public.get("source")
        )
        if taken:
            counts["public"] = max(rows[public["source"]][0] - taken, 1)
    return Sizes(_in_shards(counts, ours["sets"]), rows)


def _growth(settings: Config, before: Config) -> float:
    """How many times as large a source is as that of the pilot, by its pictures or bytes."""
    if "pictures" in settings:
        return float(settings["pictures"] / before["pictures"])
    [path, old] = [each["path"] for each in (settings, before)]
    return 1.0 if path == old else _bytes(BASE / path) / _bytes(BASE / old)


def _bytes(place: Path) -> int:
    """Bytes of a file, or of all in a folder."""
    if not place.exists():
        raise InputError(f"{place} does not exist: a source's size is that of its files.")
    if place.is_file():
        return place.stat().st_size
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def samples_in(path: str, sizes: Mapping[str, Sizes]) -> float:
    """How many samples a file tells of; 0 where it tells of none, as weights and figures."""
    parts = PurePath(path).parts
    if len(parts) < 3 or parts[1] not in sizes:
        return 0
    of, name = sizes[parts[1]], parts[-1].partition(".")[0]
    if parts[2] == "gathered":
        start = int(name) * plan_vlm.GATHERED
        return sum(of.sets[parts[3]][start : start + plan_vlm.GATHERED])
    if parts[2] == "lists" and parts[3] == "sources":
        return of.sources[name][0]
    if parts[2] == "lists":
        return sum(of.sets["public"] if parts[3] == "index" else of.sets.get(name, ()))
    if SHARD.fullmatch(name):
        within = "public" if parts[2] == "index" else parts[-2]
        if within in of.sets and int(name) < len(of.sets[within]):
            return of.sets[within][int(name)]
        rows, count = of.sources.get(within, (0, 1))
        return 0 if parts[-1].endswith(".rejected.parquet") else rows / count
    if parts[2] in ("splits", "sources"):
        return of.sources.get(name, (0, 1))[0]
    return sum(of.sets.get(name, ())) if parts[2] == "predictions" else 0


def work(job: Job, sizes: Mapping[str, Sizes], config: Config) -> float:
    """What a job's time grows with: samples, pairs of them, or samples times epochs."""
    if job.rule in TRAINING:
        return _trained(job, sizes, config)
    # Whatever else reads a list does little with each sample of it.
    lists = [path for path in job.inputs if "/lists/" in path]
    given = [path for path in job.inputs if path not in lists]
    made = _all(job.outputs, sizes)
    return made * _all(lists, sizes) if job.rule in SEARCHING else max(_all(given, sizes), made)


def held(job: Job, sizes: Mapping[str, Sizes]) -> float:
    """What a job's memory grows with: its samples; of what is searched one shard."""
    if job.rule not in SEARCHING:
        return max(_all(paths, sizes) for paths in (job.inputs, job.outputs))
    return _all(job.outputs, sizes) + max(
        samples_in(path, sizes) / _shards(path, sizes) for path in job.inputs if "/lists/" in path
    )


def _shards(path: str, sizes: Mapping[str, Sizes]) -> int:
    """Shards of the set whose files a list names."""
    parts = PurePath(path).parts
    name = "public" if parts[3] == "index" else parts[-1].partition(".")[0]
    return len(sizes[parts[1]].sets[name])


def stored(job: Job, sizes: Mapping[str, Sizes]) -> float:
    """What a job's files on disk grow with: their samples; of tables those they are made from."""
    is_table = any(path.startswith("results/tables/") for path in job.outputs)
    return _all(job.inputs if is_table else job.outputs, sizes)


def works(job: Job, sizes: Mapping[str, Sizes], config: Mapping[str, Any]) -> dict[str, float]:
    """What time, memory and disk of a job grow with."""
    return {
        "work": work(job, sizes, config),
        "held": held(job, sizes),
        "stored": stored(job, sizes),
    }


def _all(paths: Sequence[str], sizes: Mapping[str, Sizes]) -> float:
    return sum(samples_in(path, sizes) for path in paths)


def _trained(job: Job, sizes: Mapping[str, Sizes], config: Config) -> float:
    """Samples that a training sees: none where it begins with a state that another kept."""
    (domain, _), settings = model_of(job, config), _settings(job, config)
    if sweeps.KEPT_BY in settings:
        return 0
    own = sum(sizes[domain].sets[settings["train_on"]])
    given = _all(job.inputs, sizes)
    further = given - own if settings.get("extra") is None else own * settings["extra"]
    seen = own * settings.get("train_fraction", 1) + max(further, 0)
    return float(seen * settings["epochs"])


def model_of(job: Job, config: Config) -> tuple[str, str]:
    """The domain and the model of a job, "" where it has none."""
    path = PurePath(job.outputs[0]).parts
    domain = job.wildcards.get("domain") or path[1]
    models = config.get(domain, {}).get("models", {})
    name = replicates.model_of(job.wildcards.get("model", ""), models)
    return domain, name if name in models else ""


def _settings(job: Job, config: Config) -> Config:
    """The settings of a job's model, or of its detector; none where it has neither."""
    domain, name = model_of(job, config)
    if job.rule in DETECTING:
        source = config[domain]["sets"][job.wildcards["set"]]["source"]
        detector: Config = config[domain]["sources"][source]["annotations"]
        return detector
    return config[domain]["models"][name] if name else {}


def alike(job: Job, config: Config) -> Iterator[tuple[str, ...]]:
    """Keys of jobs whose cost a sample is the same, from those most like a job on."""
    domain, _ = model_of(job, config)
    kept = {key: each for key, each in _settings(job, config).items() if key not in LEARNING}
    network = json.dumps(kept, sort_keys=True)
    several = {"set", "shard", "part", "group", "model", "source", "votes"}
    # What else tells jobs of a rule apart, as the part of a sample that is embedded.
    apart = [value for key, value in job.wildcards.items() if key not in several and value]
    if job.rule == "list_shards":
        apart = []
    made = [part for part in PurePath(job.outputs[0]).parts if part in ("image", "caption", "crop")]
    yield (job.rule, domain, network, *apart, *made)
    if job.rule not in OF_MODELS | DETECTING:
        yield (job.rule, domain, *made)
        yield (job.rule,)
