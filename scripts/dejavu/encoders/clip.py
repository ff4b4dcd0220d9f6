"""CLIP-like models through OpenCLIP: published, local, or trained by this workflow."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from open_clip.convert import convert_state_dict, load_big_vision_weights
from open_clip.model import (
    CLIPTextCfg,
    CLIPVisionCfg,
    convert_to_custom_text_state_dict,
    resize_pos_embed,
    resize_text_pos_embed,
)
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch import Tensor

from dejavu.encoders import checkpoints, folders, hub, preparing
from dejavu.encoders.texts import bounded
from dejavu.errors import InputError, first_line, refusal
from dejavu.files import fingerprints

LOCAL_FOLDER = "local-dir:"
CONFIG = "open_clip_config.json"
# A folder's weights, in the order in which OpenCLIP prefers names.
WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
# What a folder's config may say. `hf_model_name` would name a model elsewhere.
TEXT_TOWER = {each.name for each in fields(CLIPTextCfg) if not each.name.startswith("hf_")}
ALLOWED = {
    "": {
        "embed_dim",
        "vision_cfg",
        "text_cfg",
        "multimodal_cfg",
        "quick_gelu",
        "custom_text",
        "init_logit_scale",
        "init_logit_bias",
        "nonscalar_logit_scale",
    },
    "vision_cfg": {each.name for each in fields(CLIPVisionCfg)},
    "text_cfg": {*TEXT_TOWER, "hf_tokenizer_name"},
    "text_cfg.tokenizer_kwargs": {"clean", "strip_sep_token", "language", "reduction_mask_type"},
    "multimodal_cfg": {*TEXT_TOWER, "dim_head", "n_queries", "attn_pooler_heads"},
}
# Where weights say for how many places in a text or a picture they were trained.
POSITIONS = ("positional_embedding", "pos_embed", "position_embeddings.weight")

# What every CLIP model has, whoever wrote it, under one name.
SCALE = "logit_scale"

# What OpenAI's files hold beside weights.
OPENAI_NUMBERS = {"input_resolution", "context_length", "vocab_size"}


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
        transform = image_transform_v2(PreprocessCfg(**preprocessing), is_train=False)
        self.preparation = preparing.of_transform(transform)
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

    def prepare_image(self, image: Image.Image) -> NDArray[Any]:
        """The pixels of an RGB image of any size, resized, as `preparing` has them."""
        return self.preparation.alone(image)

    def encode_images(self, prepared: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Embed prepared images: float32 [n, d], rows of length 1."""
        batch = self.preparation.batch(prepared, self.device)
        with torch.inference_mode():
            return self.model.encode_image(batch, normalize=True).float().cpu().numpy()

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed captions: float32 [n, d], rows of length 1."""
        batch = self.tokenizer(bounded(texts)).to(self.device)
        with torch.inference_mode():
            return self.model.encode_text(batch, normalize=True).float().cpu().numpy()


def load(
    name: str, settings: Mapping[str, Any], device: torch.device, allow_download: bool
) -> ClipEncoder:
    """Load a model.

    Args:
        name: its name in the config.
        settings: `architecture` (OpenCLIP's name, or ``local-dir:`` and a folder) or `model_cfg`
            and, but for a folder, `pretrained` (OpenCLIP's tag) or `checkpoint` (a file; with
            `state_key` and `prefix`, see `checkpoints`); `preprocessing` overrides
            what OpenCLIP knows of mean, std, interpolation and resize mode, which for a bare
            checkpoint is only a default; `resize_positions` lets positions be interpolated.
        device: where to compute.
        allow_download: whether OpenCLIP may fetch a tag's weights.

    Raises:
        InputError: the weights are missing, of another architecture, or not on this machine.
    """
    where = f"Model {name}"
    if "model_cfg" not in settings:
        return _load(where, name, settings["architecture"], settings, device, allow_download)
    refused = list(_refused(settings["model_cfg"]))
    if refused:
        raise InputError(
            f"{where}: `model_cfg.{refused[0]}` is no key of an architecture of OpenCLIP's:"
            " remove it."
        )
    with tempfile.TemporaryDirectory() as folder:
        told = {"model_cfg": settings["model_cfg"], "preprocess_cfg": {}}
        (Path(folder) / CONFIG).write_text(json.dumps(told), encoding="utf-8")
        return _load(
            where,
            name,
            f"{LOCAL_FOLDER}{folder}",
            settings,
            device,
            allow_download,
            "its model_cfg",
        )


def _load(
    where: str,
    name: str,
    architecture: str,
    settings: Mapping[str, Any],
    device: torch.device,
    allow_download: bool,
    called: str = "",
) -> ClipEncoder:
    """Load an architecture's weights; `called` is what sentences call it, else it has none."""
    tag, weights = settings.get("pretrained"), settings.get("checkpoint", "")
    if called:
        if not Path(weights).is_file():
            raise InputError(f"{where}: there is no checkpoint {weights}")
    elif architecture.startswith(LOCAL_FOLDER):
        weights = _weights_of_folder(where, Path(architecture.removeprefix(LOCAL_FOLDER)))
        tag = None
    elif architecture not in open_clip.list_models():
        raise InputError(f"{where}: OpenCLIP knows no architecture {architecture!r}")
    elif weights and not Path(weights).is_file():
        raise InputError(f"{where}: there is no checkpoint {weights}")
    elif tag:
        _check_tag(where, architecture, tag)
        if not allow_download:
            _check_cached(where, architecture, tag)
    try:
        # OpenCLIP makes the architecture and knows the preprocessing; weights are read here.
        model, _, _ = open_clip.create_model_and_transforms(
            architecture,
            pretrained=tag,
            device=device,
            load_weights=False,
            pretrained_image=False,
            pretrained_text=False,
            **{f"image_{key}": value for key, value in settings.get("preprocessing", {}).items()},
        )
        if tag:
            weights = open_clip.download_pretrained(open_clip.get_pretrained_cfg(architecture, tag))
        _load_weights(where, model, weights, architecture, called or architecture, settings)
        tokenizer = open_clip.get_tokenizer(architecture)
    except InputError:
        raise
    except Exception as error:
        unreachable = hub.unreachable(error)
        if unreachable:
            raise InputError(f"{where}: {unreachable}") from error
        raise refusal(
            error,
            f"{where}: the weights {weights or tag} do not load as {called or architecture}"
            f" ({_mismatch(error)}): set `{'model_cfg' if called else 'architecture'}` to the one"
            " they were trained with, or `prefix` to what stands before the names, or mend the"
            " file.",
        ) from error
    return ClipEncoder(name, model, tokenizer, open_clip.get_model_config(architecture), device)


def _weights_of_folder(where: str, folder: Path) -> str:
    """Check a folder's files and its config, and find its weights."""
    config = folder / CONFIG
    if not config.is_file():
        raise InputError(f"{where}: there is no {config}: name a folder as OpenCLIP writes it.")
    folders.check(folder, where)
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
        model_config = content["model_cfg"]
        refused = list(_refused(model_config))
        tower = str(model_config["vision_cfg"].get("timm_model_name"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{where}: {config} can't be read as OpenCLIP's config ({first_line(error)}): fetch it"
            " again."
        ) from error
    if refused:
        raise InputError(
            f"{where}: {config} has the key `model_cfg.{refused[0]}`, which is no part of an"
            " architecture, and nothing of a model's folder is fetched, run or trusted: remove it,"
            " or set `architecture` to OpenCLIP's name for it and `checkpoint` to the weights."
        )
    if set("/:") & set(tower):
        raise InputError(
            f"{where}: {config} takes its image tower from {tower!r}, and nothing is taken from"
            " outside of a model's folder: set `timm_model_name` to timm's own name."
        )
    found = [folder / file for file in WEIGHTS if (folder / file).is_file()] or sorted(
        path for kind in ("*.safetensors", "*.bin", "*.pth") for path in folder.glob(kind)
    )
    if not found:
        raise InputError(
            f"{where}: the weights of {folder} do not load: it holds none; put {WEIGHTS[0]} there."
        )
    if len(found) > 1 and found[0].name not in WEIGHTS:
        raise InputError(
            f"{where}: {folder} holds several files of weights, {checkpoints.first(found)}: name"
            f" one of them {WEIGHTS[0].partition('.')[0]}, or remove the others."
        )
    return str(found[0])


def _refused(config: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Keys of a config, or of a part of it, that it may not have."""
    before = f"{place}." if place else ""
    for key, value in config.items():
        if key not in ALLOWED[place]:
            yield f"{before}{key}"
        elif f"{before}{key}" in ALLOWED and value is not None:
            yield from _refused(value, f"{before}{key}")


def _load_weights(
    where: str,
    model: Any,
    path: str,
    architecture: str,
    called: str,
    settings: Mapping[str, Any],
) -> None:
    """Give a model the weights of a file of whatever form OpenCLIP reads.

    Of `settings` it takes `resize_positions`, `state_key` and `prefix`.
    """
    resize_positions = settings.get("resize_positions", False)
    if Path(path).suffix == ".npz":
        # Big Vision's form of SigLIP. Arrays of objects, which are pickles, are not read.
        with np.load(path, allow_pickle=False) as held:
            told = {
                key: held[key].shape[-2]
                for key in ("params/img/pos_embedding", "params/txt/pos_embedding")
            }
        places = (model.visual.trunk.pos_embed, model.text.positional_embedding)
        wanted = dict(zip(told, (each.shape[-2] for each in places), strict=True))
        if told != wanted and not resize_positions:
            raise _positions(where, path, called, told, wanted)
        load_big_vision_weights(model, path)
        return
    try:
        content = checkpoints.read(path)
        plain = checkpoints.network(
            checkpoints.state_dict(content, path, settings.get("state_key", "")),
            [SCALE],
            path,
            settings.get("prefix", ""),
        )
    except InputError as error:
        raise InputError(f"{where}: the weights do not load as {called}: {error}") from error
    classes = content.classes if isinstance(content, checkpoints.ScriptWeights) else frozenset()
    numbers = plain.keys() & OPENAI_NUMBERS
    if numbers or classes & {"QuickGELU", "GELU"}:
        trained = bool(numbers) or "QuickGELU" in classes
        _check_activation(where, architecture, path, trained)
    # An archive also holds what a model makes anew, as the mask of attention.
    own = model.state_dict()
    made = {name.rpartition(".")[2] for name, _ in model.named_buffers() if name not in own}
    for key in [*numbers, *(name for name in plain if classes and name.rpartition(".")[2] in made)]:
        plain.pop(key, None)
    state = _as_named(model, plain)
    shapes = {name: tuple(value.shape) for name, value in own.items()}
    differing = [
        name
        for name, value in state.items()
        if name.endswith(POSITIONS) and tuple(value.shape) != shapes.get(name, value.shape)
    ]
    if differing and not resize_positions:
        told = {name: tuple(state[name].shape) for name in differing}
        raise _positions(where, path, called, told, shapes)
    resize_pos_embed(state, model)
    resize_text_pos_embed(state, model)
    model.load_state_dict(state, strict=True)


def _positions(
    where: str, path: str, architecture: str, told: Mapping[str, Any], wanted: Mapping[str, Any]
) -> InputError:
    shown = ", ".join(
        f"{name} of {told[name]} and not {wanted[name]}"
        for name in told
        if told[name] != wanted[name]
    )
    return InputError(
        f"{where}: the weights {path} do not load as {architecture}: they were trained for other"
        f" positions in a text or a picture ({shown}): set `architecture` to the one they were"
        " trained with, or `resize_positions: true` to have them interpolated."
    )


def _as_named(model: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names, and scales of the shapes, that this version of OpenCLIP has."""
    state = dict(convert_state_dict(model, state))
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = dict(convert_to_custom_text_state_dict(state))
    if model.logit_bias is not None:
        # SigLIP's, which no vector depends on.
        state.setdefault("logit_bias", torch.zeros_like(model.logit_bias))
    for name in ("logit_scale", "logit_bias"):
        own = getattr(model, name)
        if name in state and own is not None:
            state[name] = state[name].reshape(own.shape)
    # Transformers kept them among weights before 4.31.
    if "text.transformer.embeddings.position_ids" not in model.state_dict():
        state.pop("text.transformer.embeddings.position_ids", None)
    return state


def _check_tag(where: str, architecture: str, tag: str) -> None:
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        raise InputError(
            f"{where}: OpenCLIP has no weights {tag!r} for {architecture};"
            f" it has {', '.join(tags) or 'none'}"
        )
    trained = bool(open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu"))
    _check_activation(where, architecture, tag, trained)


def _check_activation(where: str, architecture: str, weights: str, trained: bool) -> None:
    """Stop where OpenCLIP would only warn, and embed with another activation than was trained."""
    if trained != bool(open_clip.get_model_config(architecture).get("quick_gelu")):
        base = architecture.removesuffix("-quickgelu")
        raise InputError(
            f"{where}: the weights {weights!r} were trained {'with' if trained else 'without'}"
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
