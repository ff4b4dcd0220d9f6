"""Image encoders of the Transformers library, from a folder or by their name on the hub.

DINOv2 and DINOv3, ViT, masked autoencoders (of which nothing is masked here), and the image towers
of CLIP and SigLIP. Pictures and crops go through the folder's own image processor. Weights are
safetensors.
"""

from collections.abc import Mapping
from typing import Any

import torch
from transformers import AutoImageProcessor

from dejavu.encoders import preparing
from dejavu.encoders.as_published import ImageEncoder
from dejavu.encoders.transformers import Opening
from dejavu.errors import InputError, first_line, refusal

POOLED, CLASS_TOKEN = "pooled", "class_token"
# The types of models, and whether their sequences begin with a token of the class.
FAMILIES = {
    "dinov2": True,
    "dinov2_with_registers": True,
    "dinov3_vit": True,
    "vit": True,
    "vit_mae": True,
    "clip": True,
    "clip_vision_model": True,
    "siglip": False,
    "siglip_vision_model": False,
}


class Tower(ImageEncoder):
    """A model with its image processor."""

    def __init__(
        self,
        name: str,
        model: Any,
        processor: Any,
        representation: str,
        normalise: bool,
        device: torch.device,
    ) -> None:
        """Take a loaded model.

        Args:
            name: of the model in the config.
            model: of one of `FAMILIES`, the image tower alone.
            processor: what prepares its images.
            representation: `pooled`, the library's `pooler_output`; of `last_hidden_state` the
                `class_token`, or `mean_tokens`, the mean of the patches' tokens.
            normalise: whether vectors are scaled to length 1.
            device: where to compute.
        """
        self.is_masked = model.config.model_type == "vit_mae"
        has_class = FAMILIES[model.config.model_type]
        self.before_patches = has_class + getattr(model.config, "num_register_tokens", 0)
        settings = {
            "architecture": model.config.to_diff_dict(),
            "preprocessing": processor.to_dict(),
        }
        preparation = preparing.of_processor(processor)
        used = representation, normalise, device
        super().__init__(name, model, preparation, settings, *used, "transformers")

    def represented(self, pixels: torch.Tensor) -> torch.Tensor:
        """What represents each image of a batch [n, 3, h, w]: [n, d]."""
        given: dict[str, torch.Tensor] = {}
        if self.is_masked:
            # Patches are kept in the order of this noise: all of them, as they lie.
            patches = self.model.embeddings.patch_embeddings.num_patches
            given["noise"] = torch.arange(patches, device=self.device).expand(len(pixels), -1)
        found = self.model(pixel_values=pixels, **given)
        if self.representation == POOLED:
            vectors: torch.Tensor = found.pooler_output
        elif self.representation == CLASS_TOKEN:
            vectors = found.last_hidden_state[:, 0]
        else:
            vectors = found.last_hidden_state[:, self.before_patches :].mean(dim=1)
        return vectors


def load(
    name: str,
    settings: Mapping[str, Any],
    normalise: bool,
    device: torch.device,
    allow_download: bool,
) -> Tower:
    """Load a model from a folder, or by name from the machine's cache or the hub.

    Args:
        name: its name in the config.
        settings: `model`, a folder or a name, and `representation`.
        normalise: whether vectors are scaled to length 1.
        device: where to compute.
        allow_download: whether the hub may be asked.

    Raises:
        InputError: it is not on this machine, is damaged or of another type, or has no such
            representation.
    """
    source, representation = settings["model"], settings["representation"]
    opening = Opening(name, source, allow_download, "an image encoder", tuple(FAMILIES))
    model, missing = opening.model(use_safetensors=True)
    family = model.config.model_type
    processor = opening.told(AutoImageProcessor.from_pretrained)
    asked = f"Model {name}: {source!r}, of the type {family!r},"
    if family in ("clip", "siglip"):
        missing = [key for key in missing if key.startswith("vision_model.")]
        model = model.vision_model
    if representation == CLASS_TOKEN and not FAMILIES[family]:
        raise InputError(f"{asked} has no token of the class: set `representation: pooled`.")
    if representation == POOLED:
        absent = any("pooler." in key for key in missing)
        if absent or family == "vit_mae" or not _pools(model):
            raise InputError(
                f"{asked} pools nothing{' by weights that the file holds' if absent else ''}: set"
                " `representation: class_token` or `mean_tokens`."
            )
    else:
        missing = [key for key in missing if not key.startswith("pooler.")]
        if hasattr(model, "pooler"):
            # Its weights, perhaps drawn at random, are not used.
            model.pooler = None
    opening.check_whole(missing)
    if family == "vit_mae":
        model.config.mask_ratio = 0.0
    try:
        return Tower(name, model, processor, representation, normalise, device)
    except Exception as error:
        raise refusal(
            error,
            f"{asked} does not take what its image processor makes ({first_line(error)}): correct"
            " preprocessor_config.json.",
        ) from error


def _pools(model: Any) -> bool:
    """Whether a model has something to pool with, where its type may lack it."""
    if hasattr(model, "pooler"):
        return model.pooler is not None
    return bool(getattr(model, "use_head", True))
