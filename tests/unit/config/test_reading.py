"""Strict YAML: at every depth what is written is what is read, or it is told with its line."""

import math

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from dejavu.config import reading
from dejavu.errors import InputError

# Around a mapping, at several depths; the last closes with what must not end the search.
AROUND = ["{}", "vlm:\n  {}", "a:\n  b:\n  - c: 1\n    d:\n      e:\n        {}\n  z: 1"]


def refused(tmp_path, text):
    """The sentence of a refusal."""
    path = tmp_path / "some.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        reading.check(path)
    told = str(caught.value)
    assert told.startswith(f"{path}, line ") and "\n" not in told and told.endswith(".")
    return told.removeprefix(f"{path}, ")


def accepted(tmp_path, text):
    """Check a file and read it."""
    path = tmp_path / "some.yaml"
    path.write_text(text)
    reading.check(path)
    return reading.load(path)


def placed(around, lines):
    """Lines of a mapping at a depth, with the number of the first."""
    before = around.partition("{}")[0]
    indent = len(before.rpartition("\n")[2])
    text = around.format(f"\n{' ' * indent}".join(lines))
    return text, before.count("\n") + 1


@pytest.mark.parametrize("around", AROUND)
def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path, around):
    text, first = placed(around, ["target: 1", "other: {x: 1}", '"target": 2'])
    told = refused(tmp_path, text)
    assert told.startswith(f"line {first + 2}: the key ") and f"after line {first}," in told
    assert ".target stands" in told or " target stands" in told


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("no", "true or false"), ("on", "true or false"), ("Yes", "true or false"),
        ("1", "a number"), ("1.5", "a number"), (".inf", "a number"), ("0x1F", "a number"),
        ("~", "nothing"), ("2020-01-01", "a date"), ("[a, b]", "no text"),
        ("? {a: 1}\n", "no text"),
    ],
)  # fmt: skip
def test_a_key_that_is_no_text_is_refused(tmp_path, around, key, kind):
    line = f"{key}: 1" if not key.startswith("?") else "? {a: 1}"
    text, first = placed(around, ["x: 1", line])
    told = refused(tmp_path, text)
    assert told.startswith(f"line {first + 1}: the key ") and f" is {kind} to YAML" in told


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("value", [".nan", ".NaN", "-.inf", ".inf", "+.Inf", "1.0e+999"])
def test_a_value_that_is_no_finite_number_is_refused(tmp_path, around, value):
    for written in (f"x: {value}", f"x: [1, {{y: {value}}}]"):
        text, first = placed(around, ["z: 1", written])
        told = refused(tmp_path, text)
        assert told.startswith(f"line {first + 1}: the value {value} of the key ")
        assert "x" in told.partition(" of the key ")[2] and "no finite number" in told


@pytest.mark.parametrize(
    ("value", "number"),
    [("010", "8"), ("0_7", "7"), ("-017", "-15"), ("1:30", "90"), ("-1:30.5", "-90.5")],
)  # fmt: skip
def test_a_number_of_another_base_is_refused(tmp_path, value, number):
    told = refused(tmp_path, f"seed: {value}")
    assert told.startswith(f"line 1: the value {value} of the key seed is {number} to YAML")


@pytest.mark.parametrize(
    ("value", "kind"),
    [("2020-01-01", "a date"), ("2020-01-01 10:00:00", "a date"), ("!!binary aGk=", "bytes")],
)
def test_a_date_is_refused_wherever_it_stands(tmp_path, value, kind):
    told = refused(tmp_path, f"seed: 1\nx: {{free: [{value}]}}")
    assert told.startswith("line 2: the value") and f"of the key x.free.0 is {kind} to YAML" in told


@pytest.mark.parametrize(
    "text",
    [
        '"no": 1\n"1": 2\n\'on\': 3\n!!str yes: 4',
        "a: {x: 1}\nb: {x: 2}\nc: [{x: 1}, {x: 1}]",
        "a: ['.nan', \"inf\", nan, Infinity]",
        "a: [0, -0, 0.5, 1.0e-3, 0x1F, 0b11, 1_000, '010', '2020-01-01', 12:ab]",
        "a: |\n  a: 1\n  a: 2",
        "",
    ],
)
def test_what_is_no_trap_passes(tmp_path, text):
    assert accepted(tmp_path, text) == yaml.safe_load(text)


