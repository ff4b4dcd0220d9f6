"""Checks of the vision domain."""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from dejavu.config import checks_audits, paths, plan_vision
from dejavu.config.checks_common import (
    check_answers,
    check_contrasts,
    check_files,
    check_index,
    check_measured_points,
    check_names,
    check_no_points,
    check_null_model,
    check_sources,
    check_whole,
)
from dejavu.config.domains import DOMAINS
from dejavu.config.kinds import MODELS, NAIVE_BAYES, SOURCES, TAGGERS
from dejavu.config.replicates import seeds
from dejavu.config.sweeps import key_of, sweeps_of
from dejavu.errors import InputError

# Architectures of timm and torchvision that have four stages; others tell theirs in their jobs.
OF_FOUR_STAGES = re.compile(r"(?!vit|inception|tresnet)\w*(resnet|resnext|convnext)\w*")
STAGES = 4


def check(vision: Mapping[str, Any], base: Path) -> None:
    """Check the domain; raises `InputError` as `checks.check` does."""
    check_names(vision, "vision", ("sources", "models", "sweeps"))
    _check_sets(vision)
    check_files(vision, "vision", base)
    check_index(vision, "vision")
    _check_apart(vision, base)
    _check_tags(vision, base)
    _check_models(vision, base)
    check_no_points(vision, "vision", _named(vision))
    _check_tests(vision)
    _check_sweeps(vision)
    check_answers(vision, "vision", base)
    pairs, single = vision["tests"]["two_model"], vision["tests"]["one_model"]
    varied = [sweep.base for sweep in sweeps_of(vision)]
    targets = {pair["target"] for pair in pairs} | set(single["targets"])
    targets |= {target for target, *_ in varied}
    references = {pair["reference"] for pair in pairs}
    references |= {name for _, *reference in varied for name in reference}
    checks_audits.check(vision, "vision", targets, references)


def _check_sets(vision: Mapping[str, Any]) -> None:
    check_sources(vision, "vision")
    sets = vision["sets"]
    for source in vision["sources"]:
        fed = [each for each in DOMAINS["vision"].in_order(sets) if sets[each]["source"] == source]
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
        if fed == ["shared"] and not any("extra" in each for each in vision["models"].values()):
            raise InputError(
                f"Config key vision.sets.shared: {source!r} gives no other set; `shared` holds the"
                " images without boxes of the source of A and B: take that source, leave"
                " `shared` out, or tell by `extra` how much of it a model is trained on."
            )


