"""Sweeps: one model measured at several points, each of which becomes a model of the config.

A point is its base with some keys of other values. It is named after them and not after its sweep,
so that it is trained once however many sweeps ask for it, and a point that is equal to its base is
the base. Standard library only: the Snakefile imports it, and every job pays for that.
"""

import copy
import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from dejavu.config.points import text_of, value_text
from dejavu.config.replicates import Config, Plan, is_trained
from dejavu.errors import InputError

# What a sweep may vary, one of them each.
AXES = ("vary", "checkpoints", "representations", "k")
# What a model is, but for its weights: another value trains nothing.
AFTER_TRAINING = ("representation", "preprocessing")
CHANNELS = ("mean", "std")
# Of a point: the model whose weights are its own, or whose training keeps them after some epochs.
WEIGHTS_OF, KEPT_BY, UNTIL = "weights_of", "kept_by", "until"
MARKS = (WEIGHTS_OF, KEPT_BY, UNTIL)
# Of a sweep: its points' names of each model that it varies, which its expansion gives them.
TAKEN = "taken"
# What stands for a key that a point lacks and its base has.
LEFT_OUT = "left out"

# What a model is, on what it is trained and how often: points are alike in it.
FIXED = ("kind", "train_on", "trained_on", "seeds", *MARKS)
# Characters of a point in names of models: with whatever else they have, files' may have 255.
LONGEST, DIGEST = 80, 8

KINDS = ("two_model", "one_model")

Point = dict[str, Any]


@dataclass(frozen=True)
class Sweep:
    """A sweep of a domain's config.

    Attributes:
        name: its name.
        varied: the keys that its points differ in.
        points: the varied keys' values at each point.
        targets: the target model of each point, by name.
        references: likewise those of two-model comparisons; empty where there is no reference.
        base: the models that are varied: the target and, where there is one, the reference.
        settings: of the models that the config lacks, by name.
    """

    name: str
    varied: tuple[str, ...]
    points: tuple[Point, ...]
    targets: tuple[str, ...]
    references: tuple[str, ...]
    base: tuple[str, ...]
    settings: Mapping[str, Config] = field(default_factory=dict)


def sweeps_of(domain: Config) -> list[Sweep]:
    """The sweeps of a domain, whose config is expanded."""
    return [
        _read(name, asked, domain["models"]) for name, asked in domain.get("sweeps", {}).items()
    ]


def expanded(
    domain: Config, where: str, written: Config, complete: Callable[[Config], Config]
) -> dict[str, Any]:
    """A domain's config with a model for each point of its sweeps.

    Args:
        domain: its completed config.
        where: its key.
        written: its models without defaults: what a point does not name follows from what it does.
        complete: checks models, a mapping by name, against the schema of models, and fills in their
            defaults; it tells what is wrong as `schema.complete` does.

    Raises:
        InputError: a sweep asks for what can't be; it names the key and the remedy.
    """
    models = dict(domain["models"])
    owners = dict.fromkeys(models, f"{where}.models")
    asked_of: dict[str, Config] = {}
    for name, asked in domain.get("sweeps", {}).items():
        key = f"Config key {where}.sweeps.{name}"
        _check_axis(key, asked, domain, where)
        [axis] = [each for each in AXES if each in asked]
        _, points = _points(axis, asked[axis])
        texts = [text_of(point) for point in points]
        _check_twice(key, texts, texts)
        taken: dict[str, list[str]] = {}
        for model in _base(asked):
            base = domain["models"][model]
            taken[model] = []
            for point in points:
                called, settings = (
                    _kept(model, axis, point, base)
                    if axis in ("k", "checkpoints")
                    else _at(key, model, point, base, written[model], complete)
                )
                taken[model].append(called)
                if called == model:
                    continue
                first = owners.setdefault(called, f"the sweep {name!r}")
                if models.setdefault(called, settings) != settings or called in domain["models"]:
                    raise InputError(
                        f"{key}: a point would be called {called!r}, as another model of {first}"
                        " is: rename that, or leave the point out."
                    )
            if axis != "k":
                _check_twice(key, texts, taken[model])
        asked_of[name] = {**asked, TAKEN: taken}
    return {**domain, "models": models, "sweeps": asked_of}


