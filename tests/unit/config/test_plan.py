"""What a config asks for: names in paths, replicates, and what each test compares."""

import json
import subprocess
import sys
from itertools import pairwise

import pytest

from dejavu.config import layout, plan, plan_vision, plan_vlm, ranges, replicates

CLIP = {"kind": "clip"}
TEXT = {"kind": "sentence_transformers"}


def vlm(sets=("target", "reference", "public", "control"), a=(0,), b=(0,)):
    return {
        "sets": dict.fromkeys(sets),
        "queries": ["t2i", "t2t"],
        "models": {
            "unused": CLIP,
            "clip_a": {**CLIP, "seeds": list(a)},
            "clip_b": {**CLIP, "seeds": list(b)},
            "minilm": TEXT,
        },
        "tests": {
            "two_model": {"kind": "two_model", "target": "clip_a", "reference": "clip_b"},
            "one_model": {"kind": "one_model", "target": "clip_a", "reference": "minilm"},
        },
    }


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["m"]),
        ({"kind": "checkpoint"}, ["m"]),
        ({"kind": "ssl"}, ["m_s0"]),
        ({**CLIP, "seeds": [7]}, ["m_s7"]),
        ({**CLIP, "seeds": [7, 10, 0]}, ["m_s7", "m_s10", "m_s0"]),
    ],
)
def test_seeds_stand_in_the_paths_of_what_is_trained_here_and_of_nothing_else(settings, names):
    models = {"m": settings, "m_start": {**CLIP, "seeds": [1, 2]}}
    assert replicates.path_names("m", settings) == names
    for name, seed in zip(names, settings.get("seeds", [0]), strict=True):
        assert replicates.model_of(name, models) == "m"
        assert replicates.seed_of(name, models) == seed
    assert replicates.model_of("m_start_s2", models) == "m_start"
    assert replicates.seed_of("m_start_s2", models) == 2


@pytest.mark.parametrize(
    ("target", "reference", "rows"),
    [
        ([0], [0], {"0": [0]}),
        ([5], [7], {"0": [0]}),
        ([5, 3], [7], {"5": [0], "3": [1], "pooled": [0, 1]}),
        ([5], [7, 9, 1], {"7": [0], "9": [1], "1": [2], "pooled": [0, 1, 2]}),
        ([1, 2], [1, 2], {"1": [0], "2": [1], "pooled": [0, 1]}),
    ],
)
def test_replicates_are_the_seeds_of_the_side_that_has_several(target, reference, rows):
    assert replicates.replicates({"seeds": target}, {"seeds": reference}) == rows
    assert replicates.replicates({"seeds": target}, TEXT) == replicates.replicates(
        {"seeds": target}, CLIP
    )


def found(domain):
    return {(each["test"], each["query"]): each for each in plan_vlm.comparisons(domain)}


def side(tally, role):
    return tally[role]["models"], tally[role]["query"]


def test_every_test_is_compared_for_every_query():
    comparisons = found(vlm())
    assert list(comparisons) == [
        (test, query) for test in ("two_model", "one_model") for query in ("t2i", "t2t")
    ]
    one = comparisons["one_model", "t2i"]
    assert (one["target_model"], one["reference_model"]) == ("clip_a", "minilm")


@pytest.mark.parametrize("query", ["t2i", "t2t"])
def test_a_two_model_test_changes_the_models_places_on_the_reference_set_alone(query):
    tallies = found(vlm())["two_model", query]["tallies"]
    assert set(tallies) == {"target", "control", "first_half", "second_half", "reference"}
    for name, tally in tallies.items():
        models = ["clip_a_s0", "clip_b_s0"]
        models = models if name != "reference" else models[::-1]
        assert side(tally, "target") == ([models[0]], query)
        assert side(tally, "reference") == ([models[1]], query)
        expected = {"target": "target", "reference": "reference"}.get(name, "control")
        assert tally["set"] == expected


@pytest.mark.parametrize("query", ["t2i", "t2t"])
def test_a_text_reference_searches_captions_whatever_the_targets_query(query):
    tallies = found(vlm())["one_model", query]["tallies"]
    assert set(tallies) == {"target", "control", "first_half", "second_half", "nonmember"}
    assert tallies["nonmember"]["set"] == "reference"
    for tally in tallies.values():
        assert side(tally, "target") == (["clip_a_s0"], query)
        assert side(tally, "reference") == (["minilm"], "t2t")


def test_sets_that_are_not_there_are_not_compared():
    tallies = found(vlm(sets=("target", "public")))["one_model", "t2i"]["tallies"]
    assert set(tallies) == {"target"}
    tallies = found(vlm(sets=("target", "reference", "public")))["two_model", "t2i"]["tallies"]
    assert set(tallies) == {"target", "reference"}


