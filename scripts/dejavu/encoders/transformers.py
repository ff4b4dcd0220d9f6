"""CLIP and SigLIP models of the Transformers library, from a folder or by their name on the hub.

A folder is what `save_pretrained` writes: weights, `config.json`, the image processor's
`preprocessor_config.json` and the tokenizer's files (documentation of Transformers, pages CLIP and
SigLIP). Images and texts go through the folder's own processor; texts are padded to the length that
the text model was trained with, as the page SigLIP demands, and cut there.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from transformers import AutoConfig, AutoModel, AutoProcessor

from dejavu.encoders import folders, hub, preparing
from dejavu.encoders.texts import bounded
from dejavu.errors import InputError, refusal
from dejavu.files import fingerprints, seals

FAMILIES = ("clip", "siglip")


class TransformersEncoder:
    """A model with its processor, and the fingerprint of both."""

    def __init__(self, name: str, model: Any, processor: Any, device: torch.device) -> None:
        """Take a loaded model and its processor."""
        self.model = model.eval().to(device)
        self.processor = processor
        self.preparation = preparing.of_processor(processor.image_processor)
        self.device = device
        self.length = model.config.text_config.max_position_embeddings
        weights = (
            (key, value.detach().cpu().contiguous().numpy())
            for key, value in model.state_dict().items()
        )
        tokenizer = processor.tokenizer
        vocabulary = sorted(tokenizer.get_vocab().items())
        settings = {
            "architecture": model.config.to_diff_dict(),
            "preprocessing": processor.image_processor.to_dict(),
            "tokenizer": {
                "class": type(tokenizer).__name__,
                "vocabulary": seals.digest(seals.canonical(vocabulary)),
                "backend": tokenizer.backend_tokenizer.to_str() if tokenizer.is_fast else None,
                "padding_side": tokenizer.padding_side,
            },
            "length": self.length,
        }
        self.facts = {
            "model": name,
            "fingerprint": fingerprints.fingerprint(weights, settings),
            "normalised": True,
            "versions": fingerprints.versions("torch", "torchvision", "transformers", "tokenizers"),
        }

    def prepare_image(self, image: Image.Image) -> NDArray[Any]:
        """The pixels of an RGB image of any size, resized, as `preparing` has them."""
        return self.preparation.alone(image)

    def encode_images(self, prepared: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Embed prepared images: float32 [n, d], rows of length 1."""
        pixels = self.preparation.batch(prepared, self.device)
        return self._unit(self.model.get_image_features, {"pixel_values": pixels})

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed captions: float32 [n, d], rows of length 1."""
        if not texts:
            # The processor takes no empty list; the width is known from any text.
            return self.encode_texts([""])[:0]
        batch = self.processor(
            text=bounded(texts),
            padding="max_length",
            truncation=True,
            max_length=self.length,
            return_tensors="pt",
        ).to(self.device)
        return self._unit(self.model.get_text_features, batch)

    def _unit(self, features: Any, batch: Mapping[str, Any]) -> NDArray[np.float32]:
        with torch.inference_mode():
            pooled = features(**batch).pooler_output
            return nn.functional.normalize(pooled.float()).cpu().numpy()


def load(
    name: str, settings: Mapping[str, Any], device: torch.device, allow_download: bool
) -> TransformersEncoder:
    """Load a model from a folder, or by name from the machine's cache or the hub.

    Args:
        name: its name in the config.
        settings: `model`, a folder or a name.
        device: where to compute.
        allow_download: whether the hub may be asked.

    Raises:
        InputError: it is not on this machine, is damaged, or is neither CLIP nor SigLIP.
    """
    opening = Opening(name, settings["model"], allow_download, "a CLIP or SigLIP model", FAMILIES)
    model, missing = opening.model()
    processor = opening.told(AutoProcessor.from_pretrained)
    opening.check_whole(missing)
    _check_tokenizer(opening.where, processor.tokenizer)
    return TransformersEncoder(name, model, processor, device)


class Opening:
    """A folder, or a name on the hub, that a model is loaded from; what fails is one sentence.

    Code that a repository ships is never run (`trust_remote_code` is off).
    """

    def __init__(
        self, name: str, source: str, allow_download: bool, what: str, families: Collection[str]
    ) -> None:
        """Take the model's name in the config, what it is loaded as, and the types that are it."""
        self.source, self.families = source, families
        self.where = f"Model {name}: {source!r} does not load as {what}"
        self.options: dict[str, Any] = {
            "local_files_only": not allow_download or Path(source).is_dir(),
            "trust_remote_code": False,
        }
        folders.check_source(source, allow_download, self.where)

    def told(self, load: Callable[..., Any], **options: Any) -> Any:
        """What a loader of Transformers gives.

        Raises:
            InputError: it gives nothing.
        """
        try:
            return load(self.source, **options, **self.options)
        except Exception as error:
            remedy = f"{hub.reason(error)}; name a local folder, or set `allow_download: true`."
            raise refusal(error, f"{self.where}: {hub.unreachable(error) or remedy}") from error

    def model(self, **options: Any) -> tuple[Any, list[str]]:
        """The model in float32, and the names of the weights that are not there, sorted.

        Raises:
            InputError: it is of none of the families, or does not load.
        """
        family = self.told(AutoConfig.from_pretrained).model_type
        if family not in self.families:
            raise InputError(
                f"{self.where}: it is of the type {family!r}; name one of"
                f" {', '.join(self.families)}."
            )
        model, found = self.told(
            AutoModel.from_pretrained, dtype=torch.float32, output_loading_info=True, **options
        )
        return model, sorted(found["missing_keys"])

    def check_whole(self, missing: Sequence[str]) -> None:
        """Stop where weights are missing, which Transformers would draw at random."""
        if missing:
            raise InputError(
                f"{self.where}: its weights lack {len(missing)} keys, {missing[0]} for one: fetch"
                " it again."
            )


def _check_tokenizer(where: str, tokenizer: Any) -> None:
    """Stop where Transformers silently took another tokenizer than the folder names."""
    declared = tokenizer.init_kwargs.get("tokenizer_class") or ""
    if declared == "SiglipTokenizer" and type(tokenizer).__name__ != declared:
        raise InputError(
            f"{where}: its tokenizer needs the packages sentencepiece and protobuf: install both."
        )
