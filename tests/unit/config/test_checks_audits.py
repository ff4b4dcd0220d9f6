"""Mistakes in the config of audits and utility, each told in one sentence that names the key."""

import copy
from pathlib import Path

import pytest
import yaml

from dejavu.config import checks, schema
from dejavu.errors import InputError

ROOT = Path(__file__).parents[3]
SCHEMA = schema.read(ROOT / "rules/schemas/config.schema.yaml")
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
MISSING = object()


def checked(key=None, value=None):
    """The default config with a key changed, or taken away."""
    config = copy.deepcopy(CONFIG)
    if key:
        place = config
        *parents, last = key.split(".")
        for parent in parents:
            place = place[parent]
        if value is MISSING:
            del place[last]
        else:
            place[last] = value
    completed = schema.complete(config, SCHEMA)
    checks.check(completed, ROOT)
    return completed


def test_the_default_config_has_all_audits():
    config = checked()
    for domain in ("vlm", "vision"):
        assert {"contamination", "blind", "utility"} <= set(config[domain])
        assert config[domain]["exclude_contaminated"] is False
        assert config[domain]["blind"]["samples"] == 20000


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("vlm.contamination.model", "gte", "vlm.contamination.model: there is no model 'gte'"),
        ("vlm.contamination.model", "clip_a", "'clip_a' is measured itself"),
        ("vlm.contamination.model", "clip_b", "'clip_b' is measured itself"),
        (
            "vlm.contamination.input",
            "image",
            "'minilm', of kind sentence_transformers, can't embed",
        ),
        ("vlm.contamination.threshold", 1.5, "1.5 is greater than the maximum of 1"),
        ("vlm.contamination.threshold", MISSING, "it lacks the key 'threshold'"),
        ("vlm.blind.model", "clip_a", "'clip_a' saw target"),
        ("vlm.sets.control", MISSING, "vlm.blind: it tells target from control"),
        ("vlm.models.minilm.kind", "pixels", "it does not know model"),
        ("vlm.models.minilm", {"kind": "pixels"}, "embeds images alone"),
        ("vlm.utility.classes", {"cow": ["cow"]}, "classes"),
        ("vlm.utility.templates", ["a photo"], "'a photo' must match"),
        ("vision.contamination.model", "vicreg_a", "'vicreg_a' is measured itself"),
        ("vision.contamination.model", "resnet", "'resnet', of kind classifier, can't embed"),
        ("vision.contamination", MISSING, None),
        ("vision.blind.model", "barlow_a", "'barlow_a' saw A"),
        ("vision.blind.model", "resnet", "can't embed a crop"),
        ("vision.blind.model", "barlow_b", None),
        ("vision.models.pixels.side", 16, "it does not know side; it may hold kind"),
        ("vision.tests.one_model.targets", ["pixels"], "'pixels' gives no embeddings"),
    ],
)
def test_mistakes_are_told_by_key_and_remedy(key, value, told):
    if told is None:
        checked(key, value)
        return
    with pytest.raises(InputError) as caught:
        checked(key, value)
    assert told in str(caught.value)


def test_membership_is_told_from_control():
    config = copy.deepcopy(CONFIG)
    config["vlm"]["membership"] = {"similarity": True}
    checks.check(schema.complete(config, SCHEMA), ROOT)
    del config["vlm"]["sets"]["control"], config["vlm"]["blind"]
    with pytest.raises(InputError, match=r"vlm.membership.similarity: it tells members .* add"):
        checks.check(schema.complete(config, SCHEMA), ROOT)


@pytest.mark.parametrize("domain", ["vlm", "vision"])
def test_groups_take_what_audits_find(domain):
    for group, needed in (("copies", "contamination"), ("typicality", "blind")):
        config = copy.deepcopy(CONFIG)
        config[domain]["groups"] = [group]
        checks.check(schema.complete(config, SCHEMA), ROOT)
        del config[domain][needed]
        with pytest.raises(InputError, match=f"{domain}.groups: `{group}` takes what .*{needed}"):
            checks.check(schema.complete(config, SCHEMA), ROOT)


def test_only_some_sources_have_columns_to_group_by():
    config = copy.deepcopy(CONFIG)
    config["vlm"]["groups"] = ["object", {"column": "language"}]
    with pytest.raises(InputError, match="no column 'language', as a source of kind scenes gives"):
        checks.check(schema.complete(config, SCHEMA), ROOT)
    config["vlm"]["groups"] = [{"column": "mislabelled"}]
    with pytest.raises(InputError, match="no column 'mislabelled'"):
        checks.check(schema.complete(config, SCHEMA), ROOT)
    config["vlm"]["sources"]["world"]["mislabelled"] = 0.1
    checks.check(schema.complete(config, SCHEMA), ROOT)
    for wrong in ({"columns": "language"}, "language"):
        config["vlm"]["groups"] = [wrong]
        with pytest.raises(InputError, match=r"vlm\.groups\.0"):
            schema.complete(config, SCHEMA)


def test_what_is_not_known_cannot_be_excluded():
    config = copy.deepcopy(CONFIG)
    config["vision"]["exclude_contaminated"] = True
    del config["vision"]["contamination"]
    with pytest.raises(InputError, match=r"exclude_contaminated: nothing tells .* add"):
        checks.check(schema.complete(config, SCHEMA), ROOT)