def test_replicate_r_pairs_seed_r_and_a_single_seed_serves_all():
    comparisons = found(vlm(a=[4, 6], b=[4, 6]))
    tally = comparisons["two_model", "t2i"]["tallies"]["target"]
    assert tally["target"]["models"] == ["clip_a_s4", "clip_a_s6"]
    assert tally["reference"]["models"] == ["clip_b_s4", "clip_b_s6"]
    tally = comparisons["one_model", "t2i"]["tallies"]["target"]
    assert tally["reference"]["models"] == ["minilm", "minilm"]
    tally = found(vlm(a=[4], b=[1, 2, 3]))["two_model", "t2i"]["tallies"]["reference"]
    assert tally["target"]["models"] == ["clip_b_s1", "clip_b_s2", "clip_b_s3"]
    assert tally["reference"]["models"] == ["clip_a_s4"] * 3
    tally = found(vlm(a=[4], b=[1, 2, 3]))["one_model", "t2i"]["tallies"]["target"]
    assert tally["reference"]["models"] == ["minilm"]


def test_comparisons_are_plain_values():
    comparisons = list(plan_vlm.comparisons(vlm(a=[1, 2])))
    assert json.loads(json.dumps(comparisons)) == comparisons


def test_only_models_of_tests_are_used():
    assert plan_vlm.models_in_tests(vlm()) == ["clip_a", "clip_b", "minilm"]


def test_every_pair_of_different_references_is_compared_once_a_query():
    domain = vlm(b=[1, 2])
    domain["tests"]["again"] = domain["tests"]["two_model"]
    domain["tests"]["third"] = {"kind": "two_model", "target": "clip_a", "reference": "unused"}
    pairs = plan_vlm.references_to_agree(domain)
    names = [(each["query"], each["first"]["name"], each["second"]["name"]) for each in pairs]
    expected = [("clip_b", "minilm"), ("clip_b", "unused"), ("minilm", "unused")]
    assert names == [(query, *pair) for query in ("t2i", "t2t") for pair in expected]
    first = pairs[0]
    assert (first["first"]["model"], first["first"]["query"]) == ("clip_b_s1", "t2i")
    assert (first["second"]["model"], first["second"]["query"]) == ("minilm", "t2t")


def test_paths_have_shards_of_four_digits():
    path = layout.recovered_path("clip_a_s1", "t2i", "target", 12)
    assert path == "results/vlm/recovered/clip_a_s1/t2i/target/0012.parquet"


