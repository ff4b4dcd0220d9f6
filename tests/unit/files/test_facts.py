"""Facts in JSON: what was written comes back, or one sentence says that it does not."""

import json

import pytest

from dejavu.errors import InputError
from dejavu.files.facts import read_json, read_noted, write_json, write_noted


def test_json_comes_back_and_is_the_same_text_whatever_the_order(tmp_path):
    first = tmp_path / "first.json"
    write_json(first, {"b": [1, "é"], "a": None})
    text = first.read_bytes()
    assert read_json(first) == {"a": None, "b": [1, "é"]}
    write_json(first, {"a": None, "b": [1, "é"]})
    assert first.read_bytes() == text


def test_every_flipped_byte_and_every_truncation_of_json_is_found(tmp_path):
    path = tmp_path / "facts.json"
    write_json(path, {"labels": ["cat", "dog"], "share": 0.25})
    content, facts = path.read_bytes(), read_json(path)
    damaged = [content[:size] for size in range(len(content) - 1)]
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        damaged.append(bytes(flipped))
    for each in damaged:
        path.write_bytes(each)
        try:
            # White space between values means nothing.
            assert read_json(path) == facts
        except InputError as error:
            assert "\n" not in str(error)
    path.unlink()
    with pytest.raises(InputError, match=r"facts.json cannot be read as JSON"):
        read_json(path)


def test_facts_with_their_seal_in_a_note_come_back_and_changed_ones_do_not(tmp_path):
    path = tmp_path / "chart.json"
    note = {"made by": "x"}
    write_noted(path, {"mark": "bar", "usermeta": note}, note)
    text = path.read_text()
    assert set(json.loads(text)) == {"mark", "usermeta"}
    facts = read_noted(path, lambda read: read["usermeta"])
    assert facts == {"mark": "bar", "usermeta": {"made by": "x"}}
    for other in (
        text.replace("bar", "line"),
        text.replace('"made by": "x"', '"made by": "y"'),
        *("{}", '{"usermeta": 3}', '{"usermeta": {}}', '{"usermeta": null}', text[:-9]),
    ):
        path.write_text(other)
        with pytest.raises(InputError, match=r"chart\.json"):
            read_noted(path, lambda read: read["usermeta"])
