"""What a config asks for in either domain: searches, trainings, tables and figures.

Standard library only: the Snakefile imports it, and every job pays for that.
"""

from collections.abc import Mapping
from typing import Any

from dejavu.config import plan_vision, plan_vlm
from dejavu.config.domains import DOMAINS
from dejavu.config.kinds import EXACT_INDEX, MODELS
from dejavu.config.replicates import Config, Plan, path_names
from dejavu.config.replicates import trainings as trainings_of
from dejavu.config.sweeps import WEIGHTS_OF

# Keys of models that tell what they are trained on, beside their set.
TAKEN = ("train_fraction", "extra")
# Rules that make weights, which the points of a sweep may share.
WEIGHING = ("train_clip", "train_ssl", "train_classifier", "import_checkpoint")
IN_TESTS = {"vlm": plan_vlm.models_in_tests, "vision": plan_vision.predictors_in_tests}
SWEEPS = {"vlm": plan_vlm.sweeps, "vision": plan_vision.sweeps}
HAS_TWO_MODEL_TESTS = {
    "vlm": plan_vlm.has_two_model_tests,
    "vision": plan_vision.has_two_model_tests,
}


def configured(config: Config) -> list[str]:
    """The domains that a config has."""
    return [domain for domain in DOMAINS if domain in config]


def models_in_tests(domain: str, settings: Config) -> list[str]:
    """The configured models of a domain that some test measures or refers to."""
    return [name for name in IN_TESTS[domain](settings) if name in settings["models"]]


def served_by(rule: str, settings: Config) -> list[str]:
    """The models of a domain whose kind a rule serves."""
    models = settings["models"]
    return [
        name
        for name, model in models.items()
        if rule in MODELS[model["kind"]].rules and not (rule in WEIGHING and WEIGHTS_OF in model)
    ]


def utility_of(model: str, domain: str, settings: Config) -> list[str]:
    """Files that tell what a model's first replicate is good for, one a task that is asked."""
    if "utility" not in settings:
        return []
    useful = _useful_as(model, settings["models"])
    name = path_names(useful, settings["models"][useful])[0]
    # Of captions there is a probe only where its size is told.
    is_probed = domain == "vision" or "images" in settings["utility"]
    return [
        f"results/{domain}/utility/{task}/{name}.json"
        for task, rule in DOMAINS[domain].tasks.items()
        if model in served_by(rule, settings) and (is_probed or task != "linear_probe")
    ]


def utilities(domain: str, settings: Config) -> list[str]:
    """The same of all models of the tests."""
    models = models_in_tests(domain, settings)
    return [path for model in models for path in utility_of(model, domain, settings)]


def searches(domain: str, settings: Config) -> list[Plan]:
    """Each `model` of the tests that searches, with the `query`; `name`: its first replicate's."""
    models = settings["models"]
    return [
        {"model": model, "query": query, "name": path_names(model, models[model])[0]}
        for model in models_in_tests(domain, settings)
        if MODELS[models[model]["kind"]].embeds
        for query in (
            plan_vlm.queries_of(model, settings) if domain == "vlm" else DOMAINS[domain].queries
        )
    ]


def answered(domain: str, settings: Config) -> dict[str, list[tuple[str, str]]]:
    """The queries and sets that each model whose answers are given is asked with, each once."""
    models, found = settings["models"], dict[tuple[str, str, str], None]()
    points = [point for sweep in SWEEPS[domain](settings) for point in sweep["points"]]
    if domain == "vlm":
        compared = [*plan_vlm.comparisons(settings), *points]
        tallies = [tally for each in compared for tally in each["tallies"].values()]
        tallies += [
            tally
            for each in compared
            for nulls in each.get("nulls", {}).values()
            for tally in nulls.values()
        ]
        for tally in tallies:
            for role in ("target", "reference", "null"):
                for name in tally.get(role, {}).get("models", ()):
                    found[name, tally[role]["query"], tally["set"]] = None
    else:
        compared = [*plan_vision.comparisons(settings), *plan_vision.null_comparisons(settings)]
        for side in (side for each in (*compared, *points) for side in each["sides"].values()):
            for name in (*side["targets"], *side["references"]):
                found[name.partition("@")[0], DOMAINS[domain].asks, side["set"]] = None
    asked: dict[str, list[tuple[str, str]]] = {}
    for name, query, set_name in found:
        if name in models and MODELS[models[name]["kind"]].answers:
            asked.setdefault(name, []).append((query, set_name))
    return asked


