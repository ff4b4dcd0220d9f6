"""The config: defaults filled in from the schema, and every mistake told before work starts."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dejavu import audits
from dejavu.errors import InputError
from dejavu.plan import (
    DETECTORS,
    IMAGE_ENCODERS,
    IMPORTED,
    NAIVE_BAYES,
    PIXELS,
    PUBLISHED,
    SETS,
    TEXT_ONLY,
    TRAINED,
    seeds,
)

NAME = re.compile(r"[a-z0-9_]+")
# Files of a source's folder, of which each of its parts reads some.
PATTERNS = {"img2dataset": "*.tar", "clip_retrieval": "metadata/metadata_*.parquet"}
SEED_SUFFIX = re.compile(r".*_s[0-9]+")


def complete(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Check a config against the schema and fill in its defaults.

    Raises:
        InputError: naming the first key that is wrong, what is wrong with it and what is allowed.
    """
    import copy

    import jsonschema
    from jsonschema import Draft202012Validator

    plain = Draft202012Validator.VALIDATORS["properties"]

    def fill_defaults(
        validator: Any, properties: Any, instance: Any, schema: Any
    ) -> Iterator[jsonschema.ValidationError]:
        if isinstance(instance, dict):
            for key, rules in properties.items():
                if "default" in rules:
                    instance.setdefault(key, copy.deepcopy(rules["default"]))
        yield from plain(validator, properties, instance, schema)

    filling = jsonschema.validators.extend(Draft202012Validator, {"properties": fill_defaults})
    filled = copy.deepcopy(dict(config))
    errors = list(filling(schema).iter_errors(filled))
    # Where the kind is wrong or missing, every other key of the mapping looks unknown or missing.
    kindless = [error for error in errors if error.message == "'kind' is a required property"]
    clear = [error for error in errors if error.validator != "unevaluatedProperties"]
    error = jsonschema.exceptions.best_match(kindless or clear or errors)
    if error is not None:
        told = _explained(error, schema)
        raise InputError(f"Config key {_dotted(error.absolute_path)}: {told}")
    return filled


def _dotted(path: Any) -> str:
    return ".".join(str(part) for part in path) or "(the whole file)"


def _explained(error: Any, schema: Mapping[str, Any]) -> str:
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        names = re.findall(r"'([^']*)'", error.message.partition("(")[2])
        return (
            f"it does not know {', '.join(names)}; it may hold {', '.join(_known(error, schema))}."
        )
    if error.validator == "required":
        missing = re.findall(r"'([^']*)'", error.message)[0]
        return f"it lacks the key {missing!r}."
    if error.validator == "pattern":
        return f"{error.instance!r} must match {error.validator_value}."
    if error.validator == "enum":
        return f"{error.instance!r} is none of {', '.join(map(str, error.validator_value))}."
    return f"{error.message}."


def _known(error: Any, schema: Mapping[str, Any]) -> list[str]:
    """The keys that a mapping may hold, given its kind."""
    known = set(error.schema.get("properties", {}))
    for branch in error.schema.get("allOf", []):
        [kinds] = branch["if"]["properties"].values()
        if error.instance.get("kind") in kinds.get("enum", [kinds.get("const")]):
            known |= set(branch["then"].get("properties", {}))
            if "$ref" in branch["then"]:
                common = schema["$defs"][branch["then"]["$ref"].rpartition("/")[2]]
                known |= set(common["properties"])
    return sorted(known)


