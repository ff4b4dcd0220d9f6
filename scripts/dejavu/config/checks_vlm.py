"""Checks of the vision-language domain."""

import filecmp
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dejavu.config import checks_audits
from dejavu.config.checks_common import check_checkpoints, check_names, check_sources
from dejavu.config.kinds import (
    DETECTORS,
    IMPORTED,
    PIXELS,
    TEXT_ONLY,
    TRAINED,
)
from dejavu.config.replicates import seeds
from dejavu.errors import InputError

# Files of a source's folder, of which each of its parts reads some.
PATTERNS = {"img2dataset": "*.tar", "clip_retrieval": "metadata/metadata_*.parquet"}


def check(vlm: Mapping[str, Any], base: Path) -> None:
    """Check the domain; raises `InputError` as `checks.check` does."""
    check_names(vlm, "vlm")
    _check_sets(vlm, "vlm")
    _check_paths(vlm, "vlm", base)
    _check_models(vlm)
    _check_tests(vlm)
    _check_apart(vlm, base)
    tests = vlm["tests"].values()
    targets = {test["target"] for test in tests}
    references = {test["reference"] for test in tests if test["kind"] == "two_model"}
    checks_audits.check(vlm, "vlm", targets, references)


def _check_sets(domain: Mapping[str, Any], where: str) -> None:
    check_sources(domain, where)
    taken: dict[str, list[tuple[str, float]]] = {}
    for name, settings in domain["sets"].items():
        taken.setdefault(settings["source"], []).append((name, settings["fraction"]))
    for source, parts in taken.items():
        total = sum(fraction for _, fraction in parts)
        if total > 1 + 1e-9:
            names = ", ".join(f"{name} {fraction:g}" for name, fraction in parts)
            raise InputError(
                f"Config key {where}.sets: the fractions of the source {source!r} add up to"
                f" {total:g} ({names}): lower them to 1 at most, so that no sample is in two sets."
            )


def _check_paths(domain: Mapping[str, Any], where: str, base: Path) -> None:
    for name, source in domain["sources"].items():
        for key in ("path", "images"):
            if key in source and not (base / source[key]).exists():
                raise InputError(
                    f"Config key {where}.sources.{name}.{key}: there is no {base / source[key]};"
                    " relative paths start from the folder of the Snakefile."
                )
        _check_annotations(f"Config key {where}.sources.{name}", source, base)
        pattern = PATTERNS.get(source["kind"])
        if pattern is not None:
            files = len(list((base / source["path"]).glob(pattern)))
            held = f"{base / source['path']} holds {files or 'no'} {pattern} files"
            if not files:
                raise InputError(f"Config key {where}.sources.{name}.path: {held}: correct it.")
            if files < source["parts"]:
                raise InputError(
                    f"Config key {where}.sources.{name}: {held}, and `parts` is {source['parts']}:"
                    f" set `parts` to {files} or less, or correct `path`."
                )
    check_checkpoints(domain, where, base)
    for name, model in domain["models"].items():
        if "path" in model:
            for folder in _imported_folders(model, domain, base).values():
                if not any(folder.glob(PATTERNS[IMPORTED])):
                    raise InputError(
                        f"Config key {where}.models.{name}.path: {folder} holds no"
                        f" {PATTERNS[IMPORTED]} files: name the folder that clip-retrieval wrote,"
                        " with `{source}` in it where every source has its own."
                    )
        # A name on a hub has one slash at most.
        folder = model.get("model", "")
        is_path = folder.startswith((".", "/", "~")) or folder.count("/") > 1
        if is_path and not (base / folder).is_dir():
            raise InputError(
                f"Config key {where}.models.{name}.model: there is no folder {base / folder};"
                " relative paths start from the folder of the Snakefile."
            )


def _check_annotations(where: str, source: Mapping[str, Any], base: Path) -> None:
    annotations = source.get("annotations")
    if annotations is None:
        if source["kind"] in ("coco", "flickr"):
            raise InputError(
                f"{where}: a source of kind {source['kind']} names no objects: add `annotations`,"
                " for example of kind coco."
            )
        return
    if source["kind"] == IMPORTED and annotations["kind"] in DETECTORS:
        raise InputError(
            f"{where}.annotations.kind: {annotations['kind']} looks at pictures, which a source of"
            f" kind {IMPORTED} does not have: annotate it by a table, or by coco or detic."
        )
    for key in ("path", "vocabulary", "order"):
        if key in annotations and not (base / annotations[key]).is_file():
            raise InputError(
                f"{where}.annotations.{key}: there is no file {base / annotations[key]}; relative"
                " paths start from the folder of the Snakefile."
            )


