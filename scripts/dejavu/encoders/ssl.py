"""Self-supervised image models: a backbone with a projector of lightly, and their encoder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightly.models.modules import heads
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from dejavu.encoders import backbones
from dejavu.errors import InputError, first_line, refusal
from dejavu.files import fingerprints
from dejavu.files.weights import read_settings

WEIGHTS, SETTINGS = "model.safetensors", "model.json"


class ByolHead(nn.Module):
    """BYOL's projector, and the predictor of the target's projections that the loss sees."""

    def __init__(self, input_dim: int, hidden_dim: int = 4096, output_dim: int = 256) -> None:
        """Take the widths that lightly's two heads share."""
        super().__init__()
        self.layers = heads.BYOLProjectionHead(input_dim, hidden_dim, output_dim).layers
        self.predictor = heads.BYOLPredictionHead(output_dim, hidden_dim, output_dim)

    def forward(self, features: Tensor) -> Tensor:
        """Predictions [n, d] from features."""
        return self.predictor(self.layers(features))


HEADS = {
    "vicreg": heads.VICRegProjectionHead,
    # The layers of lightly's own for Barlow Twins, of any number.
    "barlow_twins": heads.VICRegProjectionHead,
    "byol": ByolHead,
    "simclr": heads.SimCLRProjectionHead,
    "dino": heads.DINOProjectionHead,
}
# The published input: the shorter side at 256 pixels, of which the middle 224 are taken.
SHORTER_SIDE = 256 / 224
INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


class Perceptron(nn.Module):
    """A projector told layer by layer, as published checkpoints have them."""

    def __init__(self, layers: Sequence[Sequence[Any]]) -> None:
        """Take `[linear, inputs, outputs, has_bias]`, `[batch_norm, width]`, `[relu]`, `[gelu]`."""
        super().__init__()
        kinds = {
            "linear": nn.Linear,
            "batch_norm": nn.BatchNorm1d,
            "relu": nn.ReLU,
            "gelu": nn.GELU,
        }
        self.layers = nn.Sequential(*(kinds[kind](*sizes) for kind, *sizes in layers))

    def forward(self, features: Tensor) -> Tensor:
        """Projections [n, d] of features."""
        return self.layers(features)


class SslModel(nn.Module):
    """A backbone and the projector that the loss sees."""

    def __init__(self, backbone: nn.Module, projector: nn.Module) -> None:
        """Put both together."""
        super().__init__()
        self.backbone = backbone
        self.projector = projector

    def forward(self, pixels: Tensor) -> Tensor:
        """What the loss compares, from pixels [n, 3, h, w]."""
        return self.projector(self.backbone(pixels))

    def represent(self, pixels: Tensor, representation: str) -> Tensor:
        """Output of the `backbone`, one of its stages, or the `projector`: [n, d].

        DINO's projector ends before its prototypes, BYOL's before its predictor. A stage, `layer3`,
        is averaged over places.

        Raises:
            InputError: the backbone has no such stage.
        """
        if representation.startswith("layer"):
            return backbones.stage_output(
                self.backbone, int(representation.removeprefix("layer")), pixels
            )
        features = self.backbone(pixels)
        if representation == "backbone":
            return features
        layers: Any = self.projector.layers
        return layers(features)


def build(settings: Mapping[str, Any], seed: int) -> SslModel:
    """Make a model with random weights.

    Args:
        settings: `method`, `backbone` (see `backbones.build`), `projector` (arguments of lightly's
            head but for the input's width; or the `layers` of a `Perceptron`), or the `labels` of a
            supervised one, `views` with the `side` of the training's input.
        seed: of the weights.

    Raises:
        InputError: timm, torchvision or lightly does not accept the settings.
    """
    torch.manual_seed(seed)
    backbone = backbones.build(settings["backbone"])
    if "layers" in settings.get("projector", {}):
        return SslModel(backbone, Perceptron(settings["projector"]["layers"]))
    features = backbones.width(backbone, settings["views"]["side"])
    if settings["method"] == "supervised":
        return SslModel(backbone, nn.Linear(features, len(settings["labels"])))
    try:
        projector = HEADS[settings["method"]](input_dim=features, **settings["projector"])
    except TypeError as error:
        raise InputError(
            f"lightly can't build the head of {settings['method']} from `projector`"
            f" ({first_line(error)}): see {HEADS[settings['method']].__name__} for its arguments."
        ) from error
    return SslModel(backbone, projector)


