"""What a config of the vision domain asks for: which predictions each test compares.

Standard library only: the Snakefile imports it, and every job pays for that.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from dejavu.config.kinds import MODELS, NAIVE_BAYES
from dejavu.config.replicates import (
    Config,
    Plan,
    model_of,
    path_names,
    replicated,
    replicates,
    seeds,
)
from dejavu.config.sweeps import planned

# What decides which pixels of a crop a model sees.
PIXELS = ("crop_side", "resize", "interpolation")


def shown_pairs(vision: Config) -> list[dict[str, str]]:
    """The pair that stands for each target model in galleries: the first of its tests."""
    pairs: dict[str, dict[str, str]] = {}
    for each in comparisons(vision):
        chosen = {name: each[name] for name in ("test", "target_model", "reference_model")}
        pairs.setdefault(each["target_model"], chosen)
    return list(pairs.values())


def has_two_model_tests(vision: Config) -> bool:
    """Whether some test compares two models of a kind."""
    return bool(vision["tests"]["two_model"])


def predictors_in_tests(vision: Config) -> list[str]:
    """The models and other predictors that some vision test measures or refers to."""
    tests = vision["tests"]
    paired = [pair[role] for pair in tests["two_model"] for role in ("target", "reference")]
    single = [*tests["one_model"]["targets"], *tests["one_model"]["references"]]
    return list(dict.fromkeys([*paired, *single, *null_models(vision)]))


def null_models(vision: Config) -> Sequence[str]:
    """The models that one-model tests measure in a target's place, though they learned nothing."""
    return vision["tests"]["one_model"].get("null_models", ())


def null_comparisons(vision: Config) -> Iterator[Plan]:
    """What null models are compared with: the references, and beside these the targets.

    Yields what `comparisons` does, with `null_model`. Where that is the `target_model`, it is
    measured as if it were one; elsewhere `sides` has its predictions, too, as targets of `null_A`
    and `null_control`.
    """
    single, models = vision["tests"]["one_model"], vision["models"]
    for null in null_models(vision):
        for target in (null, *single["targets"]):
            for reference in single["references"]:
                names = dict.fromkeys((target, reference, null))
                several = max((models.get(name, {}) for name in names), key=lambda m: len(seeds(m)))
                count = len(seeds(several))
                own, others, nulls = (
                    replicated(name, models.get(name, {}), count)
                    for name in (target, reference, null)
                )
                sides: Plan = {
                    name: {"set": name, "targets": own, "references": others}
                    for name in ("A", "control")
                }
                if target != null:
                    sides |= {
                        f"null_{name}": {"set": name, "targets": nulls, "references": []}
                        for name in ("A", "control")
                    }
                yield {
                    "test": "one_model",
                    "target_model": target,
                    "reference_model": reference,
                    "null_model": null,
                    "replicates": replicates(several, {}),
                    "sides": sides,
                }


def comparisons(vision: Config) -> Iterator[Plan]:
    """What is compared for each target model and reference of the vision tests.

    Yields plain mappings: `test`, `target_model`, `reference_model`, `replicates`, and `sides`: for
    each part that `scores.vision.rows_of_target` takes, but the halves of control, the set and the
    path names of the predictors acting as `targets` and as `references`, one each a replicate.
    """
    tests = vision["tests"]
    pairs = [("two_model", pair["target"], pair["reference"]) for pair in tests["two_model"]]
    pairs += [
        ("one_model", target, reference)
        for target in tests["one_model"]["targets"]
        for reference in tests["one_model"]["references"]
    ]
    for test, target, reference in pairs:
        settings = [vision["models"].get(name, {}) for name in (target, reference)]
        count = max(len(seeds(each)) for each in settings)
        targets, references = (
            replicated(name, each, count)
            for name, each in zip((target, reference), settings, strict=True)
        )
        kept = {"targets": targets, "references": references}
        sides: Plan = {"A": {"set": "A", **kept}}
        if test == "two_model":
            sides["B"] = {"set": "B", "targets": references, "references": targets}
        if "control" in vision["sets"]:
            sides["control"] = {"set": "control", **kept}
            if "B" in vision["sets"] and _has_not_learned(vision["models"].get(target, {}), "B"):
                sides["nonmember"] = {"set": "B", "targets": targets, "references": []}
        yield {
            "test": test,
            "target_model": target,
            "reference_model": reference,
            "replicates": replicates(*settings),
            "sides": sides,
        }


def weighed_name(comparison: Plan) -> str:
    """What evidence weighs at once: a target model with all references of a kind of test."""
    return f"{comparison['test']}.{comparison['target_model']}"


def compared_sets(vision: Config) -> list[Plan]:
    """What is compared, on the sets alone that a score is made of."""
    kept = ("A", "B", "control")
    return [
        {**each, "sides": {name: each["sides"][name] for name in kept if name in each["sides"]}}
        for each in comparisons(vision)
    ]


def sweeps(vision: Config) -> list[Plan]:
    """What each sweep compares, and each pair of `contrasts`.

    Yields plain mappings: `sweep`, `varied` (keys; none of a contrast) and `points`, one entry for
    each point and kind of test: its `point` (keys and values), `kind`, what `compared_sets` yields
    but for `test`, the `setting` (`k`), and `fraction`: the part of A and B, of each class, that is
    measured, on which every point was trained.
    """
    return planned(vision, partial(first_reference, vision), partial(_compared, vision))


