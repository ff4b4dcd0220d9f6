"""The page of models names weights that exist, of the activation that they were trained with."""

import open_clip
import pytest
import timm
import yaml

from dejavu.encoders import published
from tests.docs.test_documentation import blocks

TAGS = set(open_clip.list_pretrained())


def models():
    """Every model of the page's configs, by name."""
    found = {}
    for page, text in blocks("yaml"):
        given = yaml.safe_load(text)
        if page == "docs/models.md":
            for domain in (given, given.get("vlm", {}), given.get("vision", {})):
                found |= domain.get("models", {})
    return found


def of_kind(kind):
    return [
        pytest.param(model, id=name) for name, model in models().items() if model["kind"] == kind
    ]


@pytest.mark.parametrize("model", of_kind("open_clip"))
def test_a_tag_exists_and_has_the_activation_of_its_architecture(model):
    architecture = model["architecture"]
    assert architecture in open_clip.list_models()
    if "pretrained" in model:
        assert (architecture, model["pretrained"]) in TAGS
        weights = open_clip.get_pretrained_cfg(architecture, model["pretrained"])
        built = open_clip.get_model_config(architecture)
        assert bool(weights.get("quick_gelu")) == bool(built.get("quick_gelu"))


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
