"""What a config of the vision-language domain asks for: which outcomes each test compares.

Standard library only: the Snakefile imports it, and every job pays for that.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from dejavu.config import paths, ranges
from dejavu.config.kinds import MODELS
from dejavu.config.replicates import Config, Plan, path_names, replicated, replicates, seeds
from dejavu.config.sweeps import planned

# Successive shards of a set that are taken out of its source together, where shards would else read
# parts more often than its square.
GATHERED = 64


def is_gathered(parts: int, shards: int) -> bool:
    """Whether the shards of a set are taken out of the parts of its source in groups."""
    return parts * shards > GATHERED**2


def gathered_hashes(hashes: tuple[int, int], group: int, shards: int) -> list[int]:
    """First hash of each shard of a group of a set with that range, and the first one after it."""
    first = group * GATHERED
    after = min(first + GATHERED, shards)
    starts = [ranges.shard_range(hashes, shard, shards)[0] for shard in range(first, after)]
    return [*starts, ranges.shard_range(hashes, after - 1, shards)[1]]


def models_in_tests(domain: Config) -> list[str]:
    """The models that some test measures or refers to, in the config's order."""
    used = {
        name
        for test in domain["tests"].values()
        for name in (test["target"], test["reference"], *null_models(test))
    }
    return [model for model in domain["models"] if model in used]


def comparisons(vlm: Config) -> Iterator[Plan]:
    """What each test compares, for each query.

    Yields plain mappings, so that they can be the parameters of a rule: `test`, its `kind`,
    `query`, the names of the models, `replicates`, and `tallies`: for each part that
    `scores.vlm.rows_of_test` takes, the set and, for the model acting as target and as reference,
    the path names of its replicates and its query. `nulls` has the same of each null model, as
    `null` beside target and reference, on `target` and `control`.
    """
    models, sets = vlm["models"], vlm["sets"]
    for name, test in vlm["tests"].items():
        target, reference = test["target"], test["reference"]
        count = max(len(seeds(models[role])) for role in (target, reference))
        for query in vlm["queries"]:

            def side(
                role: str, test: Config = test, query: str = query, count: int = count
            ) -> Plan:
                names = replicated(test[role], models[test[role]], count)
                return {"models": names, "query": query_of(test, role, query)}

            kept = {"target": side("target"), "reference": side("reference")}
            changed = {"target": side("reference"), "reference": side("target")}
            tallies = {"target": {"set": "target", **kept}}
            if "control" in sets:
                for part in ("control", "first_half", "second_half"):
                    tallies[part] = {"set": "control", **kept}
            if "reference" in sets:
                two_model = test["kind"] == "two_model"
                place = "reference" if two_model else "nonmember"
                tallies[place] = {"set": "reference", **(changed if two_model else kept)}
            nulls = {
                null: {
                    part: {
                        "set": part,
                        **kept,
                        "null": {"models": replicated(null, models[null], count), "query": query},
                    }
                    for part in ("target", "control")
                }
                for null in null_models(test)
            }
            yield {
                "test": name,
                "kind": test["kind"],
                "query": query,
                "target_model": target,
                "reference_model": reference,
                "replicates": replicates(models[target], models[reference]),
                "tallies": tallies,
                "nulls": nulls,
            }


def null_models(test: Config) -> Sequence[str]:
    """The models that a test measures in its target's place, though they learned nothing of it."""
    return test.get("null_models", ())


def at_headline(vlm: Config) -> list[Plan]:
    """What each test compares at the headline's query, on its sets, no halves and no others."""
    query = headline(vlm)["query"]
    kept = ("target", "reference", "control")
    return [
        {
            **each,
            "tallies": {name: each["tallies"][name] for name in kept if name in each["tallies"]},
        }
        for each in comparisons(vlm)
        if each["query"] == query
    ]


