"""Every kind that is declared is loaded, told by the schema, documented and run: and no other."""

import importlib
import re

import pytest
import yaml

from dejavu.config import kinds, reruns
from dejavu.config.domains import DOMAINS
from tests.rules.test_conventions import ROOT, RULES

SCRIPTS = ROOT / "scripts"
DEFINITIONS = {}
for file in sorted((ROOT / "rules/schemas").glob("*.yaml")):
    DEFINITIONS |= yaml.safe_load(file.read_text()).get("$defs", {})
# Where the schema has the kinds of a group, and the records that stand for them.
GROUPS = {
    **{
        f"{domain}_source": {k: r for k, r in kinds.SOURCES.items() if r.domain == domain}
        for domain in DOMAINS
    },
    **{
        f"{domain}_model": {k: r for k, r in kinds.MODELS.items() if domain in r.domains}
        for domain in DOMAINS
    },
    "annotations": kinds.ANNOTATIONS,
    "vision_tags": kinds.TAGGERS,
}
CASES = [
    pytest.param(group, kind, record, id=f"{group}-{kind}")
    for group, records in GROUPS.items()
    for kind, record in records.items()
]
# What loads the kinds that a rule serves, and their records.
READERS = {
    "scan_source": ("scan_source", "READERS", kinds.SOURCES),
    "scan_images": ("scan_images", "READERS", kinds.SOURCES),
    "tag_crops": ("tag_crops", "TAGGERS", kinds.TAGGERS),
    "read_annotations": ("dejavu.labels.annotations", "READERS", kinds.ANNOTATIONS),
    "detect_objects": ("dejavu.labels.detection", "DETECTORS", kinds.ANNOTATIONS),
}
# The page of a group, its section, and what introduces a kind there.
PAGES = {
    "vlm_source": ("data.md", "Vision–language", "### `{}`"),
    "vision_source": ("data.md", "Vision", "### `{}`"),
    "annotations": ("data.md", "Objects", "| `{}` |"),
    "vlm_model": ("models.md", "Vision–language models", "`kind: {}`"),
    "vision_model": ("models.md", "Image models", "`kind: {}`"),
    "vision_tags": ("config.md", "`vision.tags`", "`{}`: "),
}
TRAINED = ("models.md", "Models trained here", "`kind: {}`")
OF_AUDITS = ("audits.md", "Contamination", "`kind: {}`")


def branches(group, kind):
    """What the schema allows for a kind: keys and their rules."""
    definition = DEFINITIONS[group]
    allowed = dict(definition["properties"])
    for branch in definition.get("allOf", []):
        # Some keys depend on another one than the kind.
        asked = branch["if"]["properties"].get("kind", {})
        if kind in asked.get("enum", [asked.get("const")]):
            then = branch["then"]
            parts = [then]
            if "$ref" in then:
                parts.append(DEFINITIONS[then["$ref"].rpartition("/")[2]])
            for part in parts:
                allowed |= part.get("properties", {})
    return allowed


@pytest.mark.parametrize("group", GROUPS)
def test_the_schema_knows_the_kinds_that_have_a_record_and_no_other(group):
    assert set(DEFINITIONS[group]["properties"]["kind"]["enum"]) == set(GROUPS[group])


@pytest.mark.parametrize(("group", "kind", "record"), CASES)
def test_paths_of_a_record_are_keys_of_the_schema(group, kind, record):
    allowed = branches(group, kind)
    for each in (*record.files, *getattr(record, "later", ())):
        assert each.key.partition(".")[0] in allowed, each.key
    key = getattr(record, "trained_on", None)
    domains = getattr(record, "domains", ())
    assert key is None or any(key in branches(f"{each}_model", kind) for each in domains)


