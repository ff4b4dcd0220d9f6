"""The config: defaults from the schema, and a sentence with key and remedy for every mistake."""

import copy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dejavu.config.checks import check
from dejavu.config.domains import DOMAINS
from dejavu.config.schema import complete, read
from dejavu.errors import InputError

SCHEMA_PATH = Path(__file__).parents[3] / "rules/schemas/config.schema.yaml"
SCHEMA = read(SCHEMA_PATH)
TINY = {"embed_dim": 8, "vision_cfg": {}, "text_cfg": {}}


def config():
    """A config with every kind of source, model and test, and nothing that has a default."""
    return copy.deepcopy(
        {
            "vlm": {
                "sources": {
                    "world": {"kind": "scenes"},
                    "photos": {"kind": "img2dataset", "path": "photos"},
                    "rows": {"kind": "table", "path": "rows.csv"},
                },
                "sets": {
                    "target": {"source": "world", "fraction": 0.4},
                    "reference": {"source": "world", "fraction": 0.4},
                    "public": {"source": "photos"},
                    "control": {"source": "rows"},
                },
                "models": {
                    "a": {"kind": "clip", "train_on": "target", "model_cfg": TINY},
                    "b": {"kind": "clip", "train_on": "reference", "model_cfg": TINY},
                    "web": {"kind": "open_clip", "architecture": "RN50", "pretrained": "openai"},
                    "text": {"kind": "sentence_transformers", "model": "thenlper/gte-base"},
                },
                "tests": {
                    "two": {"kind": "two_model", "target": "a", "reference": "b"},
                    "one": {"kind": "one_model", "target": "a", "reference": "text"},
                },
            }
        }
    )


@pytest.fixture
def base(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "x").mkdir()
    for name in ("0.tar", "1.tar"):
        (tmp_path / "photos" / name).touch()
    (tmp_path / "rows.csv").touch()
    (tmp_path / "weights.pt").touch()
    return tmp_path


REMOVED = object()


def changed(dotted, value):
    """The config with one key set to another value, or removed."""
    edited = config()
    *parents, last = dotted.split("/")
    place = edited
    for key in parents:
        place = place[key]
    if value is REMOVED:
        del place[last]
    else:
        place[last] = value
    return edited


def sentence(edited, base):
    """What the user is told about a config."""
    with pytest.raises(InputError) as error:
        check(complete(edited, SCHEMA), base)
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_the_config_that_the_others_spoil_is_right(base):
    check(complete(config(), SCHEMA), base)


def test_defaults_are_filled_in_at_every_depth(base):
    completed = complete(config(), SCHEMA)
    vlm = completed["vlm"]
    assert completed["seed"] == 0
    assert (vlm["k"], vlm["queries"]) == ([1, 10, 100], ["t2i", "t2t"])
    assert vlm["sets"]["public"] == {"source": "photos", "fraction": 1, "shards": 2}
    assert vlm["sources"]["world"]["pictures"] == 6000
    assert vlm["sources"]["photos"]["objects"] == "objects"
    assert "objects" not in vlm["sources"]["world"]
    assert vlm["sources"]["rows"]["columns"]["caption"] == "caption"
    assert vlm["models"]["a"]["seeds"] == [0]
    assert vlm["models"]["a"]["preprocess_cfg"]["interpolation"] == "bicubic"
    assert "seeds" not in vlm["models"]["web"]
    assert vlm["models"]["text"]["prompt"] == ""


def test_what_is_given_stays_and_the_given_config_is_not_touched():
    given_config = config()
    given_config["vlm"]["k"] = [3]
    given_config["vlm"]["models"]["a"]["preprocess_cfg"] = {"size": 64}
    before = copy.deepcopy(given_config)
    completed = complete(given_config, SCHEMA)
    assert given_config == before
    assert completed["vlm"]["k"] == [3]
    assert completed["vlm"]["models"]["a"]["preprocess_cfg"]["size"] == 64
    assert completed["vlm"]["models"]["a"]["preprocess_cfg"]["resize_mode"] == "squash"
    completed["vlm"]["models"]["b"]["preprocess_cfg"]["mean"].append(1)
    assert (
        complete(given_config, SCHEMA)["vlm"]["models"]["b"]["preprocess_cfg"]["mean"] == [0.5] * 3
    )
    assert complete(completed, SCHEMA) == completed