def test_parsing_the_workflow_imports_nothing_heavy():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from dejavu.config import checks, plan, reruns, schema;"
        "print(*sorted(set(sys.modules) & {'torch', 'polars', 'faiss', 'pyarrow', 'jsonschema'}))"
    )
    scripts = plan_vlm.__file__.rpartition("/dejavu/")[0]
    done = subprocess.run(
        [sys.executable, "-c", program, scripts], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_the_headline_is_the_methods_or_the_first_that_is_asked_for():
    asked = {"queries": ["t2t", "t2i"], "k": [1, 10], "predict": ["all", "top10"], "headline": {}}
    asked["objects"] = ["unnamed", "all"]
    assert plan_vlm.headline({**asked, "headline": {"k": 1, "objects": "unnamed"}}) == {
        "query": "t2i",
        "k": 1,
        "predict": "top10",
        "objects": "unnamed",
    }
    assert plan_vlm.headline(asked) == {
        "query": "t2i",
        "k": 10,
        "predict": "top10",
        "objects": "all",
    }
    asked = {"queries": ["t2t"], "k": [5, 7], "predict": ["top1"], "objects": ["unnamed"]}
    asked["headline"] = {}
    assert plan_vlm.headline(asked) == {
        "query": "t2t",
        "k": 5,
        "predict": "top1",
        "objects": "unnamed",
    }


@pytest.mark.parametrize("domain", ["vlm", "vision"])
def test_sets_that_are_compared_and_of_different_sources_are_told_apart(domain):
    first, second = {"vlm": ("target", "reference"), "vision": ("A", "B")}[domain]
    two = {"vlm": {"t": {"kind": "two_model"}}, "vision": {"two_model": [{}]}}[domain]
    one = {"vlm": {"t": {"kind": "one_model"}}, "vision": {"two_model": []}}[domain]

    def pairs(tests, **sources):
        sets = {name: {"source": source} for name, source in sources.items()}
        return plan.told_apart(domain, {"sets": sets, "tests": tests})

    training = [[first, second]]
    control = [[first, "control"]]
    assert pairs(two, **{first: "x", second: "y", "control": "x"}) == control + training
    assert pairs(two, **{first: "x", second: "x", "control": "y"}) == control
    assert pairs(one, **{first: "x", second: "y", "control": "x"}) == control
    assert pairs(two, **{first: "x", second: "y"}) == training
    assert pairs(two, **{first: "x", second: "x"}) == []


def test_without_control_the_headline_of_a_one_model_test_is_raw():
    assert plan.headline_sets({"sets": {"control": {}}})["one_model"] == "calibrated"
    assert plan.headline_sets({"sets": {}}) == {"two_model": "symmetric", "one_model": "target"}


def test_trainings_are_those_of_models_that_are_used_and_trained_here():
    models = {"a": {"kind": "ssl", "seeds": [3, 5]}, "b": {"kind": "ssl"}, "c": TEXT}
    assert replicates.trainings(models, ["c", "a"]) == [("a", 3, "a_s3"), ("a", 5, "a_s5")]


def test_galleries_show_each_target_with_its_first_test():
    two = [{"target": "a", "reference": "b"}]
    one = {"targets": ["a", "c"], "references": ["resnet", "naive_bayes@1"]}
    vision = {
        "models": {name: {"kind": "ssl"} for name in "abc"} | {"resnet": {"kind": "classifier"}},
        "sets": {"A": {}, "B": {}},
        "tests": {"two_model": two, "one_model": one},
    }
    assert plan_vision.shown_pairs(vision) == [
        {"test": "two_model", "target_model": "a", "reference_model": "b"},
        {"test": "one_model", "target_model": "c", "reference_model": "resnet"},
    ]
    asked = ["a", "b", "c", "resnet", "naive_bayes@1"]
    assert plan_vision.predictors_in_tests(vision) == asked


VISION = {
    "models": {
        "a": {"kind": "ssl", "seeds": [3, 5]},
        "b": {"kind": "checkpoint"},
        "unused": {"kind": "ssl"},
        "resnet": {"kind": "classifier"},
        "pixels": {"kind": "pixels"},
    },
    "sets": {"A": {}, "B": {}, "public": {}},
    "index": {"factory": "Flat"},
    "tests": {
        "two_model": [{"target": "a", "reference": "b"}],
        "one_model": {"targets": ["a"], "references": ["resnet", "naive_bayes@2"]},
    },
}


def test_models_that_embed_search_with_every_query_that_they_answer():
    asked = [(each["model"], each["query"], each["name"]) for each in plan.searches("vlm", vlm())]
    assert asked == [
        *(("clip_a", query, "clip_a_s0") for query in ("t2i", "t2t")),
        *(("clip_b", query, "clip_b_s0") for query in ("t2i", "t2t")),
        ("minilm", "t2t", "minilm"),
    ]
    asked = [
        (each["model"], each["query"], each["name"]) for each in plan.searches("vision", VISION)
    ]
    assert asked == [("a", "crop", "a_s3"), ("b", "crop", "b")]


def test_what_a_model_is_good_for_is_asked_of_those_that_have_a_task():
    folder = "results/vlm/utility"
    named = [f"{folder}/{{}}/{name}_s0.json" for name in ("clip_a", "clip_b")]
    assert plan.utilities("vlm", vlm()) == []
    alone, both = ({**vlm(), "utility": asked} for asked in ({}, {"images": 20}))
    assert plan.utilities("vlm", alone) == [name.format("zero_shot") for name in named]
    assert plan.utilities("vlm", both) == [
        name.format(task) for name in named for task in ("zero_shot", "linear_probe")
    ]
    assert plan.utilities("vision", {**VISION, "utility": {}}) == [
        f"results/vision/utility/linear_probe/{name}.json" for name in ("a_s3", "b")
    ]


def test_trainings_are_those_of_the_tests():
    assert plan.trainings("vision", VISION) == [
        *(("a", seed, f"a_s{seed}") for seed in (3, 5)),
        ("resnet", 0, "resnet_s0"),
    ]


def test_tables_and_figures_are_those_that_the_config_has_something_for():
    small = {**vlm(), "index": {"factory": "Flat"}, "sets": {"target": {}, "public": {}}}
    small["tests"] = {"one_model": small["tests"]["one_model"]}
    tables, figures = plan.tables({"vlm": small}), plan.figures({"vlm": small})
    assert figures[0] == "verdicts"
    assert {name.partition("_")[0] for name in tables + figures[1:]} == {"vlm"}
    for missing in ("recall", "blind", "contamination", "tags"):
        assert f"vlm_{missing}" not in tables
    assert "utility" not in tables and "vlm_agreement" not in figures
    assert "vlm_training" in figures
    asked = {**small, "index": {"factory": "IVF8,Flat"}, "blind": {}, "utility": {}}
    added = [*tables, "vlm_blind", "vlm_recall", "utility"]
    assert plan.tables({"vlm": asked}) == added
    both = plan.tables({"vision": VISION, "vlm": small})
    assert both[: len(tables)] == tables and "vision_tags" in both
    assert {"vision_agreement", "vision_training"} <= set(plan.figures({"vision": VISION}))


def test_membership_is_told_from_control_for_each_target_once():
    small = {**vlm(), "index": {"factory": "Flat"}, "sets": {"target": {}, "control": {}}}
    small |= {"queries": ["t2t", "t2i"], "headline": {}, "k": [1, 10]}
    small |= {"predict": ["top10"], "objects": ["all"]}
    keys = ("test", "target", "reference", "query")
    attacked = plan.attacked("vlm", small)
    assert [tuple(each[key] for key in keys) for each in attacked] == [
        ("two_model", "clip_a_s0", "clip_b_s0", "t2i"),
        ("one_model", "clip_a_s0", None, "t2i"),
    ]
    asked = plan.tables({"vlm": small})
    assert {"vlm_membership", "vlm_roc"} <= set(asked)
    assert "vlm_membership" in plan.figures({"vlm": small})
    without = {**small, "sets": {"target": {}}}
    assert not {"vlm_membership", "vlm_roc"} & set(plan.tables({"vlm": without}))
    # A one-model test of images has several references, and its target one set of answers.
    attacked = plan.attacked("vision", VISION)
    assert [tuple(each[key] for key in keys) for each in attacked] == [
        ("two_model", "a_s3", "b", "crop"),
        ("one_model", "a_s3", None, "crop"),
    ]
    assert attacked[1]["reference_model"] == "resnet"


def test_groups_are_those_that_are_asked_for():
    small = {**vlm(), "index": {"factory": "Flat"}, "sets": {"target": {}, "control": {}}}
    small["groups"] = ["rarity", {"column": "language"}]
    assert plan.columns_grouped_by("vlm", small) == ["language"]
    small["groups"] = ["rarity"]
    assert plan.grouped_by("vlm", small) == ["rarity"]
    assert "vlm_groups" in plan.tables({"vlm": small}) and "vlm_groups" in plan.figures(
        {"vlm": small}
    )
    for without in ({"groups": []}, {"sets": {"target": {}}}):
        assert "vlm_groups" not in plan.tables({"vlm": {**small, **without}})


def test_readable_names_are_read_from_sources_in_use_once():
    sources = {
        "one": {"class_names": "names.json"},
        "two": {"class_names": "names.json"},
        "three": {},
        "unused": {"class_names": "others.json"},
    }
    sets = {"A": {"source": "one"}, "B": {"source": "two"}, "public": {"source": "three"}}
    assert plan_vision.class_name_files({"sources": sources, "sets": sets}) == ["names.json"]


def test_targets_and_classifiers_of_unlike_pixels_are_told():
    published = {"crop_side": 224, "resize": "centre_crop", "interpolation": "bilinear"}
    models = {
        "target": {"preprocessing": {**published, "image_side": 224}},
        "other": {"preprocessing": {**published, "interpolation": "bicubic"}},
        "resnet": {"preprocessing": {**published, "crop_side": 64}},
        "alike": {"preprocessing": published},
    }
    references = ["resnet", "naive_bayes@3", "alike"]
    one_model = {"targets": ["target", "other"], "references": references}
    told = plan_vision.unlike_pixels({"models": models, "tests": {"one_model": one_model}})
    assert [(each["target_model"], each["reference_model"]) for each in told] == [
        ("target", "resnet"),
        ("other", "resnet"),
        ("other", "alike"),
    ]
    assert told[0]["preprocessing"] == {"crop_side": [224, 64]}
    assert told[2]["preprocessing"] == {"interpolation": ["bicubic", "bilinear"]}


@pytest.mark.parametrize("shards", [1, 64, 65, 4000])
def test_gathered_shards_are_all_shards_of_a_set(shards):
    hashes = (2**60 + 7, 2**64)
    groups = [
        plan_vlm.gathered_hashes(hashes, group, shards)
        for group in range(-(-shards // plan_vlm.GATHERED))
    ]
    found = [bounds for group in groups for bounds in pairwise(group)]
    assert found == [ranges.shard_range(hashes, shard, shards) for shard in range(shards)]


def test_shards_of_few_parts_are_taken_from_these():
    pairs = [(1, 1), (64, 64), (1, 4000), (65, 64), (4000, 4000)]
    assert [plan_vlm.is_gathered(*pair) for pair in pairs] == [False, False, False, True, True]