def sweeps(vlm: Config) -> list[Plan]:
    """What each sweep compares at the headline's setting, and each pair of `contrasts`.

    Yields plain mappings: `sweep`, `varied` (keys; none of a contrast) and `points`, one entry for
    each point and kind of test: its `point` (keys and values), what `comparisons` yields on the
    sets alone that scores are made of, the `setting` (`k`, `predict`, `objects`), and `fraction`:
    the part of target and reference that is measured, on which every point was trained.
    """
    return planned(vlm, partial(first_reference, vlm), partial(_compared, vlm))


def first_reference(vlm: Config, kind: str, target: str) -> str | None:
    """The reference of a target's first test of a kind.

    None where it has none, or where there is no control to calibrate a one-model test by.
    """
    if kind == "one_model" and "control" not in vlm["sets"]:
        return None
    tests = vlm["tests"].values()
    asked = (each for each in tests if (each["kind"], each["target"]) == (kind, target))
    return next((test["reference"] for test in asked), None)


def _compared(vlm: Config, point: Plan, kind: str, target: str, reference: str) -> Plan:
    """What one pair of models of a kind of test is compared on, at the headline's setting."""
    test = {"kind": kind, "target": target, "reference": reference}
    [found] = at_headline({**vlm, "tests": {"": test}})
    kept = {key: value for key, value in found.items() if key not in ("test", "nulls")}
    setting = {key: headline(vlm)[key] for key in ("k", "predict", "objects")}
    return {**kept, "setting": {**setting, **({"k": point["k"]} if "k" in point else {})}}


def query_of(test: Config, role: str, query: str) -> str:
    """The query that a model answers in a test: one that stands for texts searches captions."""
    stands_for_texts = test["kind"] == "one_model" and role == "reference"
    return "t2t" if stands_for_texts else query


def queries_of(model: str, vlm: Config) -> list[str]:
    """The queries that a model answers in all tests, each once."""
    asked = [
        query_of(test, role, query)
        for query in vlm["queries"]
        for test in vlm["tests"].values()
        for role in ("target", "reference")
        if test[role] == model
    ]
    nulls = {name for test in vlm["tests"].values() for name in null_models(test)}
    asked += vlm["queries"] if model in nulls else []
    return list(dict.fromkeys(asked))


def imported_folder(vlm: Config, model: Config, source: str, base: Path) -> str:
    """The folder with a model's embeddings of a source: its own, or else that of the samples."""
    own = paths.for_source(model, MODELS[model["kind"]].files, base, source)
    return str({**vlm["sources"][source], **own}["path"])


def references_to_agree(vlm: Config) -> list[Plan]:
    """Pairs of different references of all tests, for each query; first replicates."""
    models = vlm["models"]
    tests = {test["reference"]: test for test in reversed(vlm["tests"].values())}
    names = list(dict.fromkeys(test["reference"] for test in vlm["tests"].values()))
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    return [
        {
            "query": query,
            **{
                role: {
                    "name": model,
                    "model": path_names(model, models[model])[0],
                    "query": query_of(tests[model], "reference", query),
                }
                for role, model in (("first", first), ("second", second))
            },
        }
        for query in vlm["queries"]
        for first, second in pairs
    ]


def has_two_model_tests(vlm: Config) -> bool:
    """Whether some test compares two models of a kind."""
    return any(test["kind"] == "two_model" for test in vlm["tests"].values())


def headline(vlm: Config) -> Plan:
    """The one setting that figures, galleries and the verdict speak of.

    It is `headline` of the config, or else `t2i`, k = 10, `top10`, `all`; where a config does not
    ask for one of these, its first value.
    """
    usual = {"query": "t2i", "k": 10, "predict": "top10", "objects": "all"}
    chosen = {**usual, **vlm["headline"]}
    asked = {"query": vlm["queries"], **{key: vlm[key] for key in ("k", "predict", "objects")}}
    return {key: value if value in asked[key] else asked[key][0] for key, value in chosen.items()}
