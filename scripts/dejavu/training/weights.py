"""Weights as files."""

from pathlib import Path

from safetensors import torch as safetensors
from torch import nn

from dejavu.job import whole_file


def save(model: nn.Module, path: str | Path) -> None:
    """Write a model's weights as safetensors, whole or not at all."""
    weights = {
        name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()
    }
    with whole_file(path) as partial:
        # A file that safetensors opens itself can be read by its owner alone.
        partial.write_bytes(safetensors.save(weights))
