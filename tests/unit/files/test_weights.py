"""Weights and the settings beside them."""

import pytest

from dejavu.errors import InputError
from dejavu.files.weights import read_settings, write_settings


def test_a_models_settings_are_read_with_the_weights_of_the_same_training_alone(tmp_path):
    weights, settings = tmp_path / "model.safetensors", tmp_path / "model.json"
    weights.write_bytes(bytes(range(100)))
    write_settings(settings, {"epochs": 3}, weights)
    assert read_settings(settings, weights) == {"epochs": 3}
    for other in (bytes(range(99)), bytes(100), b""):
        weights.write_bytes(other)
        with pytest.raises(InputError, match=r"model.safetensors, or .*model.json, does not hold"):
            read_settings(settings, weights)
    weights.unlink()
    with pytest.raises(InputError, match=r"model.safetensors are missing"):
        read_settings(settings, weights)
