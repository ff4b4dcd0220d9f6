"""What a config asks for: the models' path names, and which outcomes each test compares.

Standard library only: the Snakefile imports it, and every job pays for that.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Config = Mapping[str, Any]
Plan = dict[str, Any]

SETS = {
    "vlm": ("target", "reference", "public", "control"),
    "vision": ("A", "B", "shared", "public", "control"),
}
# The sets whose samples are asked about; the others are searched, or trained on.
MEASURED = {"vlm": ("target", "reference", "control"), "vision": ("A", "B", "control")}
TEXT_ONLY = "sentence_transformers"
PIXELS = "pixels"
CLASSIFIER = "classifier"
CLIP_LIKE = ("clip", "open_clip", "transformers")
TRAINED = ("clip", "ssl", "classifier")
PUBLISHED = "checkpoint"
IMPORTED = "clip_retrieval"
IMAGE_ENCODERS = ("ssl", PUBLISHED)
QUERY_INPUTS = {"t2i": "image", "t2t": "caption", "crop": "image"}
DETECTORS = ("detector", "clip")
NAIVE_BAYES = "naive_bayes@"
EXACT_INDEX = "Flat"


def seeds(settings: Config) -> Sequence[int]:
    """A model's training seeds; a model that is not trained here has one."""
    return settings.get("seeds", (0,))


def path_names(model: str, settings: Config) -> list[str]:
    """How a model stands in paths: once for each of its seeds."""
    several = seeds(settings)
    return [f"{model}_s{seed}" for seed in several] if len(several) > 1 else [model]


def model_of(path_name: str, models: Config) -> str:
    """The model that a path name belongs to."""
    return path_name if path_name in models else path_name.rpartition("_s")[0]


def seed_of(path_name: str, models: Config) -> int:
    """The training seed that a path name stands for."""
    model = model_of(path_name, models)
    place = path_names(model, models[model]).index(path_name)
    return seeds(models[model])[place]


def models_in_tests(domain: Config) -> list[str]:
    """The models that some test measures or refers to, in the config's order."""
    used = {test[role] for test in domain["tests"].values() for role in ("target", "reference")}
    return [model for model in domain["models"] if model in used]


def shown_pairs(vision: Config) -> list[dict[str, str]]:
    """The pair that stands for each target model in galleries: the first of its tests."""
    pairs: dict[str, dict[str, str]] = {}
    for each in vision_comparisons(vision):
        chosen = {name: each[name] for name in ("target_model", "reference", "test")}
        pairs.setdefault(each["target_model"], chosen)
    return list(pairs.values())


def predictors_in_tests(vision: Config) -> list[str]:
    """The models and other predictors that some vision test measures or refers to."""
    tests = vision["tests"]
    paired = [pair[role] for pair in tests["two_model"] for role in ("target", "reference")]
    single = [*tests["one_model"]["targets"], *tests["one_model"]["references"]]
    return list(dict.fromkeys([*paired, *single]))


def useful_models(name: str, domain: Config) -> list[str]:
    """The measured models of a domain that have a task which tells what they are good for."""
    models = domain["models"]
    if name == "vlm":
        used, kinds = models_in_tests(domain), set(CLIP_LIKE)
    else:
        used, kinds = predictors_in_tests(domain), set(IMAGE_ENCODERS)
    return [model for model in used if models.get(model, {}).get("kind") in kinds]


def replicates(target: Config, reference: Config) -> dict[str, list[int]]:
    """For each value of the column `replicate` the places of the seeds that it is made of."""
    several = max(seeds(target), seeds(reference), key=len)
    rows = {str(seed if len(several) > 1 else 0): [place] for place, seed in enumerate(several)}
    return {**rows, "pooled": list(range(len(several)))} if len(several) > 1 else rows


def comparisons(vlm: Config) -> Iterator[Plan]:
    """What each test compares, for each query.

    Yields plain mappings, so that they can be the parameters of a rule: `test`, `query`, the names
    of the models, `replicates`, and `tallies`: for each tally that `vlm_scores.rows_of_test`
    takes, the set and, for the model acting as target and as reference, the path names of its
    replicates and its query.
    """
    models, sets = vlm["models"], vlm["sets"]
    for name, test in vlm["tests"].items():
        target, reference = test["target"], test["reference"]
        count = max(len(seeds(models[role])) for role in (target, reference))
        for query in vlm["queries"]:

            def side(model: str, query: str = query, count: int = count) -> Plan:
                names = path_names(model, models[model])
                # A model with one seed serves every replicate.
                names = names * count if len(names) == 1 else names
                return {"models": names, "query": query_of(model, query, models)}

            kept = {"target": side(target), "reference": side(reference)}
            changed = {"target": side(reference), "reference": side(target)}
            tallies = {"target": {"set": "target", **kept}}
            if "control" in sets:
                for part in ("control", "first_half", "second_half"):
                    tallies[part] = {"set": "control", **kept}
            if "reference" in sets:
                two_model = test["kind"] == "two_model"
                place = "reference" if two_model else "nonmember"
                tallies[place] = {"set": "reference", **(changed if two_model else kept)}
            yield {
                "test": name,
                "query": query,
                "target_model": target,
                "reference_model": reference,
                "replicates": replicates(models[target], models[reference]),
                "tallies": tallies,
            }