def key_of(model: str, domain: Config, where: str) -> str:
    """The key of a model, or where it is the point of a sweep, what the config has of it."""
    for sweep in sweeps_of(domain):
        if model in sweep.settings:
            return f"{where}.sweeps.{sweep.name}, the point {model}"
    return f"{where}.models.{model}"


def _base(asked: Config) -> tuple[str, ...]:
    """The models that a sweep varies, the target first."""
    return tuple(asked[role] for role in ("target", "reference") if role in asked)


def _read(name: str, asked: Config, models: Config) -> Sweep:
    """A sweep of an expanded config."""
    [axis] = [each for each in AXES if each in asked]
    varied, points = _points(axis, asked[axis])
    base, taken = _base(asked), asked[TAKEN]
    target, *reference = base
    added = (point for model in taken for point in taken[model] if point not in base)
    return Sweep(
        name,
        varied,
        tuple(points),
        tuple(taken[target]),
        tuple(taken[reference[0]]) if reference else (),
        base,
        {point: models[point] for point in added},
    )


def _points(axis: str, values: Any) -> tuple[tuple[str, ...], list[Point]]:
    """Varied keys and, for each point, their values; of two keys the second changes first."""
    if axis == "vary":
        keys = tuple(values)
        return keys, [dict(zip(keys, each, strict=True)) for each in product(*values.values())]
    [key] = {"checkpoints": ["epochs"], "representations": ["representation"]}.get(axis, [axis])
    return (key,), [{key: value} for value in values]


def _kept(model: str, axis: str, point: Point, base: Config) -> tuple[str, Config]:
    """Name and settings of a model where other neighbours vote, or after some of its epochs."""
    if axis == "k" or point["epochs"] == base["epochs"]:
        return model, base
    return f"{model}_e{point['epochs']}", {**base, KEPT_BY: model, UNTIL: point["epochs"]}


def _at(
    key: str,
    model: str,
    point: Point,
    base: Config,
    written: Config,
    complete: Callable[[Config], Config],
) -> tuple[str, Config]:
    """Name and settings of a model at a point; the model itself where it does not differ.

    Both follow from the settings that differ, however the sweep writes them: as a whole mapping or
    key by key, with defaults or without.
    """
    told = f"{key}: {model!r} can't be varied to {text_of(point)}"
    whole = _accepted(told, _with(written, point), complete)
    ours, theirs = _leaves(whole), _leaves(base)
    differing = {
        each: ours.get(each, LEFT_OUT)
        for each in sorted({*ours, *theirs})
        if ours.get(each, LEFT_OUT) != theirs.get(each, LEFT_OUT)
        and any(_is_within(each, varied) or _is_within(varied, each) for varied in point)
        # Nothing at all: the keys that were, or are, there tell.
        and {} not in (ours.get(each), theirs.get(each))
    }
    for each in tuple(differing) if len(differing) > 1 else ():
        fewer = {other: value for other, value in differing.items() if other != each}
        with suppress(InputError):
            if _accepted(told, _with(written, fewer), complete) == whole:
                differing = fewer
    if whole == base:
        return model, base
    if list(differing) != list(point):
        # In an order of keys that is always the same.
        ordered = _accepted(told, _with(written, differing), complete)
        whole = ordered if ordered == whole else whole
    if _trained_alike(whole, base):
        whole = {**whole, WEIGHTS_OF: model}
    return f"{model}_{_in_name(differing, {*ours, *theirs})}", whole


def _is_within(key: str, other: str) -> bool:
    """Whether a dotted key is another, or a part of what that holds."""
    return f"{key}.".startswith(f"{other}.")