class SslEncoder:
    """A model ready to encode whole images and crops, with its fingerprint."""

    def __init__(
        self,
        name: str,
        model: SslModel,
        architecture: Mapping[str, Any],
        preprocessing: Mapping[str, Any],
        representation: str,
        normalise: bool,
        device: torch.device,
    ) -> None:
        """Take a trained model.

        Args:
            name: of the model in the config.
            model: its weights.
            architecture: what it was built from, parts of which show in no weight.
            preprocessing: `image_side`, `crop_side`, `resize` (`squash` or `centre_crop`),
                `interpolation`, `mean` and `std` of the channels.
            representation: `projector`, `backbone`, or a stage of it, as `layer3`.
            normalise: whether vectors are scaled to length 1; a zero vector stays what it is.
            device: where to compute.
        """
        self.model = model.eval().to(device).to(memory_format=torch.channels_last)
        self.preprocessing = preprocessing
        self.representation = representation
        self.normalise = normalise
        self.device = device
        self.dimension = self.encode_width()
        weights = (
            (key, value.detach().cpu().contiguous().numpy())
            for key, value in model.state_dict().items()
        )
        settings = {
            "architecture": dict(architecture),
            "preprocessing": dict(preprocessing),
            "representation": representation,
            "normalised": normalise,
        }
        self.facts = {
            "model": name,
            "fingerprint": fingerprints.fingerprint(weights, settings),
            "normalised": normalise,
            "versions": fingerprints.versions("torch", "torchvision", "timm", "lightly"),
        }

    def encode_width(self) -> int:
        """Number of values of a vector."""
        side = self.preprocessing["crop_side"]
        blank = torch.zeros(1, 3, side, side, device=self.device)
        with torch.inference_mode():
            return self.model.represent(blank, self.representation).shape[1]

    def prepare_image(self, image: Image.Image, part: str) -> NDArray[np.uint8]:
        """Resize an RGB image of any size: uint8 [side, side, 3].

        `part` says whether it is a whole image (`image`) or a background crop (`crop`).
        """
        used = self.preprocessing
        square = resized(image, used[f"{part}_side"], used["resize"], used["interpolation"])
        return np.asarray(square)

    def encode_images(self, prepared: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed prepared images: float32 [n, d]."""
        batch = standardised(as_batch(np.stack(prepared), self.device), self.preprocessing)
        with torch.inference_mode():
            vectors = self.model.represent(batch, self.representation).float()
            if self.normalise:
                vectors = nn.functional.normalize(vectors)
        return vectors.cpu().numpy()


def check_sides(name: str, model: SslModel, sides: Sequence[int]) -> None:
    """Check that a model takes square images of some sides.

    Raises:
        InputError: it does not, as a vision transformer of another size.
    """
    model.eval()
    for side in sides:
        try:
            with torch.inference_mode():
                model(torch.zeros(1, 3, side, side))
        except Exception as error:
            raise refusal(
                error,
                f"Model {name} takes no images of {side} by {side} px ({first_line(error)}): set"
                " `preprocessing.image_side` and `crop_side` to what it was trained with.",
            ) from error


def resized(
    image: Image.Image, side: int, mode: str, interpolation: str = "bilinear"
) -> Image.Image:
    """Make an image square: squashed, or its middle at the published proportion.

    The middle is that of torchvision's `Resize` and `CenterCrop`, to the pixel, as VICReg, Barlow
    Twins and DINO evaluate (`evaluate.py`, `eval_linear.py` of their repositories).
    """
    resampling = INTERPOLATIONS[interpolation]
    if mode == "squash":
        return image.resize((side, side), resampling)
    shorter = round(SHORTER_SIDE * side)
    width, height = (max(shorter, int(shorter * edge / min(image.size))) for edge in image.size)
    left, top = round((width - side) / 2), round((height - side) / 2)
    wide = image.resize((width, height), resampling)
    return wide.crop((left, top, left + side, top + side))


def as_batch(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Float pixels [n, 3, h, w] from 0 to 1, from uint8 [n, h, w, 3]."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div_(255)


def standardised(batch: Tensor, preprocessing: Mapping[str, Any]) -> Tensor:
    """Pixels [n, 3, h, w], from 0 to 1, by the `mean` and `std` of the channels."""
    mean, std = (
        torch.tensor(preprocessing[key], device=batch.device).view(1, 3, 1, 1)
        for key in ("mean", "std")
    )
    return ((batch - mean) / std).contiguous(memory_format=torch.channels_last)


def load(
    name: str,
    folder: str | Path,
    settings: Mapping[str, Any],
    normalise: bool,
    device: torch.device,
) -> SslEncoder:
    """Load a folder that the workflow trained or imported.

    Args:
        name: of the model in the config.
        folder: with the weights and the settings they were trained with.
        settings: `preprocessing` and `representation`.
        normalise: whether vectors are scaled to length 1.
        device: where to compute.

    Raises:
        InputError: the folder's files do not fit together.
    """
    trained = read_settings(Path(folder) / SETTINGS, Path(folder) / WEIGHTS)
    model = build(trained, seed=0)
    try:
        model.load_state_dict(load_file(Path(folder) / WEIGHTS))
    except Exception as error:
        raise refusal(
            error,
            f"{folder}/{WEIGHTS} does not fit {SETTINGS} beside it ({first_line(error)}): delete"
            " the folder and run again.",
        ) from error
    told: list[str] = ["method", "backbone", "projector"]
    architecture = {key: trained[key] for key in told if key in trained}
    used = settings["preprocessing"], settings["representation"]
    return SslEncoder(name, model, architecture, *used, normalise, device)
