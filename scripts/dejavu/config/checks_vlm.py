"""Checks of the vision-language domain."""

import filecmp
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from dejavu.config import architectures, checks_audits, clip_retrieval, paths, plan_vlm, ranges
from dejavu.config.checks_common import (
    check_answers,
    check_contrasts,
    check_files,
    check_index,
    check_measured_points,
    check_names,
    check_no_points,
    check_null_model,
    check_null_seeds,
    check_sources,
    check_whole,
)
from dejavu.config.domains import DOMAINS
from dejavu.config.kinds import ANNOTATIONS, MODELS, SOURCES
from dejavu.config.replicates import seeds
from dejavu.config.sweeps import key_of, sweeps_of
from dejavu.errors import InputError


def check(vlm: Mapping[str, Any], base: Path) -> None:
    """Check the domain; raises `InputError` as `checks.check` does."""
    check_names(vlm, "vlm", ("sources", "models", "tests", "sweeps"))
    _check_sets(vlm, "vlm")
    check_files(vlm, "vlm", base)
    check_index(vlm, "vlm")
    for name, source in vlm["sources"].items():
        _check_annotations(f"vlm.sources.{name}", source, base)
    _check_models(vlm, base)
    check_no_points(vlm, "vlm", _named(vlm))
    _check_tests(vlm)
    _check_sweeps(vlm)
    _check_headline(vlm)
    _check_apart(vlm, base)
    check_answers(vlm, "vlm", base)
    measured = [*vlm["tests"].values(), *_pairs_of_sweeps(vlm).values()]
    targets = {test["target"] for test in measured}
    references = {test["reference"] for test in measured if test["kind"] == "two_model"}
    checks_audits.check(vlm, "vlm", targets, references)


def _check_sets(domain: Mapping[str, Any], where: str) -> None:
    check_sources(domain, where)
    in_order = DOMAINS[where].in_order(domain["sets"])
    for source in dict.fromkeys(settings["source"] for settings in domain["sets"].values()):
        sharing = [name for name in in_order if domain["sets"][name]["source"] == source]
        parts = ranges.parts({name: domain["sets"][name] for name in sharing})
        names = ", ".join(f"{name} {float(a):g} to {float(b):g}" for name, (a, b) in parts.items())
        last = max(parts, key=lambda name: parts[name][1])
        if parts[last][1] > 1:
            total = float(parts[last][1])
            raise InputError(
                f"Config key {where}.sets: the fractions of the source {source!r} add up to"
                f" {total:g} ({names}): lower them to 1 at most, so that no sample is in two sets."
            )
        for (first, (_, end)), (second, (start, _)) in pairwise(
            sorted(parts.items(), key=lambda part: part[1])
        ):
            if start < end:
                raise InputError(
                    f"Config key {where}.sets: {first} and {second} share a part of the source"
                    f" {source!r} ({names}): lower `fraction` of {first}, or begin {second} at"
                    f" {float(end):g}."
                )


def _check_headline(vlm: Mapping[str, Any]) -> None:
    asked = {"query": "queries", "k": "k", "predict": "predict", "objects": "objects"}
    for key, value in vlm["headline"].items():
        if value not in vlm[asked[key]]:
            raise InputError(
                f"Config key vlm.headline.{key}: {value!r} is not among vlm.{asked[key]}"
                f" ({', '.join(map(str, vlm[asked[key]]))}): name one of them, or add it there."
            )


def _check_annotations(key: str, source: Mapping[str, Any], base: Path) -> None:
    annotations, kind = source.get("annotations"), SOURCES[source["kind"]]
    if annotations is None:
        if not kind.has_labels:
            raise InputError(
                f"Config key {key}: a source of kind {source['kind']} names no objects: add"
                " `annotations`, for example of kind coco."
            )
        return
    record = ANNOTATIONS[annotations["kind"]]
    if record.detects and not kind.has_pictures:
        raise InputError(
            f"Config key {key}.annotations.kind: {annotations['kind']} looks at pictures, which a"
            f" source of kind {source['kind']} does not have: annotate it by a table, or by coco or"
            " detic."
        )
    paths.check(f"{key}.annotations", annotations, record.files, base)