def _check_models(domain: Mapping[str, Any]) -> None:
    for name, model in domain["models"].items():
        if model["kind"] in TRAINED and model["train_on"] not in domain["sets"]:
            raise InputError(
                f"Config key vlm.models.{name}.train_on: there is no set {model['train_on']!r};"
                f" vlm.sets has {', '.join(domain['sets'])}."
            )
        if model["kind"] == IMPORTED and "path" not in model:
            for set_name, settings in domain["sets"].items():
                kind = domain["sources"][settings["source"]]["kind"]
                if kind != IMPORTED:
                    raise InputError(
                        f"Config key vlm.models.{name}: its embeddings come with the samples, and"
                        f" the source of {set_name} is of kind {kind}: take sources of kind"
                        f" {IMPORTED} for all sets, a `path` of its own, or another model."
                    )
        if model["kind"] == "open_clip":
            folder = model["architecture"].startswith("local-dir:")
            given = [key for key in ("pretrained", "checkpoint") if model.get(key)]
            if len(given) != (0 if folder else 1):
                raise InputError(
                    f"Config key vlm.models.{name}: give either `pretrained` (a tag) or"
                    " `checkpoint` (a file) with an architecture's name, and neither with a"
                    " `local-dir:`."
                )


def _check_tests(domain: Mapping[str, Any]) -> None:
    models = domain["models"]
    for name, test in domain["tests"].items():
        where = f"Config key vlm.tests.{name}"
        for role in ("target", "reference"):
            if test[role] not in models:
                raise InputError(
                    f"{where}.{role}: there is no model {test[role]!r}; vlm.models has"
                    f" {', '.join(models)}."
                )
        target, reference = models[test["target"]], models[test["reference"]]
        for role in ("target", "reference"):
            if models[test[role]]["kind"] == PIXELS:
                raise InputError(
                    f"{where}.{role}: {test[role]!r} embeds images alone, without having learnt"
                    " from any; it serves audits."
                )
        if target["kind"] == TEXT_ONLY:
            raise InputError(
                f"{where}.target: {test['target']!r} embeds texts alone; a target needs images."
            )
        if test["kind"] == "two_model":
            if reference["kind"] == TEXT_ONLY:
                raise InputError(
                    f"{where}: {test['reference']!r} embeds texts alone: set `kind: one_model`, or"
                    " take a reference of the target's kind."
                )
            if "reference" not in domain["sets"]:
                raise InputError(
                    f"{where}: a two-model test needs the set that the reference was trained on:"
                    " add `reference` to vlm.sets."
                )
        elif reference["kind"] not in (TEXT_ONLY, IMPORTED):
            raise InputError(
                f"{where}: the reference of a one-model test is a text encoder, and"
                f" {test['reference']!r} is of kind {reference['kind']}: set `kind: two_model`."
            )
        trained_on = {"target": "target", "reference": "reference"}
        for role, set_name in trained_on.items():
            model = models[test[role]]
            if model["kind"] in TRAINED and model["train_on"] != set_name:
                raise InputError(
                    f"{where}.{role}: {test[role]!r} is trained on the set"
                    f" {model['train_on']!r}, and the test takes it to be trained on"
                    f" {set_name!r}: correct `train_on` or the test."
                )
        several = {tuple(seeds(model)) for model in (target, reference) if len(seeds(model)) > 1}
        if len(several) > 1:
            raise InputError(
                f"{where}: target and reference have different `seeds`; replicate r pairs seed r"
                " of both: give them the same list, or one of them a single seed."
            )


def _imported_folders(
    model: Mapping[str, Any], domain: Mapping[str, Any], base: Path
) -> dict[str, Path]:
    """The folder with a model's embeddings of each source that gives a set."""
    sources = dict.fromkeys(settings["source"] for settings in domain["sets"].values())
    return {
        name: base / model["path"].replace("{source}", name)
        if "path" in model
        else base / domain["sources"][name]["path"]
        for name in sources
    }


def _check_apart(domain: Mapping[str, Any], base: Path) -> None:
    """Check that no test compares a model with itself: its gap would be 0, whatever they are."""
    for name, test in domain["tests"].items():
        where = f"Config key vlm.tests.{name}"
        first, second = (domain["models"][test[role]] for role in ("target", "reference"))
        names = f"{test['target']!r} and {test['reference']!r}"
        if first["kind"] in TRAINED or first["kind"] != second["kind"]:
            continue
        if first == second:
            raise InputError(
                f"{where}: {names} are the same model under the same settings, and nothing can be"
                " told by comparing it with itself: take two."
            )
        if first["kind"] != IMPORTED:
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
    files = [sorted(folder.glob("text_emb/*.npy"))[:1] for folder in (one, other)]
    pairs = zip(*files, strict=False)
    return any(a.is_file() and b.is_file() and filecmp.cmp(a, b, shallow=False) for a, b in pairs)
