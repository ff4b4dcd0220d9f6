"""Configs and pages name weights that exist, of the activation that they were trained with."""

import open_clip
import pytest
import timm
import torchvision
import yaml

from dejavu.encoders import published
from tests.conftest import ROOT
from tests.docs.test_documentation import blocks

TAGS = set(open_clip.list_pretrained())


def models(pages=("docs/models.md",)):
    """Every model of some pages' configs, by name."""
    found = {}
    for page, text in blocks("yaml"):
        given = yaml.safe_load(text)
        if page in pages:
            for domain in (given, given.get("vlm", {}), given.get("vision", {})):
                found |= domain.get("models", {})
    return found


def of_kind(kind):
    return [
        pytest.param(model, id=name) for name, model in models().items() if model["kind"] == kind
    ]


def named(config, key):
    """Every mapping that has a key, at any depth."""
    if isinstance(config, dict):
        if key in config:
            yield config
        config = config.values()
    elif not isinstance(config, list):
        return
    for below in config:
        yield from named(below, key)


GIVEN = [
    *((page, yaml.safe_load(text)) for page, text in blocks("yaml")),
    *(
        (path.name, yaml.safe_load(path.read_text()))
        for path in sorted((ROOT / "config").glob("*.yaml"))
    ),
]


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(model, id=f"{page}-{model['architecture']}-{model.get('pretrained')}")
        for page, config in GIVEN
        for model in named(config, "architecture")
        if not model["architecture"].startswith("local-dir:")
    ],
)
def test_a_tag_exists_and_has_the_activation_of_its_architecture(model):
    architecture = model["architecture"]
    assert architecture in open_clip.list_models()
    if "pretrained" in model:
        assert (architecture, model["pretrained"]) in TAGS
        weights = open_clip.get_pretrained_cfg(architecture, model["pretrained"])
        built = open_clip.get_model_config(architecture)
        assert bool(weights.get("quick_gelu")) == bool(built.get("quick_gelu"))


@pytest.mark.parametrize(
    "backbone",
    [
        pytest.param(model["backbone"], id=f"{page}-{model['backbone']['name']}")
        for page, config in GIVEN
        for model in named(config, "backbone")
        if "name" in model["backbone"]
    ],
)
def test_the_backbone_of_every_config_exists(backbone):
    known = timm.list_models()
    if backbone.get("library", "timm") == "torchvision":
        known = torchvision.models.list_models()
    assert backbone["name"] in known


@pytest.mark.parametrize("model", of_kind("checkpoint"))
def test_a_backbone_exists(model):
    assert model["format"] in published.LAYOUTS
    if model["backbone"]["library"] == "timm":
        assert model["backbone"]["name"] in timm.list_models()


def test_the_models_that_are_asked_for_are_there():
    text = str(models())
    for part in ("openai", "laion400m", "laion2b", "datacomp", "cc12m", "yfcc15m", "SigLIP"):
        assert part in text
    assert {"vicreg", "barlow_twins", "dino", "backbone"} <= {
        model.get("format") for model in models().values()
    }


@pytest.mark.parametrize("model", of_kind("timm"))
def test_timm_lists_the_model_and_has_weights_for_it(model):
    assert timm.is_model(model["model"])
    weights = timm.get_pretrained_cfg(model["model"])
    assert "checkpoint" in model or weights.hf_hub_id