def _check_models(domain: Mapping[str, Any], base: Path) -> None:
    for name, model in domain["models"].items():
        record, where = MODELS[model["kind"]], f"Config key {key_of(name, domain, 'vlm')}"
        if record.trained and model["train_on"] not in domain["sets"]:
            raise InputError(
                f"{where}.train_on: there is no set {model['train_on']!r};"
                f" vlm.sets has {', '.join(DOMAINS['vlm'].in_order(domain['sets']))}."
            )
        if model.get("extra") and "extra" not in domain["sets"]:
            raise InputError(
                f"{where}.extra: there is no set that further samples could"
                " be taken of: add `extra` to vlm.sets."
            )
        if record.source is not None and "path" in model:
            for folder in _imported_folders(model, domain, base).values():
                if not clip_retrieval.numbers(folder):
                    raise InputError(
                        f"{where}.path: {folder} holds no"
                        f" {clip_retrieval.METADATA} files: name the folder that clip-retrieval"
                        " wrote, with `{source}` in it where every source has its own."
                    )
        elif record.source is not None:
            for set_name in DOMAINS["vlm"].in_order(domain["sets"]):
                kind = domain["sources"][domain["sets"][set_name]["source"]]["kind"]
                if kind != record.source:
                    raise InputError(
                        f"{where}: its embeddings come with the samples, and"
                        f" the source of {set_name} is of kind {kind}: take sources of kind"
                        f" {record.source} for all sets, a `path` of its own, or another model."
                    )
        told = {"architecture", "model_cfg"} & set(model)
        if model["kind"] in ("random", "open_clip") and len(told) != 1:
            raise InputError(
                f"{where}: give either `architecture` (OpenCLIP's name) or `model_cfg`."
            )
        folder = model.get("architecture", "").startswith("local-dir:")
        if model["kind"] in ("random", "open_clip") and "architecture" in told and not folder:
            architectures.check(f"{where}.architecture", model["architecture"])
        if model["kind"] == "open_clip":
            if "model_cfg" in model and not model.get("checkpoint"):
                raise InputError(
                    f"{where}: a `model_cfg` has no published weights: give"
                    " its `checkpoint` (a file)."
                )
            given = [key for key in ("pretrained", "checkpoint") if model.get(key)]
            if len(given) != (0 if folder else 1):
                raise InputError(
                    f"{where}: give either `pretrained` (a tag) or"
                    " `checkpoint` (a file) with an architecture's name, and neither with a"
                    " `local-dir:`."
                )


