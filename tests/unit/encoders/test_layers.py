"""Layers of backbones as representations."""

import pytest
import torch

from dejavu.encoders import backbones
from dejavu.errors import InputError

PIXELS = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def built(library, name):
    torch.manual_seed(0)
    settings = {"library": library, "name": name, "settings": {}}
    return backbones.build(settings).eval()


def test_a_stage_of_a_residual_network_is_its_mean_over_places():
    network = built("torchvision", "resnet18")
    with torch.inference_mode():
        below = network.maxpool(network.relu(network.bn1(network.conv1(PIXELS))))
        expected = network.layer2(network.layer1(below)).mean(dim=(2, 3))
        found = backbones.stage_output(network, 2, PIXELS)
        assert torch.equal(found, expected)
        # The last one, averaged, is the backbone.
        assert torch.allclose(backbones.stage_output(network, 4, PIXELS), network(PIXELS))


def test_stages_of_other_networks_and_blocks_of_transformers_count_alike():
    network = built("timm", "test_byobnet")
    with torch.inference_mode():
        expected = network.stages[0](network.stem(PIXELS)).mean(dim=(2, 3))
        assert torch.equal(backbones.stage_output(network, 1, PIXELS), expected)
    network = built("timm", "test_vit")
    pixels = torch.rand(2, 3, 160, 160)
    with torch.inference_mode():
        assert backbones.stage_output(network, 1, pixels).shape == (2, network.embed_dim)


def test_a_stage_that_is_not_there_is_told():
    with pytest.raises(InputError, match=r"no stage layer7 .it has layer1, layer2, layer3, layer4"):
        backbones.stage_output(built("torchvision", "resnet18"), 7, PIXELS)
