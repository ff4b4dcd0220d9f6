"""Checks that both domains share: names, sources, files."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dejavu.config import paths, plan
from dejavu.config.kinds import MODELS, SOURCES
from dejavu.config.replicates import seeds
from dejavu.config.sweeps import KINDS, sweeps_of
from dejavu.errors import InputError

NAME = re.compile(r"[a-z0-9_]+")
AUDITS = ("contamination", "blind")
SEED_SUFFIX = re.compile(r".*_s[0-9]+")


def check_names(
    domain: Mapping[str, Any], where: str, groups: tuple[str, ...] = ("sources", "models", "tests")
) -> None:
    """Check that names can stand in paths."""
    for group in groups:
        for name in domain.get(group, {}):
            # YAML reads 1 and true, without quotes, as something else than strings.
            allowed = isinstance(name, str) and NAME.fullmatch(name)
            if not allowed or SEED_SUFFIX.fullmatch(name):
                raise InputError(
                    f"Config key {where}.{group}.{name}: a name may hold a-z, 0-9 and _, must be"
                    " a string (digits alone need quotes) and must not end in _s and digits: rename"
                    " it."
                )


def check_sources(domain: Mapping[str, Any], where: str) -> None:
    """Check that every set takes its samples from a source that is there."""
    for name, settings in domain["sets"].items():
        if settings["source"] not in domain["sources"]:
            raise InputError(
                f"Config key {where}.sets.{name}.source: there is no source"
                f" {settings['source']!r}; {where}.sources has {', '.join(domain['sources'])}."
            )


def check_null_model(
    where: str,
    name: str,
    models: Mapping[str, Any],
    domain: str,
    learned: str,
    *targets: str,
) -> None:
    """Check that a null model can be measured, and was trained on no sample of the target's set.

    Args:
        where: the key that names it.
        name: the model.
        models: of the domain.
        domain: its name.
        learned: the set that targets were trained on.
        targets: the models that it is compared with.
    """
    if name not in models:
        raise InputError(
            f"{where}: there is no model {name!r}; {domain}.models has {', '.join(models)}."
        )
    record = MODELS[models[name]["kind"]]
    if not record.measured:
        raise InputError(
            f"{where}: {name!r}, of kind {models[name]['kind']}, can't be measured as a target is:"
            " name a model of a target's kind, or one of kind random."
        )
    trained_on = None if record.trained_on is None else models[name].get(record.trained_on)
    if name in targets or trained_on == learned:
        raise InputError(
            f"{where}: {name!r} was trained on {learned}, and a null model must have seen none of"
            " it: name one that was trained on other samples, or on none."
        )


def check_null_seeds(
    where: str, name: str, models: Mapping[str, Any], pair: Sequence[Mapping[str, Any]]
) -> None:
    """Check that a null model's seeds can be paired with those of target and reference."""
    own, several = seeds(models[name]), max((seeds(model) for model in pair), key=len)
    if len(own) > 1 and list(own) != list(several):
        raise InputError(
            f"{where}: {name!r} has other `seeds` than target and reference; replicate r pairs"
            " seed r of all: give them the same list, or it a single seed."
        )


def check_whole(where: str, model: Mapping[str, Any]) -> None:
    """Check that a model of a test, which measures all samples of a set, learned all of them."""
    if model.get("train_fraction", 1) < 1:
        raise InputError(
            f"{where}: it is trained on {model['train_fraction']:g} of its set, and tests measure"
            " all of it: vary `train_fraction` in a sweep, or lower the `fraction` of the set."
        )


def check_no_points(
    domain: Mapping[str, Any], where: str, asked: Iterable[tuple[str, str]]
) -> None:
    """Check that none but sweeps take their points: what else a config asks for knows no sweep.

    Args:
        domain: its expanded config.
        where: its name.
        asked: keys of tests and contrasts, and the models that they name.
    """
    audits = [(f"{audit}.model", domain.get(audit, {}).get("model")) for audit in AUDITS]
    sweep_of = {point: sweep.name for sweep in sweeps_of(domain) for point in sweep.settings}
    for key, name in (*asked, *audits):
        if name in sweep_of:
            raise InputError(
                f"Config key {where}.{key}: {name!r} is a point of the sweep {sweep_of[name]!r},"
                " which measures it already, and tables of tests know nothing of sweeps: name one"
                f" of {where}.models."
            )


