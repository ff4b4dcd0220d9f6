"""The schema in its files: joined for the workflow, followed by editors, obeyed by the configs."""

import re
from pathlib import Path

import pytest
import yaml

from dejavu.config import reading, schema
from dejavu.errors import InputError

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "rules/schemas").glob("*.yaml"))
TOP = ROOT / "rules/schemas/config.schema.yaml"
CONFIGS = [
    ROOT / "config.yaml",
    *sorted((ROOT / "config").glob("*.yaml")),
    *sorted((ROOT / "tests/workflow").glob("*.yaml")),
]


def references(rules):
    """Every reference of a schema."""
    if isinstance(rules, dict):
        yield from [rules["$ref"]] if isinstance(rules.get("$ref"), str) else []
        rules = list(rules.values())
    if isinstance(rules, list):
        for below in rules:
            yield from references(below)


def place_of(rules, pointer):
    """What a JSON pointer leads to."""
    for step in pointer.removeprefix("/").split("/"):
        rules = rules[step]
    return rules


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_reference_leads_to_a_definition_of_its_file_or_of_one_beside_it(path):
    content = yaml.safe_load(path.read_text())
    for reference in references(content):
        name, _, pointer = reference.partition("#")
        held = yaml.safe_load((path.parent / name).read_text()) if name else content
        assert place_of(held, pointer)["description" if "captions" in pointer else "type"]


def test_the_joined_schema_holds_every_file_and_refers_to_itself_alone():
    joined = schema.read(TOP)
    defined = [set(yaml.safe_load(path.read_text()).get("$defs", {})) for path in FILES]
    assert set(joined["$defs"]) == set().union(*defined)
    for reference in references(joined):
        assert place_of(joined, reference.removeprefix("#"))


def test_a_name_that_two_files_define_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text('$ref: "b.yaml#/$defs/x"\n$defs: {x: {type: string}}\n')
    (tmp_path / "b.yaml").write_text("$defs: {x: {type: integer}}\n")
    with pytest.raises(ValueError, match=r"b\.yaml defines x"):
        schema.read(tmp_path / "a.yaml")


def test_files_may_refer_to_each_other(tmp_path):
    (tmp_path / "a.yaml").write_text(
        'properties: {p: {$ref: "b.yaml#/$defs/b"}}\n$defs: {a: {type: integer, default: 3}}\n'
    )
    (tmp_path / "b.yaml").write_text(
        '$defs: {b: {type: object, default: {}, properties: {q: {$ref: "a.yaml#/$defs/a",'
        " default: 3}}}}\n"
    )
    assert schema.complete({"p": {}}, schema.read(tmp_path / "a.yaml")) == {"p": {"q": 3}}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_shipped_config_is_valid_and_leads_editors_to_the_schema(path):
    reading.check(path)
    schema.complete(yaml.safe_load(path.read_text()), schema.read(TOP))
    first = path.read_text().partition("\n")[0]
    target = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)[1]
    assert (path.parent / target).resolve() == TOP


def test_no_schema_falls_into_a_trap_of_yaml():
    for path in FILES:
        reading.check(path)


RULES = {
    "properties": {
        "rate": {"type": "number"},
        "count": {"type": "integer"},
        "name": {"type": "string"},
        "flag": {"type": "boolean"},
        "group": {"type": "object"},
    }
}


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("rate: 1e-3", "write 1.0e-3"),
        ("rate: 1e3", r"write 1.0e\+3"),
        ("rate: 2.5e4", r"write 2.5e\+4"),
        ("rate: -1E-3", "write -1.0e-3"),
        ("count: 1e3", "write 1000"),
        ("count: 1.0e+3", "write 1000"),
        ("count: 1.0", "write 1"),
        ("count:", "give it a value, or leave the key out"),
        ("name: no", "put it in quotes"),
        ("name: 1", "put it in quotes"),
        ("name: 2020-01-01", "put it in quotes"),
        ("flag: 'yes'", "write true or false"),
        ("group: resnet50", "write keys with values, as {key: value}"),
    ],
)
def test_a_value_of_another_kind_comes_with_what_to_write(written, remedy):
    key = written.partition(":")[0]
    with pytest.raises(InputError, match=f"^Config key {key}: .* not of type .*{remedy}.$"):
        schema.complete(yaml.safe_load(written), RULES)


@pytest.mark.parametrize("text", ["1e-3", "2.5e4", "-1E+03", "7e0"])
def test_the_number_that_is_suggested_is_the_one_that_was_meant(text):
    with pytest.raises(InputError) as caught:
        schema.complete({"rate": text}, RULES)
    suggested = str(caught.value).rpartition(" ")[2].removesuffix(".")
    assert yaml.safe_load(suggested) == float(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "nan"])
def test_what_is_no_finite_number_is_no_number(value):
    with pytest.raises(InputError, match=r"rate: .* is not of type 'number'"):
        schema.complete({"rate": value}, RULES)


@pytest.mark.parametrize("value", ["word", True, 1.5, [1]])
def test_a_value_that_stands_for_no_number_comes_without_a_number(value):
    with pytest.raises(InputError, match=r"is not of type 'integer'\.$"):
        schema.complete({"count": value}, RULES)


def test_what_anchors_share_has_defaults_of_its_own():
    one = {"kind": "ssl", "train_on": "A", "projector": {"hidden_dim": 8}}
    models = {"a": {**one, "method": "vicreg"}, "b": {**one, "method": "byol"}}
    assert models["a"]["projector"] is models["b"]["projector"]
    found = schema.complete(models, schema.models_of(schema.read(TOP), "vision"))
    assert {name: found[name]["projector"].get("num_layers") for name in found} == {
        "a": 3,
        "b": None,
    }


def reordered(value):
    """A value with the keys of all its mappings the other way round."""
    if isinstance(value, dict):
        return {key: reordered(below) for key, below in reversed(value.items())}
    return [reordered(below) for below in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_settings_stand_in_one_order_however_they_were_written_and_names_in_their_own(path):
    config, rules = yaml.safe_load(path.read_text()), schema.read(TOP)
    one, other = (schema.complete(given, rules) for given in (config, reordered(config)))
    assert one == other
    for domain in {"vlm", "vision"} & one.keys():
        assert list(one[domain]["models"]) == list(config[domain]["models"])
        assert list(one[domain]["models"]) == list(reversed(other[domain]["models"]))
        for name, settings in one[domain]["models"].items():
            assert str(settings) == str(other[domain]["models"][name])
        assert [str(each) for each in one[domain]["sources"].values()] == [
            str(each) for each in reversed(other[domain]["sources"].values())
        ]


def test_arguments_of_a_library_stand_in_one_order_however_they_were_written():
    config = yaml.safe_load((ROOT / "tests/workflow/vision_small.yaml").read_text())
    backbone = config["vision"]["models"]["vicreg_a"]["backbone"]
    backbone["settings"] = {"in_chans": 3, "act_layer": {"b": 1, "a": 2}}
    found = [
        schema.complete(given, schema.read(TOP))["vision"]["models"]["vicreg_a"]
        for given in (config, reordered(config))
    ]
    assert str(found[0]) == str(found[1])
    # Not so where keys are names of the config's own, whose order is that of rows.
    given = {"vlm": {**yaml.safe_load((ROOT / "tests/workflow/smoke.yaml").read_text())["vlm"]}}
    classes = schema.complete(given, schema.read(TOP))["vlm"]["utility"]["classes"]
    assert list(classes) == ["apple", "car", "laptop", "bed"]