def _check_tags(vision: Mapping[str, Any], base: Path) -> None:
    tags = vision["tags"]
    record = TAGGERS[tags["kind"]]
    paths.check("vision.tags", tags, record.files, base)
    sources = [vision["sources"][settings["source"]] for settings in vision["sets"].values()]
    if record.of_world and not all(SOURCES[source["kind"]].knows_tags for source in sources):
        others = ", ".join(f"`{kind}`" for kind, each in TAGGERS.items() if not each.of_world)
        raise InputError(
            "Config key vision.tags.kind: only the embedded world knows the tags of its crops; for"
            f" photographs take one of {others}."
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


def _check_models(vision: Mapping[str, Any], base: Path) -> None:
    several = {}
    for name, model in vision["models"].items():
        where = f"Config key {key_of(name, vision, 'vision')}"
        if model.get("format") == "backbone" and model["representation"] == "projector":
            raise InputError(
                f"{where}.representation: a file of the format `backbone` holds no projector: set"
                " `representation: backbone`, or take the full checkpoint and its format."
            )
        _check_layer(where, model)
        record = MODELS[model["kind"]]
        if model["kind"] == "embeddings":
            _check_vectors(where, model, vision, base)
        if not record.trained:
            continue
        if model["train_on"] not in vision["sets"]:
            raise InputError(
                f"{where}.train_on: there is no set {model['train_on']!r}; vision.sets has"
                f" {', '.join(DOMAINS['vision'].in_order(vision['sets']))}."
            )
        if record.measured and model["train_on"] == "public":
            raise InputError(
                f"{where}.train_on: a self-supervised model is trained on A or B; public is what"
                " the adversary searches."
            )
        if record.baseline and model["train_on"] == "A":
            raise InputError(
                f"{where}.train_on: a classifier is a reference, which must not have seen A: train"
                " it on B or public."
            )
        if model.get("extra") and "shared" not in vision["sets"]:
            raise InputError(
                f"{where}.extra: there is no set that further images could be taken of: add"
                " `shared` to vision.sets."
            )
        low, high = model["views"]["area"]
        if low > high:
            raise InputError(
                f"{where}.views.area: the smallest part, {low:g}, is larger than the largest,"
                f" {high:g}: change their order."
            )
        for key in ("blur", "solarization"):
            is_of_two = isinstance(model["views"][key], list)
            if is_of_two and (model["kind"] == "classifier" or model["method"] == "supervised"):
                raise InputError(
                    f"{where}.views.{key}: classifiers and `supervised` look at one view of a"
                    " picture: give one number."
                )
        if len(seeds(model)) > 1:
            several[name] = list(seeds(model))
    if len({tuple(each) for each in several.values()}) > 1:
        told = "; ".join(f"{name}: {each}" for name, each in several.items())
        raise InputError(
            f"Config key vision.models: models have different `seeds` ({told}); replicate r takes"
            " seed r of all: give them the same list, or a single seed."
        )


def _check_vectors(
    where: str, model: Mapping[str, Any], vision: Mapping[str, Any], base: Path
) -> None:
    """Check that files of embeddings are of a form that is read, and that arrays have their ids."""
    for source in dict.fromkeys(settings["source"] for settings in vision["sets"].values()):
        for key, path in (
            (key, model[key].replace(paths.SOURCE, source)) for key in ("images", "crops")
        ):
            place = base / path
            if place.suffix not in (".parquet", ".npy"):
                raise InputError(f"{where}.{key}: {path} is neither a .parquet nor a .npy file.")
            if place.suffix == ".npy" and not place.with_suffix(".txt").is_file():
                raise InputError(
                    f"{where}.{key}: {place} has no ids: put them, a line each, into"
                    f" {place.with_suffix('.txt').name} beside it."
                )


def _check_layer(where: str, model: Mapping[str, Any]) -> None:
    """Check that a backbone whose stages are known has the one that is compared."""
    layer, name = model.get("representation", ""), model.get("backbone", {}).get("name", "")
    number = layer.removeprefix("layer")
    if number != layer and int(number) > STAGES and OF_FOUR_STAGES.fullmatch(name):
        raise InputError(
            f"{where}.representation: the backbone {name!r} has no stage {layer}: name one of"
            f" {', '.join(f'layer{place}' for place in range(1, STAGES + 1))}, `backbone` or"
            " `projector`."
        )


def _named(vision: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The models that tests and contrasts name, each with its key."""
    tests = vision["tests"]
    for place, pair in enumerate(tests["two_model"]):
        yield from (
            (f"tests.two_model.{place}.{role}", pair[role]) for role in ("target", "reference")
        )
    for role, models in tests["one_model"].items():
        yield from ((f"tests.one_model.{role}", model) for model in models)
    for place, pair in enumerate(vision["contrasts"]):
        yield from ((f"contrasts.{place}", model) for model in pair)


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
        known = [name for name, model in models.items() if MODELS[model["kind"]].baseline]
        if reference not in known:
            raise InputError(
                f"Config key vision.tests.one_model.references: {reference!r} is neither a"
                f" classifier of vision.models ({', '.join(known) or 'there is none'}) nor"
                " naive_bayes@ and a number of tags."
            )
        if models[reference].get("trained_on") == "A":
            raise InputError(
                f"Config key vision.tests.one_model.references: {reference!r} is told to be trained"
                " on A, which a reference must not have seen: correct `trained_on` or the test."
            )
    if bool(single["targets"]) != bool(single["references"]):
        raise InputError(
            "Config key vision.tests.one_model: give both `targets` and `references`, or neither."
        )
    where = "Config key vision.tests.one_model.null_models"
    if plan_vision.null_models(vision) and "control" not in vision["sets"]:
        raise InputError(
            f"{where}: they are measured on A minus control: add `control` to vision.sets."
        )
    for name in plan_vision.null_models(vision):
        check_null_model(where, name, models, "vision", "A", *single["targets"])
    if not pairs and not single["targets"]:
        raise InputError("Config key vision.tests: there is no test: add a pair, or targets.")


def _check_sweeps(vision: Mapping[str, Any]) -> None:
    check_contrasts(vision, "vision", partial(plan_vision.first_reference, vision))
    for sweep in sweeps_of(vision):
        where = f"Config key vision.sweeps.{sweep.name}"
        for role, name, set_name in zip(("target", "reference"), sweep.base, "AB", strict=False):
            _check_measured(f"{where}.{role}", name, set_name, vision["models"])
        target, *reference = sweep.base
        check_measured_points(where, target, bool(reference), vision, plan_vision.first_reference)
        for name in (*sweep.targets, *sweep.references):
            model = vision["models"][name]
            if not {"epochs", "warmup_epochs"}.isdisjoint(sweep.varied) and (
                model["warmup_epochs"] > model["epochs"]
            ):
                raise InputError(
                    f"{where}: its point {name!r} has {model['epochs']} epochs and"
                    f" {model['warmup_epochs']:g} `warmup_epochs`, and would end before its"
                    " learning rate has risen: vary longer trainings, or lower `warmup_epochs`."
                )


def _check_measured(where: str, name: str, set_name: str, models: Mapping[str, Any]) -> None:
    """Check that a model can be measured and was trained on the set that its role asks for."""
    if name not in models:
        raise InputError(
            f"{where}: there is no model {name!r}; vision.models has {', '.join(models)}."
        )
    record = MODELS[models[name]["kind"]]
    if not record.measured:
        raise InputError(
            f"{where}: {name!r} gives no embeddings: name one that does, as of kind ssl or"
            " checkpoint."
        )
    key = record.trained_on
    if key is not None and models[name][key] != set_name:
        raise InputError(
            f"{where}: {name!r} is trained on the set {models[name][key]!r}, and its role asks for"
            f" {set_name!r}: correct `{key}` or the test."
        )
    check_whole(where, models[name])
