"""Open-vocabulary detectors through Transformers: OWLv2 and Grounding DINO.

A detector says for each image and each name of a vocabulary how sure it is that the image shows
one: the score of the best box of which the name is the best one, as the processors of Transformers
post-process detections, and 0 where no box is of that name. Boxes themselves are not kept.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dejavu.encoders import folders, hub
from dejavu.encoders.texts import bounded
from dejavu.errors import InputError, refusal

SEPARATOR = "."


class Detector(Protocol):
    """A detector with its vocabulary."""

    def best_scores(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Best score of each name in each image: float32 [images, names], 0 to 1."""
        ...


class Owl:
    """OWLv2: every box is compared with every name; names are embedded once."""

    def __init__(self, model: Any, processor: Any, texts: Sequence[str], batch: int) -> None:
        """Take `Owlv2ForObjectDetection`, its processor and the names as its prompts."""
        self.model, self.processor = model, processor
        parts = [texts[start : start + batch] for start in range(0, len(texts), batch)]
        with torch.inference_mode():
            embedded = torch.cat([self._embedded(part) for part in parts])
        self.queries = embedded / torch.linalg.norm(embedded, dim=-1, keepdim=True)

    def _embedded(self, texts: Sequence[str]) -> torch.Tensor:
        tokens = self.processor(text=bounded(texts), truncation=True, return_tensors="pt")
        return self.model.owlv2.get_text_features(**tokens.to(self.model.device)).pooler_output

    def best_scores(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """As `Detector` says."""
        pixels = self.processor(images=list(images), return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            features = self.model.image_embedder(pixels["pixel_values"])[0].flatten(1, 2)
            queries = self.queries.expand(len(features), *self.queries.shape)
            logits = self.model.class_predictor(features, queries)[0]
            best = logits.max(dim=-1)
        return _best_of_names(torch.sigmoid(best.values), best.indices, len(self.queries))


class GroundingDino:
    """Grounding DINO: the names stand in one text, as many at a time as it may hold."""

    def __init__(self, model: Any, processor: Any, texts: Sequence[str]) -> None:
        """Take `GroundingDinoForObjectDetection`, its processor and the names as its prompts."""
        self.model, self.processor = model, processor
        # A full stop ends a name, and the tokeniser treats a question mark likewise.
        plain = [text.translate(str.maketrans(".?", "  ")).strip().lower() for text in texts]
        self.chunks = list(self._chunks(plain))

    def _chunks(self, texts: Sequence[str]) -> Sequence[list[str]]:
        tokens = self.processor.tokenizer(
            [text + SEPARATOR for text in texts], add_special_tokens=False
        )
        room = self.model.config.max_text_len - self.processor.tokenizer.num_special_tokens_to_add()
        chunks: list[list[str]] = [[]]
        taken = 0
        for text, found in zip(texts, tokens["input_ids"], strict=True):
            if len(found) > room:
                raise InputError(
                    f"The name {text[:60]!r} of the vocabulary is too long for the detector:"
                    " shorten it."
                )
            if taken + len(found) > room:
                chunks.append([])
                taken = 0
            chunks[-1].append(text)
            taken += len(found)
        return chunks

    def best_scores(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """As `Detector` says."""
        return np.concatenate([self._scores_of(images, chunk) for chunk in self.chunks], axis=1)

    def _scores_of(
        self, images: Sequence[Image.Image], texts: Sequence[str]
    ) -> NDArray[np.float32]:
        prompt = f"{SEPARATOR} ".join(texts) + SEPARATOR
        inputs = self.processor(
            images=list(images), text=[prompt] * len(images), return_tensors="pt"
        ).to(self.model.device)
        with torch.inference_mode():
            scores = torch.sigmoid(self.model(**inputs).logits)
        owner = self._names_of_tokens(inputs["input_ids"][0])
        of_names = scores[:, :, : len(owner)].masked_fill(owner < 0, -1.0)
        return _best_of_names(scores.max(dim=-1).values, owner[of_names.argmax(dim=-1)], len(texts))

    def _names_of_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        """The place of the name that each token is a part of, -1 for all others: [tokens]."""
        ends = tokens == self.processor.tokenizer.convert_tokens_to_ids(SEPARATOR)
        special = torch.isin(
            tokens, torch.tensor(self.processor.tokenizer.all_special_ids, device=tokens.device)
        )
        return (ends.cumsum(0)).masked_fill(ends | special, -1)


def _best_of_names(scores: torch.Tensor, names: torch.Tensor, count: int) -> NDArray[np.float32]:
    """The best of the boxes of each name: float32 [images, names], from [images, boxes] twice."""
    best = torch.zeros(len(scores), count, device=scores.device, dtype=scores.dtype)
    return best.scatter_reduce(1, names, scores, "amax").float().cpu().numpy()


def load(
    settings: Mapping[str, Any], names: Sequence[str], device: torch.device, allow_download: bool
) -> Detector:
    """Load a detector.

    Args:
        settings: `model`, its name on the hub or a folder; `prompt` with ``{}`` for a name of the
            vocabulary; `batch`, texts embedded at a time.
        names: the vocabulary.
        device: where to compute.
        allow_download: whether the hub may be asked for it.

    Raises:
        InputError: it is not on this machine, or of another kind.
    """
    # Importing Transformers takes seconds, and only detectors need these parts of it.
    from transformers import (
        AutoConfig,
        AutoProcessor,
        GroundingDinoForObjectDetection,
        Owlv2ForObjectDetection,
    )

    source = settings["model"]
    options = {
        "local_files_only": not allow_download or Path(source).is_dir(),
        "trust_remote_code": False,
    }
    kinds: dict[str, Any] = {
        "owlv2": Owlv2ForObjectDetection,
        "grounding-dino": GroundingDinoForObjectDetection,
    }
    folders.check_source(source, allow_download, f"The detector {source!r}")
    try:
        kind = AutoConfig.from_pretrained(source, **options).model_type
        if kind in kinds:
            processor = AutoProcessor.from_pretrained(source, **options)
            model, told = kinds[kind].from_pretrained(source, output_loading_info=True, **options)
            missing = sorted(told["missing_keys"])
    except Exception as error:
        remedy = hub.unreachable(error) or (
            f"it does not load ({hub.reason(error)}); name a local folder, or set"
            " `allow_download: true` to fetch it."
        )
        raise refusal(error, f"The detector {source!r}: {remedy}") from error
    if kind not in kinds:
        raise InputError(
            f"The detector {source!r} is of the kind {kind!r}; known are {', '.join(kinds)}."
        )
    if missing:
        raise InputError(
            f"The detector {source!r}: its weights lack {len(missing)} keys, {missing[0]} for one:"
            " fetch it again."
        )
    model = model.eval().to(device)
    texts = [settings["prompt"].replace("{}", name) for name in names]
    if kind == "owlv2":
        return Owl(model, processor, texts, settings["batch"])
    return GroundingDino(model, processor, texts)
