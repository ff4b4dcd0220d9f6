"""Contrastive training of a CLIP model from scratch, with OpenCLIP's model and loss."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from open_clip.loss import ClipLoss
from open_clip.transform import PreprocessCfg, image_transform_v2
from torchvision.transforms import Compose, Normalize, ToTensor

from dejavu.errors import InputError, first_line, refusal
from dejavu.files import fingerprints, seals
from dejavu.files.weights import write_settings
from dejavu.training import loop, weights
from dejavu.training.pixels import decoded

LARGEST_SCALE = float(np.log(100))


def build(model_settings: Mapping[str, Any], seed: int) -> Any:
    """Make an OpenCLIP model with random weights.

    Args:
        model_settings: OpenCLIP's model config: `embed_dim`, `vision_cfg`, `text_cfg`.
        seed: of the weights.

    Raises:
        InputError: OpenCLIP does not accept the settings.
    """
    torch.manual_seed(seed)
    settings = json.loads(json.dumps(dict(model_settings)))
    if "hf_tokenizer_name" in settings["text_cfg"]:
        raise InputError(
            "Models trained here use OpenCLIP's own tokenizer: remove `hf_tokenizer_name` from"
            " `model_cfg.text_cfg`."
        )
    custom_text = settings.pop("custom_text", False)
    make = open_clip.CustomTextCLIP if custom_text else open_clip.CLIP
    try:
        return _made(make, settings)
    except Exception as error:
        raise refusal(
            error,
            f"OpenCLIP can't build a model from `model_cfg` ({first_line(error)}): see OpenCLIP's"
            " model configs for the keys it knows.",
        ) from error


def _made(make: Any, settings: Mapping[str, Any]) -> Any:
    """A model; a key that OpenCLIP does not know fails on this line, and is no bug of `build`."""
    return make(**settings)


def train(
    model: Any,
    images: Sequence[str],
    captions: Sequence[str],
    preprocessing: Mapping[str, Any],
    settings: Mapping[str, Any],
    seed: int,
    checkpoint: loop.Checkpoint,
    device: torch.device,
) -> list[dict[str, float]]:
    """Train on pairs of image and caption.

    Args:
        model: from `build`; trained in place.
        images: references of n images.
        captions: their n captions.
        preprocessing: OpenCLIP's preprocess config: `size`, `mean`, `std`, `interpolation`,
            `resize_mode`.
        settings: `epochs`, `batch`, `learning_rate`, `weight_decay`, `warmup` (a fraction of the
            steps), `flip`, `shift` (pixels), `precision` (`bf16` or `fp32`).
        seed: of order and augmentation.
        checkpoint: file to resume from.
        device: where to compute.

    Returns:
        `epoch`, `loss` and `accuracy` (of retrieving the image in the batch) for each epoch.

    Raises:
        InputError: the pictures' size is not the model's, or the loss is not finite.
    """
    side = model.visual.image_size
    if side not in (preprocessing["size"], (preprocessing["size"],) * 2):
        # OpenCLIP would embed at the model's size, whatever it was trained with.
        raise InputError(
            f"The model's `preprocess_cfg.size` is {preprocessing['size']}, and its"
            f" `model_cfg.vision_cfg.image_size` is {side}: give both the same."
        )
    transform = image_transform_v2(PreprocessCfg(**preprocessing), is_train=False)
    resize = Compose(
        [step for step in transform.transforms if not isinstance(step, ToTensor | Normalize)]
    )
    pixels = decoded(images, resize, preprocessing["size"])
    tokens = open_clip.SimpleTokenizer(context_length=model.context_length)(list(captions))
    mean = torch.tensor(preprocessing["mean"]).view(1, 3, 1, 1) * 255
    std = torch.tensor(preprocessing["std"]).view(1, 3, 1, 1) * 255
    order = loop.EpochOrder(len(images), settings["batch"], seed)
    steps = settings["epochs"] * order.steps
    model.to(device, memory_format=torch.channels_last).train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim >= 2]},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        groups,
        lr=settings["learning_rate"],
        fused=True,
        betas=(0.9, 0.98),
        weight_decay=settings["weight_decay"],
    )
    loss_function = ClipLoss()

    def take_step(step: int) -> loop.Metrics:
        chosen = order.indices(step)
        batch = torch.from_numpy(augmented(pixels[chosen], settings, seed, step))
        batch = ((batch.permute(0, 3, 1, 2).float() - mean) / std).to(device)
        batch = batch.contiguous(memory_format=torch.channels_last)
        factor = loop.learning_rate(step, steps, settings["warmup"])
        for group in optimizer.param_groups:
            group["lr"] = settings["learning_rate"] * factor
        with torch.autocast(device.type, torch.bfloat16, enabled=settings["precision"] == "bf16"):
            image_features = model.encode_image(batch, normalize=True)
            text_features = model.encode_text(tokens[chosen].to(device), normalize=True)
        image_features, text_features = image_features.float(), text_features.float()
        scale = model.logit_scale.exp()
        loss = loss_function(image_features, text_features, scale)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, LARGEST_SCALE)
            best = (text_features @ image_features.T).argmax(dim=1).cpu()
        accuracy = (best == torch.arange(len(best))).double().mean()
        return {"loss": float(loss.detach()), "accuracy": float(accuracy)}

    identity = seals.digest(
        seals.canonical([list(images), list(captions), dict(settings), dict(preprocessing)]),
        seals.canonical([seed, str(device), fingerprints.versions("torch")]),
        seals.hashed(seals.array_bytes(pixels)).encode(),
        fingerprints.fingerprint(weights_of(model).items(), {}).encode(),
    )
    history = loop.run(
        {"model": model, "optimizer": optimizer},
        take_step,
        settings["epochs"],
        order,
        checkpoint,
        identity,
        seed,
    )
    if not all(np.isfinite(epoch["loss"]) for epoch in history):
        raise InputError(
            "The training's loss is not finite: lower `learning_rate` of the model in the config."
        )
    return history


def augmented(
    pixels: NDArray[np.uint8], settings: Mapping[str, Any], seed: int, step: int
) -> NDArray[np.uint8]:
    """Flip and shift a batch [n, side, side, 3], each batch as a whole."""
    rng = np.random.default_rng([seed, step, 1])
    if settings["flip"] and rng.random() < 0.5:
        pixels = pixels[:, :, ::-1]
    reach = settings["shift"]
    if reach:
        offsets = rng.integers(-reach, reach + 1, size=2)
        pixels = np.roll(pixels, tuple(offsets), axis=(1, 2))
    return np.ascontiguousarray(pixels)


def weights_of(model: Any) -> dict[str, NDArray[Any]]:
    """A model's weights as arrays, by name."""
    return {
        name: value.detach().cpu().contiguous().numpy()
        for name, value in model.state_dict().items()
    }


def save(
    model: Any,
    model_settings: Mapping[str, Any],
    preprocessing: Mapping[str, Any],
    weights_path: str | Path,
    config_path: str | Path,
) -> None:
    """Write a model as a folder that OpenCLIP loads by ``local-dir:``, without code of ours."""
    weights.save(model, weights_path)
    config = {"model_cfg": dict(model_settings), "preprocess_cfg": dict(preprocessing)}
    write_settings(config_path, config, weights_path)