CLIP = {"kind": "open_clip", "architecture": "RN50"}


@pytest.mark.parametrize("nothing", [{}, {"allow_download": True}])
def test_a_config_of_neither_captions_nor_crops_is_told_so(base, nothing):
    with pytest.raises(
        InputError, match="measures nothing: give it `vlm` for captions or `vision`"
    ):
        check(complete(nothing, SCHEMA), base)


def test_null_models_need_control_and_seeds_that_can_be_paired(base):
    edited = changed("vlm/tests/one/null_models", ["b"])
    check(complete(edited, SCHEMA), base)
    edited["vlm"]["models"]["b"]["seeds"] = [1, 2]
    assert "seeds" in sentence(edited, base)
    edited["vlm"]["models"]["b"]["seeds"] = [1]
    del edited["vlm"]["sets"]["control"]
    assert "add `control` to vlm.sets" in sentence(edited, base)


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        # What the schema says.
        ("extra", 1, ["(the whole file)", "extra", "seed", "vlm"]),
        ("seed", "x", ["seed", "'x'", "integer"]),
        ("vlm", None, ["vlm", "object"]),
        ("vlm/sources", REMOVED, ["vlm", "lacks", "'sources'"]),
        ("vlm/k", [], ["vlm.k"]),
        ("vlm/k", [0], ["vlm.k.0", "minimum of 1"]),
        ("vlm/k", [1, 1], ["vlm.k"]),
        ("vlm/queries", ["i2i"], ["vlm.queries.0", "'i2i'", "t2i, t2t"]),
        ("vlm/predict", ["top5"], ["vlm.predict.0", "top1, top10, all"]),
        ("vlm/objects", "all", ["vlm.objects", "array"]),
        ("vlm/headline", {"k": 7}, ["vlm.headline.k", "7 is not among vlm.k", "add it there"]),
        ("vlm/kk", [1], ["vlm", "kk", "may hold", "queries"]),
        ("vlm/embedding", {"batches": 3}, ["vlm.embedding", "batches", "batch, precision"]),
        ("vlm/sets/public", REMOVED, ["vlm.sets", "lacks", "'public'"]),
        (
            "vlm/sets/further",
            {"source": "world"},
            ["vlm.sets", "further", "control, extra, public"],
        ),
        ("vlm/sets/public/fraction", 0, ["vlm.sets.public.fraction"]),
        ("vlm/sets/public/fraction", 1.5, ["vlm.sets.public.fraction", "1.5"]),
        ("vlm/sets/public/source", REMOVED, ["vlm.sets.public", "lacks", "'source'"]),
        ("vlm/sources/world/kind", "photos", ["vlm.sources.world.kind", "'photos'", "img2dataset"]),
        ("vlm/sources/world/kind", REMOVED, ["vlm.sources.world", "lacks", "'kind'"]),
        ("vlm/sources/world/path", "x", ["vlm.sources.world", "path", "pictures"]),
        ("vlm/sources/photos/path", REMOVED, ["vlm.sources.photos", "lacks", "'path'"]),
        (
            "vlm/sources/rows/columns",
            {"ids": "i"},
            ["vlm.sources.rows.columns", "ids", "caption, id"],
        ),
        ("vlm/sources/rows/separator", "", ["vlm.sources.rows.separator"]),
        ("vlm/models/a/train_on", REMOVED, ["vlm.models.a", "lacks", "'train_on'"]),
        ("vlm/models/a/train_on", "public", ["vlm.models.a.train_on", "target, reference"]),
        ("vlm/models/a/epoch", 3, ["vlm.models.a", "epoch", "epochs"]),
        ("vlm/models/web/epochs", 3, ["vlm.models.web", "epochs", "architecture"]),
        ("vlm/models/a/seeds", [], ["vlm.models.a.seeds"]),
        ("vlm/models/a/model_cfg", {}, ["vlm.models.a.model_cfg", "lacks", "'embed_dim'"]),
        (
            "vlm/models/a",
            {"kind": "random", "model_cfg": {**TINY, "vision_cfg": "x"}},
            ["vlm.models.a.model_cfg.vision_cfg", "'x' is not of type 'object'"],
        ),
        ("vlm/tests/two/kind", "three", ["vlm.tests.two.kind", "'three'", "two_model, one_model"]),
        ("vlm/tests/two/reference", REMOVED, ["vlm.tests.two", "lacks", "'reference'"]),
        # What only the whole can tell.
        ("vlm/models/Big", CLIP, ["vlm.models.Big", "a-z, 0-9 and _", "rename"]),
        ("vlm/models/clip-a", CLIP, ["vlm.models.clip-a", "rename"]),
        ("vlm/models/a_s3", CLIP, ["vlm.models.a_s3", "_s and digits", "rename"]),
        ("vlm/tests/my test", {"kind": "two_model", "target": "a", "reference": "b"}, ["rename"]),
        ("vlm/sources/a@1", {"kind": "scenes"}, ["vlm.sources.a@1", "rename"]),
        ("vlm/sets/public/source", "none", ["vlm.sets.public.source", "'none'", "world, photos"]),
        ("vlm/sets/public/source", "world", ["vlm.sets", "'world'", "1.8", "lower them"]),
        ("vlm/sources/rows/path", "no.csv", ["vlm.sources.rows.path", "no.csv", "relative paths"]),
        ("vlm/sources/photos/parts", 3, ["vlm.sources.photos", "2 *.tar", "set `parts` to 2"]),
        (
            "vlm/sources/photos/path",
            "rows.csv",
            ["vlm.sources.photos.path", "rows.csv is a file: put a folder there"],
        ),
        (
            "vlm/sources/rows/path",
            "photos",
            ["vlm.sources.rows.path", "photos is a folder: put a file"],
        ),
        ("vlm/sources/photos/path", "x", ["vlm.sources.photos.path", "holds no *.tar", "correct"]),
        ("vlm/models/web", {**CLIP, "checkpoint": "no.pt"}, ["vlm.models.web.checkpoint", "no.pt"]),
        ("vlm/models/web", CLIP, ["vlm.models.web", "either `pretrained`", "`checkpoint`"]),
        (
            "vlm/models/web",
            {**CLIP, "architecture": "ViT-B-33", "pretrained": "openai"},
            ["vlm.models.web.architecture", "'ViT-B-33'", "ViT-B-32", "list_models()"],
        ),
        (
            "vlm/models/web",
            {"kind": "random", "architecture": "resnet50"},
            ["vlm.models.web.architecture", "no architecture 'resnet50'"],
        ),
        (
            "vlm/models/web",
            {**CLIP, "pretrained": "openai", "checkpoint": "weights.pt"},
            ["vlm.models.web", "either"],
        ),
        (
            "vlm/models/web",
            {**CLIP, "architecture": "local-dir:x", "pretrained": "openai"},
            ["vlm.models.web", "neither with a `local-dir:`"],
        ),
        (
            "vlm/models/text/model",
            "models/text/gte",
            ["vlm.models.text.model", "there is no folder", "models/text/gte"],
        ),
        (
            "vlm/models/web",
            {"kind": "transformers", "model": "./clip"},
            ["vlm.models.web.model", "there is no folder", "relative paths"],
        ),
        (
            "vlm/models/web",
            {"kind": "clip_retrieval", "encoder": "ViT-B/32"},
            ["vlm.models.web", "the source of target is of kind scenes", "or another model"],
        ),
        (
            "vlm/sources/rows",
            {"kind": "clip_retrieval", "path": "photos"},
            ["vlm.sources.rows.path", "holds no metadata/metadata_*.parquet files", "correct"],
        ),
        ("vlm/sets/reference", REMOVED, ["vlm.models.b.train_on", "'reference'", "target, public"]),
        (
            "vlm/tests/two/null_models",
            ["web"],
            ["vlm.tests.two.null_models", "a null model already"],
        ),
        ("vlm/tests/one/null_models", ["c"], ["vlm.tests.one.null_models", "'c'", "a, b, web"]),
        ("vlm/tests/one/null_models", ["a"], ["null_models", "'a'", "trained on target"]),
        ("vlm/tests/one/null_models", ["text"], ["'text'", "kind random"]),
        ("vlm/models/drawn", {"kind": "random"}, ["vlm.models.drawn", "either `architecture`"]),
        (
            "vlm/models/drawn",
            {"kind": "random", "architecture": "RN50", "model_cfg": TINY},
            ["vlm.models.drawn", "either `architecture`"],
        ),
        ("vlm/sources/world/tilt", {"moon": 2}, ["vlm.sources.world.tilt", "moon", "kitchen"]),
        ("vlm/tests/two/target", "c", ["vlm.tests.two.target", "'c'", "a, b, web, text"]),
        ("vlm/tests/one/reference", "c", ["vlm.tests.one.reference", "'c'", "a, b, web, text"]),
        ("vlm/tests/one/target", "text", ["vlm.tests.one.target", "'text'", "needs images"]),
        ("vlm/tests/two/reference", "text", ["vlm.tests.two", "'text'", "`kind: one_model`"]),
        ("vlm/tests/one/reference", "b", ["vlm.tests.one", "'b'", "clip", "`kind: two_model`"]),
        ("vlm/tests/two/target", "b", ["vlm.tests.two.target", "'b'", "'reference'", "`train_on`"]),
        ("vlm/tests/two/reference", "a", ["vlm.tests.two.reference", "'a'", "`train_on`"]),
    ],
)
def test_every_mistake_is_told_with_its_key_and_what_is_allowed(base, key, value, parts):
    text = sentence(changed(key, value), base)
    for part in parts:
        assert part in text


