"""CLIP-like models through OpenCLIP: published, local, or trained by this workflow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from dejavu.encoders import hub
from dejavu.errors import InputError, first_line, refusal
from dejavu.files import fingerprints

LOCAL_FOLDER = "local-dir:"


class ClipEncoder:
    """An OpenCLIP model ready to encode, with the fingerprint of its weights and preprocessing."""

    def __init__(
        self,
        name: str,
        model: Any,
        tokenizer: Any,
        architecture: Mapping[str, Any],
        device: torch.device,
    ) -> None:
        """Take a model with its own preprocessing configuration (`model.visual.preprocess_cfg`).

        `architecture` is its OpenCLIP config, parts of which (the activation, the number of heads)
        show in no weight.
        """
        self.model = model.eval().to(device)
        self.tokenizer = tokenizer
        self.device = device
        preprocessing = open_clip.get_model_preprocess_cfg(model)
        self.preprocess = image_transform_v2(PreprocessCfg(**preprocessing), is_train=False)
        weights = (
            (key, value.detach().cpu().contiguous().float().numpy())
            for key, value in model.state_dict().items()
        )
        settings = {
            "preprocessing": preprocessing,
            "architecture": architecture,
            "tokenizer": type(tokenizer).__name__,
            "context_length": tokenizer.context_length,
        }
        self.facts = {
            "model": name,
            "fingerprint": fingerprints.fingerprint(weights, settings),
            "normalised": True,
            "versions": fingerprints.versions("torch", "torchvision", "open_clip_torch"),
        }

    def prepare_image(self, image: Image.Image) -> torch.Tensor:
        """The pixels of an image of any size as the model takes them, float32 [3, h, w]."""
        return self.preprocess(image)

    def encode_images(self, prepared: Sequence[torch.Tensor]) -> NDArray[np.float32]:
        """Embed prepared images: float32 [n, d], rows of length 1."""
        batch = torch.stack(list(prepared)).to(self.device)
        with torch.inference_mode():
            return self.model.encode_image(batch, normalize=True).float().cpu().numpy()

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed captions: float32 [n, d], rows of length 1."""
        batch = self.tokenizer(list(texts)).to(self.device)
        with torch.inference_mode():
            return self.model.encode_text(batch, normalize=True).float().cpu().numpy()


def load(
    name: str, settings: Mapping[str, Any], device: torch.device, allow_download: bool
) -> ClipEncoder:
    """Load a model.

    Args:
        name: its name in the config.
        settings: `architecture` (OpenCLIP's name, or ``local-dir:`` and a folder) and, for a
            name, `pretrained` (OpenCLIP's tag) or `checkpoint` (a file); `preprocessing` overrides
            what OpenCLIP knows of mean, std, interpolation and resize mode, which for a bare
            checkpoint is only a default.
        device: where to compute.
        allow_download: whether OpenCLIP may fetch a tag's weights.

    Raises:
        InputError: the weights are missing, of another architecture, or not on this machine.
    """
    architecture = settings["architecture"]
    pretrained = settings.get("checkpoint") or settings.get("pretrained")
    where = f"Model {name}"
    is_folder = architecture.startswith(LOCAL_FOLDER)
    if not is_folder and architecture not in open_clip.list_models():
        raise InputError(f"{where}: OpenCLIP knows no architecture {architecture!r}")
    if settings.get("checkpoint") and not Path(settings["checkpoint"]).is_file():
        raise InputError(f"{where}: there is no checkpoint {settings['checkpoint']}")
    if settings.get("pretrained"):
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        if settings["pretrained"] not in tags:
            raise InputError(
                f"{where}: OpenCLIP has no weights {settings['pretrained']!r} for {architecture};"
                f" it has {', '.join(tags) or 'none'}"
            )
        _check_activation(where, architecture, settings["pretrained"])
        if not allow_download:
            _check_cached(where, architecture, settings["pretrained"])
    try:
        model, _, _ = open_clip.create_model_and_transforms(
            architecture,
            pretrained=None if is_folder else pretrained,
            device=device,
            weights_only=True,
            require_pretrained=True,
            **{f"image_{key}": value for key, value in settings.get("preprocessing", {}).items()},
        )
        tokenizer = open_clip.get_tokenizer(architecture)
    except Exception as error:
        unreachable = hub.unreachable(error)
        if unreachable:
            raise InputError(f"{where}: {unreachable}") from error
        raise refusal(
            error,
            f"{where}: the weights {pretrained or architecture} do not load as {architecture}"
            f" ({_mismatch(error)}): set `architecture` to the one they were trained with, or"
            " mend the file.",
        ) from error
    return ClipEncoder(name, model, tokenizer, open_clip.get_model_config(architecture), device)


def _check_activation(where: str, architecture: str, tag: str) -> None:
    """Stop where OpenCLIP would only warn, and embed with another activation than was trained."""
    trained = bool(open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu"))
    if trained != bool(open_clip.get_model_config(architecture).get("quick_gelu")):
        base = architecture.removesuffix("-quickgelu")
        raise InputError(
            f"{where}: the weights {tag!r} were trained {'with' if trained else 'without'}"
            f" QuickGELU: set `architecture: {base}{'-quickgelu' if trained else ''}`."
        )


def _check_cached(where: str, architecture: str, tag: str) -> None:
    from huggingface_hub import try_to_load_from_cache

    pretrained = open_clip.get_pretrained_cfg(architecture, tag)
    repository = pretrained.get("hf_hub", "").strip("/")
    url = pretrained.get("url", "")
    names = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    cached = any(repository and try_to_load_from_cache(repository, file) for file in names)
    cached |= bool(url) and (Path.home() / ".cache" / "clip" / Path(url).name).is_file()
    if not cached:
        raise InputError(
            f"{where}: the weights {tag!r} of {architecture} are not on this machine; set"
            " `allow_download: true` to fetch them, or give a local `checkpoint`."
        )


def _mismatch(error: BaseException) -> str:
    """The heart of PyTorch's complaint about a state dict, which has one line a key."""
    lines = [line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()]
    shown = "; ".join(lines[1:3]) if len(lines) > 1 else first_line(error)
    return shown if len(shown) <= 200 else shown[:200] + " …"
