"""Embeddings that exist already: which folders a test compares, and which queries models answer."""

import copy

import numpy as np
import pytest

from dejavu.config import plan, plan_vlm
from dejavu.errors import InputError
from tests.unit.config.test_checks import SCHEMA, check, complete

OWN = {"kind": "clip_retrieval", "encoder": "second", "path": "second/{source}"}


@pytest.fixture
def base(tmp_path):
    """Folders of two models' embeddings of two sources, with other vectors in each."""
    for seed, name in enumerate(("a", "b", "second/a", "second/b")):
        for kind in ("metadata", "img_emb", "text_emb"):
            (tmp_path / name / kind).mkdir(parents=True)
        (tmp_path / name / "metadata/metadata_0.parquet").touch()
        vectors = np.random.default_rng(seed).normal(size=(4, 3))
        for kind in ("img_emb", "text_emb"):
            np.save(tmp_path / name / kind / f"{kind}_0.npy", vectors)
    return tmp_path


def config(**changes):
    """Two models of embeddings, of which the changes are the second's settings."""
    second = {key: value for key, value in {**OWN, **changes}.items() if value is not None}
    return {
        "vlm": {
            "sources": {
                name: {"kind": "clip_retrieval", "path": name, "parts": 1} for name in ("a", "b")
            },
            "sets": {
                "target": {"source": "a", "fraction": 0.5},
                "reference": {"source": "a", "fraction": 0.5},
                "public": {"source": "b"},
            },
            "models": {
                "first": {"kind": "clip_retrieval", "encoder": "first"},
                "second": second,
            },
            "tests": {"two": {"kind": "two_model", "target": "first", "reference": "second"}},
        }
    }


def checked(edited, base):
    done = complete(edited, SCHEMA)
    check(done, base)
    return done["vlm"]


def test_two_folders_of_two_models_are_compared(base):
    checked(config(), base)
    edited = config(path=str(base / "second/a"))
    checked(edited, base)


@pytest.mark.parametrize("kind", ["two_model", "one_model"])
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"path": None}, "'first' and 'second' have the same embeddings"),
        ({"path": "second/../{source}"}, "'first' and 'second' have the same embeddings"),
        ({"path": "copy/{source}"}, "'first' and 'second' have the same embeddings"),
        ({"encoder": "first"}, "the same `encoder`, 'first'"),
        ({"encoder": "first", "path": None}, "the same model under the same settings"),
        ({"path": "nowhere/{source}"}, "second.path: there is no folder"),
        ({"path": "second"}, "second holds no metadata/metadata_*.parquet files"),
    ],
)
def test_one_model_is_not_compared_with_itself(base, kind, changes, told):
    for name in ("a", "b"):
        (base / "copy" / name / "text_emb").mkdir(parents=True)
        (base / "copy" / name / "metadata").mkdir()
        (base / "copy" / name / "metadata/metadata_0.parquet").touch()
        vectors = (base / name / "text_emb/text_emb_0.npy").read_bytes()
        (base / "copy" / name / "text_emb/text_emb_0.npy").write_bytes(vectors)
    edited = config(**changes)
    edited["vlm"]["tests"]["two"]["kind"] = kind
    with pytest.raises(InputError) as error:
        checked(edited, base)
    assert told in str(error.value) and "\n" not in str(error.value)


def test_published_models_of_the_same_settings_are_not_compared(base):
    edited = config()
    web = {"kind": "open_clip", "architecture": "RN50", "pretrained": "openai"}
    edited["vlm"]["models"] = {"first": web, "second": copy.deepcopy(web)}
    with pytest.raises(InputError, match="the same model under the same settings"):
        checked(edited, base)


def test_the_reference_of_a_one_model_test_stands_for_texts(base):
    edited = config()
    edited["vlm"]["queries"] = ["t2i", "t2t"]
    two = edited["vlm"]["tests"]["two"]
    edited["vlm"]["tests"]["one"] = {**two, "kind": "one_model"}
    vlm = checked(edited, base)
    asked = {
        (plan["test"], plan["query"]): {
            role: plan["tallies"]["target"][role]["query"] for role in ("target", "reference")
        }
        for plan in plan_vlm.comparisons(vlm)
    }
    assert asked == {
        ("two", "t2i"): {"target": "t2i", "reference": "t2i"},
        ("two", "t2t"): {"target": "t2t", "reference": "t2t"},
        ("one", "t2i"): {"target": "t2i", "reference": "t2t"},
        ("one", "t2t"): {"target": "t2t", "reference": "t2t"},
    }
    searched = [(each["model"], each["query"]) for each in plan.searches("vlm", vlm)]
    assert searched == [
        ("first", "t2i"),
        ("first", "t2t"),
        ("second", "t2i"),
        ("second", "t2t"),
    ]
    del vlm["tests"]["two"]
    searched = [(each["model"], each["query"]) for each in plan.searches("vlm", vlm)]
    assert searched == [("first", "t2i"), ("first", "t2t"), ("second", "t2t")]


def test_samples_of_any_source_may_have_embeddings(base):
    edited = config()
    (base / "photos").mkdir()
    (base / "photos/0.tar").touch()
    edited["vlm"]["sources"]["a"] = {"kind": "img2dataset", "path": "photos", "parts": 1}
    edited["vlm"]["models"]["first"] = {**OWN, "encoder": "third", "path": "a"}
    checked(edited, base)
    del edited["vlm"]["models"]["first"]["path"]
    with pytest.raises(InputError, match="a `path` of its own, or another model"):
        checked(edited, base)


def test_neighbours_that_are_given_have_a_file_for_each_query_that_is_asked(base):
    edited = config()
    edited["vlm"]["queries"] = ["t2i", "t2t"]
    models, tests = edited["vlm"]["models"], edited["vlm"]["tests"]
    models["ours"] = {"kind": "neighbors", "path": "ours.parquet"}
    models["texts"] = {"kind": "neighbors", "path": "texts_{source}.parquet"}
    tests["one"] = {"kind": "one_model", "target": "ours", "reference": "texts"}
    for name in ("ours", "ours_t2i", "ours_t2t", "texts_a"):
        (base / f"{name}.parquet").touch()
    with pytest.raises(InputError, match="ask it by t2i and t2t, whose answers differ"):
        checked(edited, base)
    models["ours"]["path"] = "ours_{query}.parquet"
    vlm = checked(edited, base)
    assert plan.answered("vlm", vlm) == {
        "ours": [(query, name) for query in ("t2i", "t2t") for name in ("target", "reference")],
        "texts": [("t2t", "target"), ("t2t", "reference")],
    }
    assert {each["model"] for each in plan.searches("vlm", vlm)} == {"first", "second"}
    (base / "ours_t2t.parquet").unlink()
    with pytest.raises(InputError, match=r"vlm\.models\.ours\.path: there is no file .*ours_t2t"):
        checked(edited, base)