@pytest.mark.parametrize("name", [1, True, None, 2.5])
def test_names_that_yaml_does_not_read_as_strings_are_told(base, name):
    edited = config()
    edited["vlm"]["models"][name] = dict(CLIP, pretrained="openai")
    assert f"vlm.models.{name}" in sentence(edited, base)


def test_a_two_model_test_needs_the_reference_set_whatever_its_models(base):
    edited = changed("vlm/sets/reference", REMOVED)
    del edited["vlm"]["models"]["b"]
    edited["vlm"]["tests"]["two"]["reference"] = "web"
    text = sentence(edited, base)
    assert "vlm.tests.two" in text
    assert "add `reference` to vlm.sets" in text


def test_two_different_lists_of_seeds_are_told_and_one_seed_serves_all(base):
    edited = changed("vlm/models/a/seeds", [1, 2, 3])
    check(complete(edited, SCHEMA), base)
    edited["vlm"]["models"]["b"]["seeds"] = [1, 2]
    assert "different `seeds`" in sentence(edited, base)
    edited["vlm"]["models"]["b"]["seeds"] = [1, 2, 3]
    check(complete(edited, SCHEMA), base)


@pytest.mark.parametrize("fractions", [[0.1, 0.2, 0.7], [0.5, 0.25, 0.25], [0.33, 0.56, 0.11]])
def test_fractions_that_add_up_to_a_whole_are_taken(base, fractions):
    edited = config()
    names = ("target", "reference", "public")
    for name, fraction in zip(names, fractions, strict=True):
        edited["vlm"]["sets"][name] = {"source": "world", "fraction": fraction}
    check(complete(edited, SCHEMA), base)