def first_reference(vision: Config, kind: str, target: str) -> str | None:
    """The first reference of a target's tests of a kind.

    None where it has none, or where there is no control to calibrate a one-model test by.
    """
    tests = vision["tests"]
    if kind == "one_model":
        single = tests["one_model"]
        is_asked = target in single["targets"] and "control" in vision["sets"]
        return single["references"][0] if is_asked else None
    pairs = (pair for pair in tests["two_model"] if pair["target"] == target)
    return next((pair["reference"] for pair in pairs), None)


def most_votes(vision: Config) -> int:
    """The largest number of neighbours that a sweep lets vote, or else the domain's."""
    asked = [k for sweep in vision.get("sweeps", {}).values() for k in sweep.get("k", [])]
    return max([vision["k"], *asked])


def at_votes(name: str, k: int) -> str:
    """How a predictor stands in paths where other neighbours vote than the config's `k`."""
    return f"{name}@{k}"


def _compared(vision: Config, point: Plan, kind: str, target: str, reference: str) -> Plan:
    """What one pair of predictors of a kind of test is compared on."""
    single: Plan = {"targets": [], "references": []}
    tests: Plan = {"two_model": [], "one_model": single}
    if kind == "two_model":
        tests["two_model"] = [{"target": target, "reference": reference}]
    else:
        tests["one_model"] = {"targets": [target], "references": [reference]}
    [found] = compared_sets({**vision, "tests": tests})
    k: int = point["k"] if "k" in point else vision["k"]

    def voted(names: Sequence[str]) -> list[str]:
        return [
            at_votes(name, k) if k != vision["k"] and _votes(name, vision["models"]) else name
            for name in names
        ]

    sides = {
        part: {**side, **{role: voted(side[role]) for role in ("targets", "references")}}
        for part, side in found["sides"].items()
    }
    kept = {key: value for key, value in found.items() if key != "test"}
    return {"kind": kind, **kept, "sides": sides, "setting": {"k": k}}


def _votes(path_name: str, models: Config) -> bool:
    """Whether a predictor, as it stands in paths, is one for which neighbours vote."""
    settings = models.get(model_of(path_name, models))
    return settings is not None and "vote_labels" in MODELS[settings["kind"]].rules


def _has_not_learned(model: Config, name: str) -> bool:
    """Whether a model is known not to have seen a set: it is trained here, on another.

    What else a published model was trained on than the samples of its set, nobody knows.
    """
    record = MODELS.get(model.get("kind", ""))
    return record is not None and record.trained and model["train_on"] != name


def references(vision: Config) -> list[Plan]:
    """All references of the vision tests, those of two-model tests first.

    Each has its `name`, whether it is of a `two_model` test, and the `replicates` and path names
    (`predictors`) with which it stands `alone` and `together` with the two-model references.
    """
    tests, models = vision["tests"], vision["models"]
    trained = list(dict.fromkeys(pair["reference"] for pair in tests["two_model"]))
    names = list(dict.fromkeys([*trained, *tests["one_model"]["references"]]))
    several = max((models.get(name, {}) for name in names), key=lambda each: len(seeds(each)))
    return [
        {
            "name": name,
            "two_model": name in trained,
            "alone": {
                "replicates": replicates(models.get(name, {}), {}),
                "predictors": path_names(name, models.get(name, {})),
            },
            "together": {
                "replicates": replicates(several, {}),
                "predictors": replicated(name, models.get(name, {}), len(seeds(several))),
            },
        }
        for name in names
    ]


def unlike_pixels(vision: Config) -> list[Plan]:
    """Targets of one-model tests and classifiers that see crops otherwise, by the config's choice.

    Each has `target_model`, `reference_model`, and the keys of `preprocessing` that differ with the
    values of both.
    """
    single, models = vision["tests"]["one_model"], vision["models"]
    found = []
    for target in single["targets"]:
        for reference in (name for name in single["references"] if name in models):
            # What a published encoder's own processor does, the config does not choose.
            ours, theirs = (models[name].get("preprocessing") for name in (target, reference))
            if ours is None:
                continue
            differing = {
                key: [ours[key], theirs[key]] for key in PIXELS if ours[key] != theirs[key]
            }
            if differing:
                names = {"target_model": target, "reference_model": reference}
                found.append({**names, "preprocessing": differing})
    return found


def most_tags(vision: Config) -> str | None:
    """The Naive Bayes reference with the most tags a crop, None where there is none."""
    bayes = [
        name for name in vision["tests"]["one_model"]["references"] if name.startswith(NAIVE_BAYES)
    ]
    return max(bayes, key=lambda name: int(name.removeprefix(NAIVE_BAYES)), default=None)


def class_name_files(vision: Config) -> list[str]:
    """Files with readable names of the class folders of those sources that some set takes."""
    used = {settings["source"] for settings in vision["sets"].values()}
    names = [
        vision["sources"][name].get("class_names") for name in vision["sources"] if name in used
    ]
    return list(dict.fromkeys(path for path in names if path))