def check(config: Mapping[str, Any], base: Path) -> None:
    """Check what a schema can't say: names that refer to each other, paths, sets that fit.

    Args:
        config: the completed config.
        base: the folder that the config's relative paths start from.

    Raises:
        InputError: naming the key and the remedy.
    """
    if "vlm" in config:
        _check_names(config["vlm"], "vlm")
        _check_sets(config["vlm"], "vlm")
        _check_paths(config["vlm"], "vlm", base)
        _check_models(config["vlm"])
        _check_tests(config["vlm"])
        tests = config["vlm"]["tests"].values()
        audits.check(
            config["vlm"],
            "vlm",
            {test["target"] for test in tests},
            {test["reference"] for test in tests if test["kind"] == "two_model"},
        )
    if "vision" in config:
        _check_names(config["vision"], "vision", ("sources", "models"))
        _check_vision_sets(config["vision"])
        _check_vision_paths(config["vision"], base)
        _check_checkpoints(config["vision"], "vision", base)
        _check_vision_models(config["vision"])
        _check_vision_tests(config["vision"])
        vision_tests = config["vision"]["tests"]
        audits.check(
            config["vision"],
            "vision",
            {pair["target"] for pair in vision_tests["two_model"]}
            | set(vision_tests["one_model"]["targets"]),
            {pair["reference"] for pair in vision_tests["two_model"]},
        )


def _check_names(
    domain: Mapping[str, Any], where: str, groups: tuple[str, ...] = ("sources", "models", "tests")
) -> None:
    for group in groups:
        for name in domain[group]:
            # YAML reads 1 and true, without quotes, as something else than strings.
            allowed = isinstance(name, str) and NAME.fullmatch(name)
            if not allowed or SEED_SUFFIX.fullmatch(name):
                raise InputError(
                    f"Config key {where}.{group}.{name}: a name may hold a-z, 0-9 and _, must be"
                    " a string (digits alone need quotes) and must not end in _s and digits: rename"
                    " it."
                )


def _check_sets(domain: Mapping[str, Any], where: str) -> None:
    _check_sources(domain, where)
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


def _check_sources(domain: Mapping[str, Any], where: str) -> None:
    for name, settings in domain["sets"].items():
        if settings["source"] not in domain["sources"]:
            raise InputError(
                f"Config key {where}.sets.{name}.source: there is no source"
                f" {settings['source']!r}; {where}.sources has {', '.join(domain['sources'])}."
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
    _check_checkpoints(domain, where, base)
    for name, model in domain["models"].items():
        # A name on a hub has one slash at most.
        folder = model.get("model", "")
        is_path = folder.startswith((".", "/", "~")) or folder.count("/") > 1
        if is_path and not (base / folder).is_dir():
            raise InputError(
                f"Config key {where}.models.{name}.model: there is no folder {base / folder};"
                " relative paths start from the folder of the Snakefile."
            )


def _check_checkpoints(domain: Mapping[str, Any], where: str, base: Path) -> None:
    for name, model in domain["models"].items():
        checkpoint = model.get("checkpoint")
        if checkpoint is not None and not (base / checkpoint).is_file():
            raise InputError(
                f"Config key {where}.models.{name}.checkpoint: there is no file"
                f" {base / checkpoint}; relative paths start from the folder of the Snakefile."
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
        if model["kind"] == IMPORTED:
            for set_name, settings in domain["sets"].items():
                kind = domain["sources"][settings["source"]]["kind"]
                if kind != IMPORTED:
                    raise InputError(
                        f"Config key vlm.models.{name}: its embeddings come with the samples, and"
                        f" the source of {set_name} is of kind {kind}: take sources of kind"
                        f" {IMPORTED} for all sets, or another model."
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
        elif reference["kind"] != TEXT_ONLY:
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


def _check_vision_sets(vision: Mapping[str, Any]) -> None:
    _check_sources(vision, "vision")
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


def _check_vision_paths(vision: Mapping[str, Any], base: Path) -> None:
    for name, source in vision["sources"].items():
        where = f"Config key vision.sources.{name}"
        for key, what in (("path", "images"), ("annotations", "annotations")):
            if key in source and not (base / source[key]).is_dir():
                raise InputError(
                    f"{where}.{key}: there is no folder {base / source[key]}: put the {what} there,"
                    " one folder a class, or correct the path; relative paths start from the folder"
                    " of the Snakefile."
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


def _check_vision_models(vision: Mapping[str, Any]) -> None:
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


def _check_vision_tests(vision: Mapping[str, Any]) -> None:
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


def in_order(domain: str, sets: Mapping[str, Any]) -> list[str]:
    """The sets that a config has, in the domain's order, which hash ranges and numbers follow."""
    return [name for name in SETS[domain] if name in sets]