def check_contrasts(
    domain: Mapping[str, Any], where: str, reference_of: Callable[[str, str], str | None]
) -> None:
    """Check that a kind of test measures both targets of each contrast, seed by seed."""
    pairs = domain.get("contrasts", [])
    for place, pair in enumerate(pairs):
        key = f"Config key {where}.contrasts.{place}"
        if set(pair) in map(set, pairs[:place]):
            raise InputError(
                f"{key}: {pair[0]!r} and {pair[1]!r} are a pair of the list already, and each pair"
                " more makes the p-values of all larger: remove it."
            )
        known = {kind: [reference_of(kind, target) for target in pair] for kind in KINDS}
        # Gaps are adjusted for one reference; each model of a two-model test has its own.
        if None in known["two_model"] and (
            None in known["one_model"] or len(set(known["one_model"])) > 1
        ):
            raise InputError(
                f"{key}: no kind of test measures both {pair[0]!r} and {pair[1]!r} (one-model tests"
                f" take a control set and one reference): name targets of {where}.tests of one"
                " kind."
            )
        fewer, more = sorted((list(seeds(domain["models"][name])) for name in pair), key=len)
        if len(fewer) > 1 and more[: len(fewer)] != fewer:
            raise InputError(
                f"{key}: {pair[0]!r} and {pair[1]!r} have different `seeds`; replicate r pairs seed"
                " r of both: give them the same list, the first of it, or one of them a single"
                " seed."
            )


def check_measured_points(
    where: str,
    target: str,
    has_reference: bool,
    domain: Mapping[str, Any],
    reference_of: Callable[[Mapping[str, Any], str, str], str | None],
) -> None:
    """Check that some kind of test measures the points of a sweep."""
    if not has_reference and reference_of(domain, "one_model", target) is None:
        raise InputError(
            f"{where}: nothing measures its points: add a `reference`, or a one-model test of"
            f" {target!r} and a control set."
        )


def check_index(domain: Mapping[str, Any], where: str) -> None:
    """Check that parameters of an approximate index are given to one."""
    index = domain["index"]
    if index["search"] and index["factory"] == "Flat":
        raise InputError(
            f"Config key {where}.index.search: exact search takes no parameters: remove it, or set"
            " `factory` to an approximate index."
        )


def check_files(domain: Mapping[str, Any], where: str, base: Path) -> None:
    """Check that the files and folders of sources and models are there, and enough for `parts`."""
    for name, source in domain["sources"].items():
        key, kind = f"{where}.sources.{name}", SOURCES[source["kind"]]
        paths.check(key, source, (*kind.files, *kind.later), base)
        if kind.dealt is not None:
            _check_parts(key, source, kind.dealt, kind.dealt_as, base)
    sources = dict.fromkeys(settings["source"] for settings in domain["sets"].values())
    for name, model in domain["models"].items():
        files = MODELS[model["kind"]].files
        if MODELS[model["kind"]].answers:
            # Which of them are asked for, the tests tell: see `check_answers`.
            continue
        for source in sources:
            settings = paths.for_source(model, files, base, source)
            paths.check(f"{where}.models.{name}", settings, files, base)


def check_answers(domain: Mapping[str, Any], where: str, base: Path) -> None:
    """Check that the files of given answers are there, for all that they are asked for."""
    for name, asked in plan.answered(where, domain).items():
        model, key = domain["models"][name], f"{where}.models.{name}"
        queries = list(dict.fromkeys(query for query, _ in asked))
        if len(queries) > 1 and paths.QUERY not in model["path"]:
            raise InputError(
                f"Config key {key}.path: the tests ask it by {' and '.join(queries)}, whose"
                f" answers differ: put `{paths.QUERY}` into the path, with a file for each, or ask"
                f" one alone in {where}.queries."
            )
        for query, set_name in asked:
            source = domain["sets"][set_name]["source"]
            files = MODELS[model["kind"]].files
            paths.check(key, paths.for_source(model, files, base, source, query), files, base)
        if Path(model["path"]).suffix != ".parquet":
            raise InputError(f"Config key {key}.path: {model['path']} is no .parquet file.")


def _check_parts(key: str, source: Mapping[str, Any], pattern: str, what: str, base: Path) -> None:
    found = len(list((base / source["path"]).glob(pattern)))
    held = f"{base / source['path']} holds {found or 'no'} {what}"
    if not found:
        raise InputError(f"Config key {key}.path: {held}: correct it.")
    if found < source["parts"]:
        raise InputError(
            f"Config key {key}: {held}, and `parts` is {source['parts']}: set `parts` to {found} or"
            " less, or correct `path`."
        )