def _named(domain: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The models that tests and contrasts name, each with its key."""
    for name, test in domain["tests"].items():
        yield from ((f"tests.{name}.{role}", test[role]) for role in ("target", "reference"))
        yield from ((f"tests.{name}.null_models", null) for null in plan_vlm.null_models(test))
    for place, pair in enumerate(domain["contrasts"]):
        yield from ((f"contrasts.{place}", model) for model in pair)


def _check_tests(domain: Mapping[str, Any]) -> None:
    for name, test in domain["tests"].items():
        _check_test(f"Config key vlm.tests.{name}", test, domain)
        for role in ("target", "reference"):
            check_whole(f"Config key vlm.tests.{name}.{role}", domain["models"][test[role]])


def _check_test(where: str, test: Mapping[str, Any], domain: Mapping[str, Any]) -> None:
    models = domain["models"]
    for role in ("target", "reference"):
        if test[role] not in models:
            raise InputError(
                f"{where}.{role}: there is no model {test[role]!r}; vlm.models has"
                f" {', '.join(models)}."
            )
    target, reference = models[test["target"]], models[test["reference"]]
    kinds = {role: MODELS[models[test[role]]["kind"]] for role in ("target", "reference")}
    for role, kind in kinds.items():
        if not (kind.measured or kind.baseline):
            raise InputError(
                f"{where}.{role}: {test[role]!r} embeds images alone, without having learnt"
                " from any; it serves audits."
            )
    if not kinds["target"].measured:
        raise InputError(
            f"{where}.target: {test['target']!r} embeds texts alone; a target needs images."
        )
    if test["kind"] == "two_model":
        if not kinds["reference"].measured:
            raise InputError(
                f"{where}: {test['reference']!r} embeds texts alone: set `kind: one_model`, or"
                " take a reference of the target's kind."
            )
        if "reference" not in domain["sets"]:
            raise InputError(
                f"{where}: a two-model test needs the set that the reference was trained on:"
                " add `reference` to vlm.sets."
            )
    elif not kinds["reference"].baseline:
        raise InputError(
            f"{where}: the reference of a one-model test is a text encoder, and"
            f" {test['reference']!r} is of kind {reference['kind']}: set `kind: two_model`."
        )
    trained_on = {"target": "target", "reference": "reference"}
    for role, set_name in trained_on.items():
        model = models[test[role]]
        if kinds[role].trained and model["train_on"] != set_name:
            raise InputError(
                f"{where}.{role}: {test[role]!r} is trained on the set"
                f" {model['train_on']!r}, and the test takes it to be trained on"
                f" {set_name!r}: correct `train_on` or the test."
            )
    _check_null_models(where, test, domain)
    several = {tuple(seeds(model)) for model in (target, reference) if len(seeds(model)) > 1}
    if len(several) > 1:
        raise InputError(
            f"{where}: target and reference have different `seeds`; replicate r pairs seed r"
            " of both: give them the same list, or one of them a single seed."
        )


def _check_sweeps(domain: Mapping[str, Any]) -> None:
    check_contrasts(domain, "vlm", partial(plan_vlm.first_reference, domain))
    for sweep in sweeps_of(domain):
        where = f"Config key vlm.sweeps.{sweep.name}"
        target, *reference = sweep.base
        check_measured_points(where, target, bool(reference), domain, plan_vlm.first_reference)
    for where, pair in _pairs_of_sweeps(domain).items():
        _check_test(f"Config key {where}", pair, domain)


def _pairs_of_sweeps(domain: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The two models of each sweep that has a reference, as a test has them, by the sweep's key."""
    return {
        f"vlm.sweeps.{sweep.name}": {
            "kind": "two_model",
            **dict(zip(("target", "reference"), sweep.base, strict=True)),
        }
        for sweep in sweeps_of(domain)
        if sweep.references
    }


def _check_null_models(where: str, test: Mapping[str, Any], domain: Mapping[str, Any]) -> None:
    """Check that null models can be measured as the target is, and learned none of its samples."""
    models = domain["models"]
    if plan_vlm.null_models(test) and test["kind"] == "two_model":
        raise InputError(
            f"{where}.null_models: the reference of a two-model test is a null model already:"
            " remove the key, or give it to a one-model test."
        )
    if plan_vlm.null_models(test) and "control" not in domain["sets"]:
        raise InputError(
            f"{where}.null_models: they are measured on target minus control: add `control` to"
            " vlm.sets."
        )
    pair = [models[test[role]] for role in ("target", "reference")]
    for name in plan_vlm.null_models(test):
        check_null_model(f"{where}.null_models", name, models, "vlm", "target", test["target"])
        check_null_seeds(f"{where}.null_models", name, models, pair)


def _imported_folders(
    model: Mapping[str, Any], domain: Mapping[str, Any], base: Path
) -> dict[str, Path]:
    """The folder with a model's embeddings of each source that gives a set."""
    sources = dict.fromkeys(settings["source"] for settings in domain["sets"].values())
    return {name: base / plan_vlm.imported_folder(domain, model, name, base) for name in sources}


def _check_apart(domain: Mapping[str, Any], base: Path) -> None:
    """Check that nothing compares a model with itself: its gap would be 0, whatever they are."""
    tests = {f"vlm.tests.{name}": test for name, test in domain["tests"].items()}
    for key, test in {**tests, **_pairs_of_sweeps(domain)}.items():
        where = f"Config key {key}"
        first, second = (domain["models"][test[role]] for role in ("target", "reference"))
        names = f"{test['target']!r} and {test['reference']!r}"
        record = MODELS[first["kind"]]
        if record.trained or first["kind"] != second["kind"]:
            continue
        if first == second:
            raise InputError(
                f"{where}: {names} are the same model under the same settings, and nothing can be"
                " told by comparing it with itself: take two."
            )
        if record.source is None:
            continue
        folders = (_imported_folders(model, domain, base) for model in (first, second))
        for one, other in zip(*(each.values() for each in folders), strict=True):
            if one.resolve() == other.resolve() or _same_arrays(one, other):
                raise InputError(
                    f"{where}: {names} have the same embeddings, those of {one}, and nothing can be"
                    " told by comparing them: give each a `path` of its own."
                )
        if first["encoder"] == second["encoder"]:
            raise InputError(
                f"{where}: {names} have the same `encoder`, {first['encoder']!r}, and other"
                " embeddings: say for each what made them."
            )


def _same_arrays(one: Path, other: Path) -> bool:
    """Whether the first files of texts' embeddings are the same, byte for byte."""
    files = (
        [clip_retrieval.vectors_file(folder, "caption", number) for number in numbers[:1]]
        for folder in (one, other)
        for numbers in [clip_retrieval.numbers(folder)]
    )
    return any(
        first.is_file() and second.is_file() and filecmp.cmp(first, second, shallow=False)
        for first, second in zip(*files, strict=False)
    )
