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
from torch import Tensor
from torchvision.transforms import Compose, Normalize, ToTensor

from dejavu.errors import InputError, first_line, refusal
from dejavu.files import fingerprints, seals
from dejavu.files.weights import write_settings
from dejavu.training import loop, weights
from dejavu.training.pixels import decoded
from dejavu.training.views import random_views, recoloured

# Of a random crop, as OpenCLIP's own training has it.
LARGEST_ASPECT = 4 / 3
# What is drawn for a step, beside its number and the seed.
MOVED, MASKED, DRAWN = 1, 2, 3


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
        images: references of n images; captions of one image have the same.
        captions: their n captions.
        preprocessing: OpenCLIP's preprocess config: `size`, `mean`, `std`, `interpolation`,
            `resize_mode`.
        settings: `epochs`, `batch`, `learning_rate`, `weight_decay`, `warmup` (a fraction of the
            steps), `flip`, `shift` (pixels), `area` (smallest part of a picture that is shown),
            `colour` (strength), `captions` (`each` with its picture once an epoch, or one of a
            picture's `drawn`), `text_mask` (fraction of the words), `logit_scale_max`, `precision`
            (`bf16` or `fp32`).
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
    rows = captions_of_pictures(images, settings["captions"])
    pixels = decoded([images[some[0]] for some in rows], resize, preprocessing["size"])
    tokenizer = open_clip.SimpleTokenizer(context_length=model.context_length)
    tokens = tokenizer(list(captions))
    mean = torch.tensor(preprocessing["mean"]).view(1, 3, 1, 1) * 255
    std = torch.tensor(preprocessing["std"]).view(1, 3, 1, 1) * 255
    order = loop.EpochOrder(len(rows), settings["batch"], seed)
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
    largest_scale = float(np.log(settings["logit_scale_max"]))
    with torch.no_grad():
        model.logit_scale.clamp_(max=largest_scale)

    def take_step(step: int) -> loop.Metrics:
        chosen = order.indices(step)
        batch = torch.from_numpy(augmented(pixels[chosen], settings, seed, step))
        batch = changed(batch.permute(0, 3, 1, 2).float(), settings)
        batch = ((batch - mean) / std).to(device)
        batch = batch.contiguous(memory_format=torch.channels_last)
        read = drawn([rows[row] for row in chosen], seed, step)
        texts = tokens[read]
        if settings["text_mask"]:
            shown = masked([captions[row] for row in read], settings["text_mask"], seed, step)
            texts = tokenizer(shown)
        factor = loop.learning_rate(step, steps, settings["warmup"])
        for group in optimizer.param_groups:
            group["lr"] = settings["learning_rate"] * factor
        with torch.autocast(device.type, torch.bfloat16, enabled=settings["precision"] == "bf16"):
            image_features = model.encode_image(batch, normalize=True)
            text_features = model.encode_text(texts.to(device), normalize=True)
        image_features, text_features = image_features.float(), text_features.float()
        scale = model.logit_scale.exp()
        loss = loss_function(image_features, text_features, scale)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, largest_scale)
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
    rng = np.random.default_rng([seed, step, MOVED])
    if settings["flip"] and rng.random() < 0.5:
        pixels = pixels[:, :, ::-1]
    reach = settings["shift"]
    if reach:
        offsets = rng.integers(-reach, reach + 1, size=2)
        pixels = np.roll(pixels, tuple(offsets), axis=(1, 2))
    return np.ascontiguousarray(pixels)


def changed(pixels: Tensor, settings: Mapping[str, Any]) -> Tensor:
    """Crop and recolour a batch [n, 3, side, side] of 0 to 255, each picture on its own.

    With the `area` 1 and the `colour` 0 it stays as it is. Numbers are drawn by torch's generator.
    """
    area, colour = settings["area"], settings["colour"]
    if area == 1:
        return recoloured(pixels / 255, colour) * 255 if colour else pixels
    cut: dict[str, Any] = {
        "side": pixels.shape[-1],
        "area": [area, 1],
        "aspect": LARGEST_ASPECT,
        "border": 1,
    }
    cut |= {"flip": False, "colour": colour, "blur": 0, "solarization": 0}
    return random_views(pixels / 255, cut) * 255


def captions_of_pictures(images: Sequence[str], captions: str) -> list[list[int]]:
    """The rows of the captions that each picture of an epoch may be learned with.

    Args:
        images: of each row its picture.
        captions: `each`, where every row is a picture of its own, or `drawn`, where those of one
            picture are taken together.
    """
    if captions == "each":
        return [[row] for row in range(len(images))]
    together: dict[str, list[int]] = {}
    for row, image in enumerate(images):
        together.setdefault(image, []).append(row)
    return list(together.values())


def drawn(rows: Sequence[Sequence[int]], seed: int, step: int) -> NDArray[np.int64]:
    """One of the rows of each picture of a step, int64 [n], all as likely."""
    places = np.random.default_rng([seed, step, DRAWN]).random(len(rows))
    chosen = [some[int(place * len(some))] for some, place in zip(rows, places, strict=True)]
    return np.array(chosen, dtype=np.int64)


def masked(captions: Sequence[str], fraction: float, seed: int, step: int) -> list[str]:
    """Captions of a step without that fraction of their words, but for one that always stays.

    Where the fraction is no whole number of words, the number is rounded up or down at random, so
    that it is right on average. A step has an epoch's captions once, so that each epoch draws anew.
    """
    rng = np.random.default_rng([seed, step, MASKED])
    shown = []
    for caption in captions:
        words = caption.split()
        hidden = int(fraction * len(words) + rng.random())
        order = rng.permutation(len(words))
        kept = np.sort(order[min(hidden, max(0, len(words) - 1)) :])
        shown.append(" ".join(words[place] for place in kept))
    return shown


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
