"""General text encoders through Sentence Transformers, the references of the one-model test."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from dejavu.encoders import folders, hub
from dejavu.encoders.texts import bounded
from dejavu.errors import InputError, refusal
from dejavu.files import fingerprints

PACKAGE = "package:"


class TextEncoder:
    """A Sentence Transformers model with its prompt, and the fingerprint of both."""

    def __init__(self, name: str, model: SentenceTransformer, prompt: str, batch: int) -> None:
        """Take a loaded model; `prompt` is put before every text (E5: ``query: ``).

        Without one the model's own default prompt is, if it has any.
        """
        own = model.prompts.get(model.default_prompt_name) if model.default_prompt_name else None
        self.model, self.prompt, self.batch = model, prompt or own or "", batch
        weights = (
            (key, value.detach().cpu().contiguous().float().numpy())
            for key, value in model.state_dict().items()
        )
        settings = {
            "prompt": self.prompt,
            "max_seq_length": model.max_seq_length,
            # How tokens are pooled shows in no weight.
            "modules": [(type(module).__name__, _config_of(module)) for module in model],
        }
        self.facts = {
            "model": name,
            "fingerprint": fingerprints.fingerprint(weights, settings),
            "normalised": True,
            "versions": fingerprints.versions("torch", "sentence-transformers", "transformers"),
        }

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: float32 [n, d], rows of length 1."""
        vectors = self.model.encode(
            bounded(texts),
            batch_size=self.batch,
            prompt=self.prompt,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype=np.float32)


def _config_of(module: Any) -> dict[str, Any]:
    return module.get_config_dict() if hasattr(module, "get_config_dict") else {}


def load(
    name: str, settings: Mapping[str, Any], batch: int, device: torch.device, allow_download: bool
) -> TextEncoder:
    """Load a model by name, from a folder, or from a Python package that ships one.

    Raises:
        InputError: the model is not on this machine, or is not a Sentence Transformers model.
    """
    source = settings["model"]
    where = f"Model {name}: {source!r} does not load as a Sentence Transformers model"
    try:
        if source.startswith(PACKAGE):
            package = source.removeprefix(PACKAGE).replace("-", "_")
            shipped = importlib.import_module(package)
            if not hasattr(shipped, "get_model_path"):
                raise ImportError(f"the package {package} ships no model")
            source = str(shipped.get_model_path())
        folders.check_source(source, allow_download, where)
        model = SentenceTransformer(
            source,
            device=str(device),
            local_files_only=not allow_download or Path(source).is_dir(),
            trust_remote_code=False,
            model_kwargs={"dtype": torch.float32},
        )
    except InputError:
        raise
    except Exception as error:
        remedy = f" ({hub.reason(error)}); name a local folder, or set `allow_download: true`."
        unreachable = hub.unreachable(error)
        told = f": {unreachable}" if unreachable else remedy
        raise refusal(error, where + told) from error
    return TextEncoder(name, model, settings.get("prompt", ""), batch)