def query_of(model: str, query: str, models: Config) -> str:
    """The query a model answers: a text-only model always searches captions."""
    return "t2t" if models[model]["kind"] == TEXT_ONLY else query


def searches(domain: str, settings: Config) -> list[Plan]:
    """Each `model` of the tests that searches, with the `query`; `name`: its first replicate's."""
    models = settings["models"]
    if domain == "vision":
        asked = [
            (name, "crop")
            for name in predictors_in_tests(settings)
            if name in models and models[name]["kind"] != "classifier"
        ]
    else:
        asked = [
            (model, query_of(model, query, models))
            for model in models_in_tests(settings)
            for query in settings["queries"]
        ]
    return [
        {"model": model, "query": query, "name": path_names(model, models[model])[0]}
        for model, query in dict.fromkeys(asked)
    ]


def references_to_agree(vlm: Config) -> list[Plan]:
    """Pairs of different references of all tests, for each query; first replicates."""
    models = vlm["models"]
    names = list(dict.fromkeys(test["reference"] for test in vlm["tests"].values()))
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    return [
        {
            "query": query,
            **{
                role: {
                    "name": model,
                    "model": path_names(model, models[model])[0],
                    "query": query_of(model, query, models),
                }
                for role, model in (("first", first), ("second", second))
            },
        }
        for query in vlm["queries"]
        for first, second in pairs
    ]


def searched_for_duplicates(domain: str, sets: Config) -> dict[str, list[str]]:
    """For each measured set those in which its near-duplicates are looked for, each pair once."""
    measured = [name for name in MEASURED[domain] if name in sets]
    others = [name for name in SETS[domain] if name in sets and name not in measured]
    return {name: measured[place:] + others for place, name in enumerate(measured, 1)}


def headline(vlm: Config) -> Plan:
    """The one setting that figures, galleries and the verdict speak of (method: §3, placebo).

    It is `t2i`, k = 10, `top10`, `all`; where a config leaves one of these out, its first value.
    """
    chosen = {"query": "t2i", "k": 10, "predict": "top10", "objects": "all"}
    asked = {"query": vlm["queries"], **{key: vlm[key] for key in ("k", "predict", "objects")}}
    return {key: value if value in asked[key] else asked[key][0] for key, value in chosen.items()}


def headline_sets(domain: Config) -> dict[str, str]:
    """The set whose row is the headline, by kind of test (method: §3).

    Without control nothing is calibrated, and one-model tests have their raw score alone.
    """
    return {
        "two_model": "symmetric",
        "one_model": "calibrated" if "control" in domain["sets"] else "target",
    }


def trainings(models: Config, used: Sequence[str]) -> list[tuple[str, int, str]]:
    """Name, seed and path name of each training of those models that are trained here."""
    return [
        (model, seed, name)
        for model, settings in models.items()
        if model in used and settings["kind"] in TRAINED
        for seed, name in zip(seeds(settings), path_names(model, settings), strict=True)
    ]


def shard_name(shard: int) -> str:
    """How a shard stands in paths."""
    return f"{shard:04d}"


def recovered_path(model: str, query: str, set_name: str, shard: int) -> str:
    """Counts of recovered objects of one shard under one model."""
    return f"results/vlm/recovered/{model}/{query}/{set_name}/{shard_name(shard)}.parquet"


def vision_comparisons(vision: Config) -> Iterator[Plan]:
    """What is compared for each target model and reference of the vision tests.

    Yields plain mappings: `test`, `target_model`, `reference`, `replicates`, and `sides`: for each
    part that `vision_scores.rows_of_pair` takes, but the halves of control, the set and the path
    names of the predictors acting as `targets` and as `references`, one each a replicate.
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
        yield {
            "test": test,
            "target_model": target,
            "reference": reference,
            "replicates": replicates(*settings),
            "sides": sides,
        }


def replicated(name: str, settings: Config, count: int) -> list[str]:
    """Path names of a predictor's replicates; one with a single seed serves all of them."""
    names = path_names(name, settings)
    return names * count if len(names) == 1 else names


def vision_references(vision: Config) -> list[Plan]:
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


def most_tags(vision: Config) -> str | None:
    """The Naive Bayes reference with the most tags a crop, None where there is none."""
    bayes = [
        name for name in vision["tests"]["one_model"]["references"] if name.startswith(NAIVE_BAYES)
    ]
    return max(bayes, key=lambda name: int(name.removeprefix(NAIVE_BAYES)), default=None)


def prediction_path(predictor: str, set_name: str) -> str:
    """Predictions of one predictor, by its path name, on the crops of a set."""
    return f"results/vision/predictions/{predictor}/{set_name}.parquet"