def test_anchors_and_overridden_merge_keys_pass(tmp_path):
    text = (
        "one: &clip {kind: clip, epochs: 1}\ntwo: &more {batch: 2}\n"
        "three:\n  <<: *clip\n  epochs: 3\nfour:\n  <<: [*clip, *more]\n  kind: other\nfive: *clip"
    )
    held = accepted(tmp_path, text)
    assert held["three"] == {"kind": "clip", "epochs": 3}
    assert held["four"] == {"kind": "other", "epochs": 1, "batch": 2}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: &x\n  k: 1\n  k: 2\nb:\n  <<: *x", 3),
        ("a: &x {k: 1}\nb:\n  <<: *x\n  k: 1\n  k: 2", 5),
        ("a:\n  <<: {k: 1, k: 2}", 2),
    ],
)
def test_keys_that_stand_twice_are_found_beside_and_inside_of_anchors(tmp_path, text, line):
    assert refused(tmp_path, text).startswith(f"line {line}: ")


def test_anchors_that_would_grow_without_end_take_no_time(tmp_path):
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 30)]
    path = tmp_path / "some.yaml"
    path.write_text("\n".join(["l0: &l0 {x: 1}", *levels, "self: &self [*self]"]))
    reading.check(path)


def test_json_is_held_to_the_same(tmp_path):
    assert accepted(tmp_path, '{\n\t"no": [1, 0.5],\n\t"1": "a\\tb"}')["1"] == "a\tb"
    assert refused(tmp_path, '{\n\t"a": 1,\n\t"a": 2}').startswith("line 3: the key a ")


def test_what_is_no_yaml_is_told(tmp_path):
    for text, sentence in (
        ("a: [1\nb: 2\n", r"line 2: cannot be read as YAML \(.*',' or ']'.*\)"),
        ("a:\n  b: 1\n\tc: 2", r"line 3: cannot be read as YAML \(found .*\)"),
        ("a: \x01", "some.yaml cannot be read as YAML"),
    ):
        (tmp_path / "some.yaml").write_text(text)
        with pytest.raises(InputError, match=sentence):
            reading.check(tmp_path / "some.yaml")


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
TREES = st.recursive(
    SCALARS | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=12,
)


def paths_of(tree, place=()):
    """Every mapping of a tree, by its path."""
    if isinstance(tree, dict):
        yield place
    below = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in below:
        if isinstance(value, dict | list):
            yield from paths_of(value, (*place, key))


def written_with(tree, place, extra):
    """A tree as YAML in flow style, with one more entry in the mapping at a path."""

    def shown(value, here):
        if isinstance(value, dict):
            entries = [f"{quoted(key)}: {shown(each, (*here, key))}" for key, each in value.items()]
            return "{" + ", ".join(entries + (extra if here == place else [])) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(shown(each, (*here, n)) for n, each in enumerate(value)) + "]"
        return quoted(value)

    return shown(tree, ())


def quoted(value):
    """A scalar as YAML, in one line."""
    text = yaml.safe_dump(value, default_style='"' if isinstance(value, str) else None, width=10**9)
    return text.removesuffix("\n").removesuffix("\n...")


@given(st.dictionaries(st.text(), TREES, max_size=4))
def test_whatever_pyyaml_writes_passes(tmp_path_factory, tree):
    path = tmp_path_factory.getbasetemp() / "passes.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    reading.check(path)


@given(
    st.dictionaries(st.text(), TREES, max_size=4), st.data(),
    st.sampled_from(["same", "no: 1", "7: 1", "new_key: [.nan]", "new_key: 010"]),
)  # fmt: skip
def test_one_trap_anywhere_is_found(tmp_path_factory, tree, data, trap):
    place = data.draw(st.sampled_from(list(paths_of(tree))))
    mapping = tree
    for step in place:
        mapping = mapping[step]
    assume("new_key" not in mapping and (mapping or trap != "same"))
    if trap == "same":
        trap = f"{quoted(data.draw(st.sampled_from(list(mapping))))}: 1"
    path = tmp_path_factory.getbasetemp() / "found.yaml"
    path.write_text(written_with(tree, place, []), encoding="utf-8")
    reading.check(path)
    path.write_text(written_with(tree, place, [trap]), encoding="utf-8")
    with pytest.raises(InputError):
        reading.check(path)


def test_no_parser_of_pyyaml_differs(tmp_path, monkeypatch):
    text = "a:\n  k: 1\n  k: 2"
    told = refused(tmp_path, text)
    monkeypatch.setattr(reading, "LOADER", yaml.SafeLoader)
    assert refused(tmp_path, text) == told
    assert math.isnan(accepted(tmp_path, "a: '.nan'\nb: 1")["b"]) is False