def _leaves(settings: Config, before: str = "") -> dict[str, Any]:
    """The values of dotted keys that hold no further keys of their own."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            found |= _leaves(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = value
    return found


def _with(settings: Config, changes: Point) -> Config:
    """A copy of settings with other values of some dotted keys."""
    changed: dict[str, Any] = copy.deepcopy(dict(settings))
    for key, value in changes.items():
        *parents, last = key.split(".")
        place = changed
        for parent in parents:
            if not isinstance(place.get(parent), dict):
                # The schema says whether there may be a mapping.
                place[parent] = {}
            place = place[parent]
        place[last] = copy.deepcopy(value)
        if value == LEFT_OUT:
            del place[last]
    return changed


def _in_name(differing: Point, known: Collection[str]) -> str:
    """What differs, as names of models have it: of keys their last part, or more where shared."""
    parts = [f"{_ending(key, known)}_{value_text(value)}" for key, value in differing.items()]
    text = re.sub(r"(?<![^_ ])-(?=[0-9.])", "minus_", "_".join(parts).lower())
    name = re.sub(r"[^a-z0-9]+", "_", text).strip("_")
    if len(name) > LONGEST:
        digest = hashlib.blake2b(text.encode(), digest_size=DIGEST // 2).hexdigest()
        name = f"{name[:LONGEST]}_{digest}"
    # In paths `_s` and digits are a seed.
    return re.sub(r"_s(?=[0-9]+$)", "_s_", name)


def _ending(key: str, known: Collection[str]) -> str:
    """The shortest end of a dotted key that no other known one has; else the whole key."""
    parts = key.split(".")
    for start in range(len(parts) - 1, 0, -1):
        ending = ".".join(parts[start:])
        if not any(other != key and f".{other}".endswith(f".{ending}") for other in known):
            return ending
    return key


def _trained_alike(one: Config, other: Config) -> bool:
    """Whether two models have the same weights: they differ in how these are used alone."""

    def trained(model: Config) -> dict[str, Any]:
        kept = {key: value for key, value in model.items() if key not in AFTER_TRAINING}
        if not is_trained(model):
            return kept
        seen = model.get("preprocessing", {})
        return {**kept, "channels": [seen.get(key) for key in CHANNELS]}

    return "representation" in one and trained(one) == trained(other)


def _check_axis(key: str, asked: Config, domain: Config, where: str) -> None:
    """Check what a sweep varies, and of which models."""
    given = [axis for axis in AXES if axis in asked]
    if len(given) != 1:
        allowed = ", ".join(f"`{axis}`" for axis in AXES if where == "vision" or axis != AXES[2])
        raise InputError(
            f"{key}: it has {' and '.join(f'`{axis}`' for axis in given) or 'nothing to vary'}:"
            f" give it one of {allowed}."
        )
    [axis] = given
    models = domain["models"]
    for varied in asked.get("vary", {}):
        # YAML reads 1 and true, without quotes, as something else than strings.
        if not isinstance(varied, str):
            raise InputError(
                f"{key}.vary.{varied}: it is no key of a model, but {type(varied).__name__} to"
                " YAML: name one of the keys that its kind has."
            )
    if axis == "vary" and len(asked["vary"]) > 2:
        raise InputError(
            f"{key}.vary: it varies {', '.join(asked['vary'])}, and a grid has two keys at most:"
            " make it several sweeps."
        )
    for role in ("target", "reference"):
        if role not in asked:
            continue
        name = asked[role]
        if name not in models:
            raise InputError(
                f"{key}.{role}: there is no model {name!r}; {where}.models has {', '.join(models)}."
            )
        if axis in ("vary", "checkpoints") and not is_trained(models[name]):
            raise InputError(
                f"{key}.{role}: {name!r}, of kind {models[name]['kind']}, is not trained here, and"
                f" `{axis}` trains: name a model that is."
            )
        if axis == "representations" and "representation" not in models[name]:
            raise InputError(
                f"{key}.{role}: {name!r}, of kind {models[name]['kind']}, has no `representation`:"
                " name a model that has."
            )
        if axis == "checkpoints":
            last, latest = models[name]["epochs"], max(asked["checkpoints"])
            if latest > last:
                raise InputError(
                    f"{key}.checkpoints: {name!r} is trained for {last} epochs, and {latest} is"
                    " beyond: leave it out, or raise `epochs`."
                )
    if axis == "vary":
        for varied in asked["vary"]:
            if varied.partition(".")[0] in FIXED:
                raise InputError(
                    f"{key}.vary.{varied}: points differ in how a model is trained, not in what it"
                    " is, on what and how often: vary another key."
                )
            if any(other.startswith(f"{varied}.") for other in asked["vary"]):
                raise InputError(
                    f"{key}.vary.{varied}: another varied key is a part of its values: write both"
                    " into the values of one key."
                )
    if axis == "k" and isinstance(domain["k"], list):
        missing = [value for value in asked["k"] if value not in domain["k"]]
        if missing:
            raise InputError(
                f"{key}.k: {missing[0]} is not among {where}.k"
                f" ({', '.join(map(str, domain['k']))}): add it there, or leave it out."
            )


def _check_twice(key: str, texts: Sequence[str], names: Sequence[str]) -> None:
    """Check that no two points are called the same."""
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InputError(
                f"{key}: the points {texts[names.index(name)]} and {texts[place]} are one: leave"
                " one of them out."
            )


def _accepted(told: str, settings: Config, complete: Callable[[Config], Config]) -> Config:
    """A point's settings with their defaults, if the schema of models takes them."""
    try:
        return complete({"": settings})[""]
    except InputError as error:
        place, _, reason = str(error).partition(": ")
        inside = place.removeprefix("Config key ").removeprefix(".")
        raise InputError(f"{told}{f', because of {inside}' if inside else ''}: {reason}") from None