def test_sets_that_share_a_part_of_their_source_are_told(base):
    edited = config()
    sets = edited["vlm"]["sets"]
    sets["target"] = {"source": "world", "from": 0.1, "fraction": 0.4}
    sets["reference"] = {"source": "world", "from": 0.45, "fraction": 0.4}
    with pytest.raises(InputError, match=r"target and reference share .*begin reference at 0\.5"):
        check(complete(edited, SCHEMA), base)
    sets["reference"]["from"] = 0.5
    check(complete(edited, SCHEMA), base)
    sets["reference"]["from"] = 0.7
    with pytest.raises(InputError, match=r"add up to 1\.1"):
        check(complete(edited, SCHEMA), base)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("vlm/models/a/extra", 0.5, "add `extra` to vlm.sets"),
        ("vlm/models/a/train_fraction", 0.5, "it is trained on 0.5 of its set, and tests measure"),
        ("vlm/models/a/train_fraction", 0, "minimum of 0"),
    ],
)
def test_what_a_model_is_trained_on_must_be_there_and_be_measured(base, key, value, told):
    with pytest.raises(InputError, match=told):
        check(complete(changed(key, value), SCHEMA), base)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.text(max_size=3), below),
    max_leaves=4,
)
PLACES = [
    "seed",
    "vlm",
    "vlm/sources",
    "vlm/sources/world",
    "vlm/sets",
    "vlm/sets/public",
    "vlm/models",
    "vlm/models/a",
    "vlm/models/a/preprocess_cfg",
    "vlm/models/web/architecture",
    "vlm/tests",
    "vlm/tests/two",
    "vlm/tests/two/target",
    "vlm/k",
    "vlm/synonyms",
    "vlm/embedding",
]


