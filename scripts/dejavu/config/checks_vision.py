"""Checks of the vision domain."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dejavu.config import checks_audits
from dejavu.config.checks_common import check_checkpoints, check_names, check_sources
from dejavu.config.domains import in_order
from dejavu.config.kinds import (
    IMAGE_ENCODERS,
    NAIVE_BAYES,
    PIXELS,
    PUBLISHED,
)
from dejavu.config.replicates import seeds
from dejavu.errors import InputError


def check(vision: Mapping[str, Any], base: Path) -> None:
    """Check the domain; raises `InputError` as `checks.check` does."""
    check_names(vision, "vision", ("sources", "models"))
    _check_sets(vision)
    _check_paths(vision, base)
    check_checkpoints(vision, "vision", base)
    _check_models(vision)
    _check_tests(vision)
    pairs, single = vision["tests"]["two_model"], vision["tests"]["one_model"]
    targets = {pair["target"] for pair in pairs} | set(single["targets"])
    checks_audits.check(vision, "vision", targets, {pair["reference"] for pair in pairs})


def _check_sets(vision: Mapping[str, Any]) -> None:
    check_sources(vision, "vision")
    sets = vision["sets"]
    for source in vision["sources"]:
        fed = [name for name in in_order("vision", sets) if sets[name]["source"] == source]
        lists = vision["sources"][source].get("split")
        if lists is not None:
            if fed and set(lists) != set(fed):
                raise InputError(
                    f"Config key vision.sources.{source}.split: it lists {', '.join(lists)}, and"
                    f" the source gives {', '.join(fed)}: give a list for each of its sets alone."
                )
            continue
        if len(fed) > 1 and len({"A", "B"} & set(fed)) == 1:
            raise InputError(
                f"Config key vision.sets: the source {source!r} is shared by"
                f" {', '.join(fed)}, and a shared source gives A and B alike: let it give both, or"
                " give every set a source of its own."
            )
        if fed == ["shared"]:
            raise InputError(
                f"Config key vision.sets.shared: {source!r} gives no other set; `shared` holds the"
                " images without boxes of the source of A and B: take that source, or leave"
                " `shared` out."
            )


def _check_paths(vision: Mapping[str, Any], base: Path) -> None:
    for name, source in vision["sources"].items():
        where = f"Config key vision.sources.{name}"
        for key, what in (("path", "images"), ("annotations", "annotations")):
            if key not in source:
                continue
            place = base / source[key]
            # Boxes may stand in one file, of the forms that sources.boxes reads.
            listed = key == "annotations" and place.suffix in (".json", ".csv", ".parquet")
            if not place.is_dir() and not (listed and place.is_file()):
                raise InputError(
                    f"{where}.{key}: there is no {'file' if listed else 'folder'} {place}: put the"
                    f" {what} there, or correct the path; relative paths start from the folder of"
                    " the Snakefile."
                )
        if source["kind"] == "imagenet":
            classes = sum(path.is_dir() for path in (base / source["path"]).iterdir())
            if classes < source["parts"]:
                raise InputError(
                    f"{where}: {base / source['path']} holds {classes} class folders, and `parts`"
                    f" is {source['parts']}: set `parts` to {classes} or less, or correct `path`."
                )
        lists = {f"split.{name}": path for name, path in source.get("split", {}).items()}
        for key, file in (lists | {"class_names": source.get("class_names")}).items():
            if file is not None and not (base / file).is_file():
                raise InputError(
                    f"{where}.{key}: there is no file {base / file}; relative paths start from the"
                    " folder of the Snakefile."
                )
    _check_apart(vision, base)
    tags = vision["tags"]
    files = {key: tags[key] for key in ("path", "vocabulary") if key in tags}
    if "checkpoint" in tags.get("model", {}):
        files["model.checkpoint"] = tags["model"]["checkpoint"]
    for key, file in files.items():
        if not (base / file).is_file():
            raise InputError(
                f"Config key vision.tags.{key}: there is no file {base / file}; relative paths"
                " start from the folder of the Snakefile."
            )
    kinds = {vision["sources"][settings["source"]]["kind"] for settings in vision["sets"].values()}
    if tags["kind"] == "world" and kinds != {"foregrounds"}:
        raise InputError(
            "Config key vision.tags.kind: only the embedded world knows the tags of its crops; for"
            " photographs take `visual_words`, `clip` or `table`."
        )


def _check_apart(vision: Mapping[str, Any], base: Path) -> None:
    """Check that no two sources of sets read the same folder: their sets would share images."""
    folders: dict[Path, str] = {}
    for name in dict.fromkeys(settings["source"] for settings in vision["sets"].values()):
        if "path" not in vision["sources"][name]:
            continue
        folder = (base / vision["sources"][name]["path"]).resolve()
        if folder in folders:
            raise InputError(
                f"Config key vision.sources.{name}.path: the source {folders[folder]!r} reads the"
                " same folder, so that their sets would share images: let the sets share one"
                " source, or give it another folder."
            )
        folders[folder] = name


def _check_models(vision: Mapping[str, Any]) -> None:
    several = {}
    for name, model in vision["models"].items():
        where = f"Config key vision.models.{name}"
        if model["kind"] == PIXELS:
            continue
        if model["kind"] == PUBLISHED:
            if model["format"] == "backbone" and model["representation"] == "projector":
                raise InputError(
                    f"{where}.representation: a file of the format `backbone` holds no projector:"
                    " set `representation: backbone`, or take the full checkpoint and its format."
                )
            continue
        if model["train_on"] not in vision["sets"]:
            raise InputError(
                f"{where}.train_on: there is no set {model['train_on']!r}; vision.sets has"
                f" {', '.join(vision['sets'])}."
            )
        if model["kind"] == "ssl" and model["train_on"] == "public":
            raise InputError(
                f"{where}.train_on: a self-supervised model is trained on A or B; public is what"
                " the adversary searches."
            )
        if model["kind"] == "classifier" and model["train_on"] == "A":
            raise InputError(
                f"{where}.train_on: a classifier is a reference, which must not have seen A: train"
                " it on B or public."
            )
        if model.get("method") == "dino" and "output_dim" not in model["projector"]:
            raise InputError(
                f"{where}.projector: DINO needs `output_dim`, the number of its prototypes."
            )
        low, high = model["views"]["area"]
        if low > high:
            raise InputError(
                f"{where}.views.area: the smallest part, {low:g}, is larger than the largest,"
                f" {high:g}: change their order."
            )
        if len(seeds(model)) > 1:
            several[name] = list(seeds(model))
    if len({tuple(each) for each in several.values()}) > 1:
        told = "; ".join(f"{name}: {each}" for name, each in several.items())
        raise InputError(
            f"Config key vision.models: models have different `seeds` ({told}); replicate r takes"
            " seed r of all: give them the same list, or a single seed."
        )


def _check_tests(vision: Mapping[str, Any]) -> None:
    models, tests = vision["models"], vision["tests"]
    single = tests["one_model"]
    for place, pair in enumerate(tests["two_model"]):
        for role, set_name in (("target", "A"), ("reference", "B")):
            where = f"Config key vision.tests.two_model.{place}.{role}"
            _check_measured(where, pair[role], set_name, models)
    pairs = [(pair["target"], pair["reference"]) for pair in tests["two_model"]]
    if len(set(pairs)) < len(pairs):
        raise InputError("Config key vision.tests.two_model: a pair stands there twice: remove it.")
    for target in single["targets"]:
        _check_measured("Config key vision.tests.one_model.targets", target, "A", models)
    for reference in single["references"]:
        bayes = reference.removeprefix(NAIVE_BAYES)
        is_bayes = bayes != reference and bayes.isascii() and bayes.isdigit()
        if is_bayes and bayes == str(int(bayes)) and int(bayes) > 0:
            continue
        if models.get(reference, {}).get("kind") != "classifier":
            known = [name for name, model in models.items() if model["kind"] == "classifier"]
            raise InputError(
                f"Config key vision.tests.one_model.references: {reference!r} is neither a"
                f" classifier of vision.models ({', '.join(known) or 'there is none'}) nor"
                " naive_bayes@ and a number of tags."
            )
    if bool(single["targets"]) != bool(single["references"]):
        raise InputError(
            "Config key vision.tests.one_model: give both `targets` and `references`, or neither."
        )
    if not pairs and not single["targets"]:
        raise InputError("Config key vision.tests: there is no test: add a pair, or targets.")


def _check_measured(where: str, name: str, set_name: str, models: Mapping[str, Any]) -> None:
    """Check that a model can be measured and was trained on the set that its role asks for."""
    if name not in models:
        raise InputError(
            f"{where}: there is no model {name!r}; vision.models has {', '.join(models)}."
        )
    if models[name]["kind"] not in IMAGE_ENCODERS:
        raise InputError(
            f"{where}: {name!r} gives no embeddings: name a model of kind ssl or checkpoint."
        )
    key = "trained_on" if models[name]["kind"] == PUBLISHED else "train_on"
    if models[name][key] != set_name:
        raise InputError(
            f"{where}: {name!r} is trained on the set {models[name][key]!r}, and its role asks for"
            f" {set_name!r}: correct `{key}` or the test."
        )