def trainings(domain: str, settings: Config) -> list[tuple[str, int, str]]:
    """Name, seed and path name of every training that a domain's tests ask for."""
    return trainings_of(settings["models"], models_in_tests(domain, settings))


def sweeps(domain: str, settings: Config) -> list[Plan]:
    """The sweeps of a domain as its plan has them, each point with the files that tell of it.

    These are, of the target, `histories`, the trainings of its replicates, none where it is not
    trained here, and `utility`, what its first replicate is good for.
    """
    plans = [each for each in SWEEPS[domain](settings) if each["varied"]]
    for point in (point for each in plans for point in each["points"]):
        target, folder = point["target_model"], f"results/{domain}"
        owner = settings["models"][target].get(WEIGHTS_OF, target)
        names = path_names(owner, settings["models"][owner])
        is_trained = MODELS[settings["models"][target]["kind"]].trained
        named = [f"{folder}/models/{name}/training.csv" for name in names]
        point["histories"] = named if is_trained else []
        point["utility"] = utility_of(target, domain, settings)
    return plans


def _useful_as(model: str, models: Config) -> str:
    """The model whose usefulness is a model's: a task does not ask what layer is compared."""
    owner = models[model].get(WEIGHTS_OF, model)
    unlike = {
        key
        for key in {*models[model], *models[owner]} - {WEIGHTS_OF, "representation"}
        if models[model].get(key) != models[owner].get(key)
    }
    return model if unlike else owner


def searched_for_duplicates(domain: str, sets: Config) -> dict[str, list[str]]:
    """For each measured set those in which its near-duplicates are looked for, each pair once."""
    record = DOMAINS[domain]
    measured = [name for name in record.measured if name in sets]
    others = [name for name in record.in_order(sets) if name not in measured]
    return {name: measured[place:] + others for place, name in enumerate(measured, 1)}


def headline_sets(settings: Config) -> dict[str, str]:
    """The set whose row is the headline, by kind of test (method: raw scores).

    Without control nothing is calibrated, and one-model tests have their raw score alone.
    """
    return {
        "two_model": "symmetric",
        "one_model": "calibrated" if "control" in settings["sets"] else "target",
    }


def told_apart(domain: str, settings: Config) -> list[list[str]]:
    """The pairs of sets that the blind baseline tries to tell apart.

    One-model tests compare the targets with control. Two-model tests compare the two sets that the
    models were trained on: those of one source are told apart by a keyed hash, and need no look.
    """
    sets = settings["sets"]
    first, second, _ = DOMAINS[domain].measured
    pairs = [[first, "control"]] if "control" in sets else []
    is_asked = HAS_TWO_MODEL_TESTS[domain](settings) and second in sets
    if is_asked and sets[first]["source"] != sets[second]["source"]:
        pairs.append([first, second])
    return pairs


def weighed_tests(domain: str, settings: Config) -> list[str]:
    """The tests whose samples' evidence is weighed, as they stand in paths.

    There are none without control.
    """
    if "control" not in settings["sets"]:
        return []
    if domain == "vlm":
        return list(settings["tests"])
    return list(dict.fromkeys(map(plan_vision.weighed_name, plan_vision.comparisons(settings))))


def attacked(domain: str, settings: Config) -> list[Plan]:
    """What membership is inferred of: each test of a target, with its first reference.

    Yields `test`, `target_model`, `reference_model`, the path names of the first replicates of the
    `target` and, in two-model tests, the `reference`, and the `query` that the target answers.
    """
    compared = {"vlm": plan_vlm.at_headline, "vision": plan_vision.compared_sets}[domain]
    found: dict[tuple[str | None, ...], Plan] = {}
    for each in compared(settings):
        if domain == "vlm":
            side = each["tallies"]["target"]
            target, reference = (side[role]["models"][0] for role in ("target", "reference"))
            two_model, query = each["kind"] == "two_model", side["target"]["query"]
        else:
            side = each["sides"]["A"]
            target, reference = side["targets"][0], side["references"][0]
            two_model, query = each["test"] == "two_model", "crop"
        names = {key: each[key] for key in ("test", "target_model", "reference_model")}
        models = {"target": target, "reference": reference if two_model else None, "query": query}
        # Without its reference a one-model test is the same whatever that is.
        found.setdefault((each["test"], target, models["reference"]), {**names, **models})
    return list(found.values())