@settings(max_examples=60)
@given(ANYTHING, st.sampled_from(PLACES))
def test_whatever_stands_under_a_key_gives_a_config_or_a_sentence(value, key):
    edited = changed(key, value)
    try:
        check(complete(edited, SCHEMA), Path("nowhere"))
    except InputError as error:
        assert "Config key" in str(error)


def test_sets_stand_in_the_order_that_numbers_follow_whatever_the_config():
    names = dict.fromkeys(["control", "public", "target"])
    assert DOMAINS["vlm"].in_order(names) == ["target", "public", "control"]


def keys_of(schema, path=()):
    """Every key of a schema with its rules, whether it must be given, and where it stands."""
    if "$ref" in schema:
        target = SCHEMA
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        yield from keys_of(target, path)
    for branch in schema.get("allOf", []):
        yield from keys_of(branch["then"], path)
    for name, rules in schema.get("properties", {}).items():
        yield (*path, name), rules, name in schema.get("required", [])
        yield from keys_of(rules, (*path, name))
    for below in ("additionalProperties", "items"):
        if isinstance(schema.get(below), dict):
            yield from keys_of(schema[below], (*path, "*"))


KEYS = list(keys_of(SCHEMA))
# Absent they mean "none", for which no value stands; sets and domains are optional as a whole.
WITHOUT_DEFAULT = {
    "vlm",
    "vision",
    # One of both is given.
    "architecture",
    "model_cfg",
    # A sweep has one of these.
    *("vary", "checkpoints", "representations", "k"),
    # It depends on the number of controls.
    "shift_components",
    "reference",
    "control",
    "A",
    "B",
    "shared",
    "public",
    # Where the set before it ends.
    "from",
    # All of `shared`.
    "extra",
    "id",
    "pretrained",
    "checkpoint",
    "path",
    "preprocessing",
    "mean",
    "std",
    "interpolation",
    "resize_mode",
    "validation",
    "annotations",
    "split",
    "class_names",
    "contamination",
    "blind",
    "utility",
    "images",
}


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)
    assert len(KEYS) > 60


@pytest.mark.parametrize(("path", "rules", "required"), KEYS, ids=[".".join(k[0]) for k in KEYS])
def test_every_key_is_described_and_every_optional_key_has_a_default(path, rules, required):
    described = rules
    if "$ref" in rules and "description" not in rules:
        described = SCHEMA["$defs"][rules["$ref"].rpartition("/")[2]]
    assert path[-2:-1] == ("sets",) or described.get("description"), path
    # What the headline's keys are without being given depends on others.
    if not required and path[-1] not in WITHOUT_DEFAULT and "headline" not in path[:-1]:
        assert "default" in rules, path
    if "default" in rules:
        resolved = {**rules, "$defs": SCHEMA["$defs"]}
        Draft202012Validator(resolved).validate(copy.deepcopy(rules["default"]))


def test_every_mapping_of_the_schema_refuses_keys_that_it_does_not_know():
    def mappings(schema, path=()):
        if "properties" in schema:
            yield path, schema
        for name, below in schema.get("properties", {}).items():
            yield from mappings(below, (*path, name))
        for branch in schema.get("allOf", []):
            for name, below in branch["then"].get("properties", {}).items():
                yield from mappings(below, (*path, name))

    # Keys that several kinds have in common; whoever refers to them is closed.
    common = {
        branch["then"]["$ref"].rpartition("/")[2]
        for schema in SCHEMA["$defs"].values()
        for branch in schema.get("allOf", [])
        if "$ref" in branch["then"]
    }
    for name, schema in [("", SCHEMA), *SCHEMA["$defs"].items()]:
        for path, mapping in mappings(schema, (name,)):
            if path in {(each,) for each in common}:
                continue
            closed = mapping.get("additionalProperties", mapping.get("unevaluatedProperties"))
            assert closed is False or isinstance(closed, dict), path