@pytest.mark.parametrize(("group", "kind", "record"), CASES)
def test_rules_serve_it(group, kind, record):
    assert record.rules and set(record.rules) <= set(RULES)
    if isinstance(record, kinds.Model):
        for rule in record.rules:
            assert re.search(rf'(served_by\("\w+", |domains_with_models\()"{rule}"\)', RULES[rule])


def test_rules_ask_for_models_of_a_record_alone():
    declared = {rule for record in kinds.MODELS.values() for rule in record.rules}
    for name, text in RULES.items():
        asked = re.findall(r'(?:served_by\("\w+", |domains_with_models\()"(\w+)"\)', text)
        assert asked == ([name] if name in declared else []), name


@pytest.mark.parametrize(("kind", "record"), kinds.MODELS.items(), ids=str)
def test_a_model_is_loaded_by_the_encoder_of_its_record(kind, record):
    embedding = [
        rule
        for rule in record.rules
        if rule.startswith(("embed_", "import_embeddings", "import_vectors"))
    ]
    assert len(embedding) == bool(record.embeds)
    if record.loader is None:
        assert record.source is not None or not record.embeds or "import_vectors" in embedding
        return
    module = SCRIPTS / f"dejavu/encoders/{record.loader}.py"
    assert module in reruns.reached(SCRIPTS, f"{embedding[0]}.py")


@pytest.mark.parametrize(("kind", "record"), kinds.MODELS.items(), ids=str)
def test_what_a_model_can_be_fits_together(kind, record):
    assert set(record.domains) <= set(DOMAINS)
    is_trained = any(rule.startswith("train_") for rule in record.rules)
    assert record.trained == is_trained
    assert not (record.trained and record.files)
    for domain in (DOMAINS[name] for name in record.domains):
        if record.measured:
            # What has no embeddings has the answers that they would have given.
            assert {"image", domain.asks} <= set(record.embeds) or record.answers
        assert set(record.embeds) <= {"image", "caption", "crop"}


@pytest.mark.parametrize("rule", READERS)
def test_what_a_rule_reads_is_what_the_records_say(rule):
    module, name, records = READERS[rule]
    served = {kind for kind, record in records.items() if rule in record.rules}
    assert set(getattr(importlib.import_module(module), name)) == served


def test_zero_shot_loads_the_models_that_name_it():
    loaders = {record.loader for record in kinds.MODELS.values() if "zero_shot" in record.rules}
    assert set(importlib.import_module("zero_shot").LOADERS) == loaders


def place_of(group, record):
    """Page, section, and what introduces a kind there."""
    if isinstance(record, kinds.Source) and record.rules == ("read_metadata",):
        return PAGES[f"{record.domain}_model"]
    if not isinstance(record, kinds.Model) or record.measured or record.baseline:
        return TRAINED if getattr(record, "trained", False) else PAGES[group]
    return OF_AUDITS


@pytest.mark.parametrize(("group", "kind", "record"), CASES)
def test_the_section_of_its_group_introduces_it(group, kind, record):
    page, heading, introduction = place_of(group, record)
    text = (ROOT / "docs" / page).read_text()
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert introduction.format(kind) in section


def rules_that_use(module):
    """The rules whose scripts import a module of the core."""
    path = SCRIPTS / "dejavu" / module
    return {name for name in RULES if path in reruns.reached(SCRIPTS, f"{name}.py")}


@pytest.mark.parametrize(
    ("profile", "using"),
    [
        # Tags come from a model where they are of kind clip alone; nodes of many cores search.
        ("slurm", rules_that_use("encoders/device.py") - {"tag_crops"}),
        ("gpu", rules_that_use("encoders/device.py") | rules_that_use("search/reduced.py")),
    ],
)
def test_rules_that_use_a_gpu_ask_for_one(profile, using):
    settings = yaml.safe_load((ROOT / f"profiles/{profile}/config.yaml").read_text())
    given = {name for name, asked in settings["set-resources"].items() if "gpu" in asked}
    assert given == using
    assert set(settings["set-threads"]) <= set(RULES)