def kept_epochs(models: Config, model: str) -> list[int]:
    """The epochs after which a model's training keeps its weights, for the points of sweeps."""
    found = {each[UNTIL] for each in models.values() if each.get(KEPT_BY) == model}
    return sorted(found)


def planned(
    domain: Config,
    reference_of: Callable[[str, str], str | None],
    compared: Callable[[Point, str, str, str], Plan],
) -> list[Plan]:
    """What sweeps and contrasts compare: see `plan_vlm.sweeps` and `plan_vision.sweeps`.

    Args:
        domain: its expanded config.
        reference_of: the reference of a target's first test of a kind, None where it has none.
        compared: what is compared at a point, given the kind of test, target and reference.
    """
    found: list[tuple[str, tuple[str, ...], list[Any]]] = []
    for sweep in sweeps_of(domain):
        pairs = {"two_model": sweep.references} if sweep.references else {}
        alone = reference_of("one_model", sweep.base[0])
        if alone is not None:
            pairs["one_model"] = (alone,) * len(sweep.points)
        entries = [
            (point, kind, target, reference)
            for kind, references in pairs.items()
            for point, target, reference in zip(
                sweep.points, sweep.targets, references, strict=True
            )
        ]
        found.append((sweep.name, sweep.varied, entries))
    for pair in domain.get("contrasts", []):
        named = {kind: [reference_of(kind, target) for target in pair] for kind in KINDS}
        entries = [
            ({"model": target}, kind, target, reference)
            for kind, several in named.items()
            for target, reference in zip(pair, several, strict=True)
            if reference is not None and None not in several
        ]
        found.append((", ".join(pair), (), entries))
    plans = []
    for name, varied, entries in found:
        # A classifier, the reference of one-model tests, learned other samples than are measured.
        taken = {target for *_, target, _ in entries}
        taken |= {reference for _, kind, _, reference in entries if kind == "two_model"}
        parts = [domain["models"].get(model, {}).get("train_fraction", 1) for model in taken]
        points = [
            {"point": point, "fraction": min(parts), **compared(point, *rest)}
            for point, *rest in entries
        ]
        plans.append({"sweep": name, "varied": list(varied), "points": points})
    return plans