def tells_members(domain: str, settings: Config) -> list[str]:
    """The sets that signals of membership compare, members first; none without control."""
    sets = [DOMAINS[domain].measured[0], "control"]
    return sets if "control" in settings.get("sets", {}) else []


def grouped_by(domain: str, settings: Config) -> list[Any]:
    """What samples are grouped by; nothing without control."""
    return list(settings.get("groups", [])) if tells_members(domain, settings) else []


def columns_grouped_by(domain: str, settings: Config) -> list[str]:
    """The columns of the sources that samples are grouped by."""
    return [each["column"] for each in grouped_by(domain, settings) if isinstance(each, Mapping)]


def contrasted(domain: str, settings: Config) -> list[Plan]:
    """What the domain's sweeps and pairs of `contrasts` compare, on the sets alone that count."""
    if not (settings.get("sweeps") or settings.get("contrasts")):
        return []
    first, second, control = DOMAINS[domain].measured
    counted = {"two_model": (first, second), "one_model": (first, control)}
    part = {"vlm": "tallies", "vision": "sides"}[domain]

    def trimmed(point: Plan) -> Plan:
        return {**point, part: {name: point[part][name] for name in counted[point["kind"]]}}

    return [
        {**sweep, "points": [trimmed(point) for point in sweep["points"]]}
        for sweep in SWEEPS[domain](settings)
    ]


def drawn_sweeps(domain: str, settings: Config) -> dict[str, Plan]:
    """The sweeps that have a figure, by name: two models alone are none."""
    return {each["sweep"]: each for each in contrasted(domain, settings) if each["varied"]}


def traded_sweeps(domain: str, settings: Config) -> list[str]:
    """The sweeps some of whose points have a task that tells what they are good for."""
    return [
        sweep["sweep"]
        for sweep in sweeps(domain, settings)
        if any(point["utility"] for point in sweep["points"])
    ]


def is_approximate(settings: Config) -> bool:
    """Whether a domain's index may miss neighbours."""
    return bool(settings["index"]["factory"] != EXACT_INDEX)


def tables(config: Config) -> list[str]:
    """The names of all tables that a config asks for."""
    asked = []
    for domain in configured(config):
        settings, names = config[domain], list(DOMAINS[domain].tables)
        if domain == "vision" and plan_vision.most_tags(settings) is not None:
            names.append("tags")
        if weighed_tests(domain, settings):
            names += ["evidence", "discoveries"]
        names += [audit for audit in ("contamination", "blind") if audit in settings]
        if tells_members(domain, settings):
            names += ["membership", "roc"]
        if grouped_by(domain, settings):
            names.append("groups")
        if is_approximate(settings):
            names.append("recall")
        if settings.get("sweeps"):
            names.append("sweeps")
        if contrasted(domain, settings):
            names.append("contrasts")
        asked += [f"{domain}_{name}" for name in names]
    is_useful = any(utilities(domain, config[domain]) for domain in configured(config))
    return [*asked, "utility"] if is_useful else asked


def is_of_sweeps(name: str) -> bool:
    """Whether a table or figure, by its name, is of sweeps, whose digest is one of its own."""
    return name.partition("_")[2].startswith(("sweep", "contrast", "tradeoff"))


def figures(config: Config) -> list[str]:
    """The names of all figures that a config asks for."""
    asked = []
    for domain in configured(config):
        settings, names = config[domain], list(DOMAINS[domain].figures)
        if domain == "vlm":
            several = bool(plan_vlm.references_to_agree(settings))
        else:
            several = len(plan_vision.references(settings)) > 1
        if several:
            names.append("agreement")
        if tells_members(domain, settings):
            names.append("membership")
        if grouped_by(domain, settings):
            names.append("groups")
        if trainings(domain, settings):
            names.append("training")
        names += [f"sweep_{name}" for name in drawn_sweeps(domain, settings)]
        names += [f"tradeoff_{name}" for name in traded_sweeps(domain, settings)]
        asked += [f"{domain}_{name}" for name in names]
    return ["verdicts", *asked]
