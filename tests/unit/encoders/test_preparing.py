"""What is done to images alone and in batches: the bits that the libraries themselves give."""

import io

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from timm.data import create_transform
from torch.testing import assert_close
from torchvision.transforms import (
    CenterCrop,
    Compose,
    Normalize,
    RandomGrayscale,
    Resize,
    ToTensor,
)
from transformers import (
    CLIPImageProcessor,
    ConvNextImageProcessor,
    DINOv3ViTImageProcessor,
    SiglipImageProcessor,
    ViTImageProcessor,
)

from dejavu.encoders import preparing
from dejavu.sources.images import decode

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SIZES = [(1, 1), (2, 31), (40, 40), (41, 29), (64, 48), (33, 97), (120, 7), (24, 24)]


def open_clip_transform(**settings):
    return image_transform_v2(PreprocessCfg(size=24, **settings), is_train=False)


def timm_transform(**settings):
    return create_transform((3, 24, 24), is_training=False, **settings)


TRANSFORMS = {
    "OpenCLIP": open_clip_transform(),
    "bilinear": open_clip_transform(interpolation="bilinear", mean=(0.5,) * 3, std=(0.25,) * 3),
    "longest": open_clip_transform(resize_mode="longest", fill_color=90),
    "squash": open_clip_transform(resize_mode="squash"),
    "timm": timm_transform(interpolation="bicubic", crop_pct=0.9),
    "lanczos": timm_transform(interpolation="lanczos"),
    "timm, squash": timm_transform(crop_mode="squash", crop_pct=0.9),
    "timm, border": timm_transform(crop_mode="border"),
    # Torchvision pads what is smaller than its crop.
    "padded": Compose([Resize(16), CenterCrop(24), ToTensor(), Normalize((0.1,), (0.7,))]),
    "nearest": timm_transform(interpolation="nearest"),
}
CROPPED = {"size": {"shortest_edge": 28}, "crop_size": {"height": 24, "width": 24}}
SQUARE = {"size": {"height": 24, "width": 24}}
PROCESSORS = {
    "CLIP": CLIPImageProcessor(**CROPPED),
    "SigLIP": SiglipImageProcessor(**SQUARE),
    "ViT": ViTImageProcessor(**SQUARE),
    "neither scaled nor normalised": ViTImageProcessor(
        **SQUARE, do_normalize=False, rescale_factor=1 / 127
    ),
}
# These resize floats, pad what is normalised, or have steps of their own.
OTHERS = {
    "DINOv3": DINOv3ViTImageProcessor(**SQUARE),
    "pads": CLIPImageProcessor(**CROPPED, do_pad=True, pad_size={"height": 30, "width": 30}),
    "ConvNeXt": ConvNextImageProcessor(size={"shortest_edge": 24}),
}


def pictures():
    """Pictures of all modes that files have, as they are decoded, and of sizes of all kinds."""
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8)) for w, h in SIZES]
    whole = noise[4]
    sixteen = rng.integers(0, 65536, (37, 52), np.uint16)
    turned = Image.Exif()
    turned[0x0112] = 6
    files = [
        (whole.convert("L"), {"format": "PNG"}),
        (whole.convert("RGBA"), {"format": "PNG"}),
        (whole.convert("P"), {"format": "PNG"}),
        (whole.convert("CMYK"), {"format": "JPEG"}),
        (Image.fromarray(sixteen), {"format": "PNG"}),
        (whole, {"format": "JPEG", "exif": turned}),
    ]
    return noise + [decode(written(image, **options)) for image, options in files]


def written(image, **options):
    content = io.BytesIO()
    image.save(content, **options)
    return content.getvalue()


PICTURES = pictures()


def prepared(preparation, images):
    return preparation.batch([preparation.alone(image) for image in images], CPU)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_give_the_same_bits_in_two_steps(name):
    transform = TRANSFORMS[name]
    preparation = preparing.of_transform(transform)
    assert preparation.alone(PICTURES[0]).dtype == np.uint8
    found = prepared(preparation, PICTURES)
    wanted = torch.stack([transform(image) for image in PICTURES])
    assert_close(found, wanted, rtol=0, atol=0)
    # Which kernels a network computes with depends on how its input lies.
    assert found.is_contiguous()


@pytest.mark.parametrize("name", PROCESSORS | OTHERS)
def test_processors_give_the_same_bits_in_two_steps(name):
    processor = (PROCESSORS | OTHERS)[name]
    preparation = preparing.of_processor(processor)
    # Of another size than the rest, as it is not to be cut: each image by itself.
    for image in PICTURES:
        wanted = processor(images=image, return_tensors="pt")["pixel_values"]
        assert_close(prepared(preparation, [image]), wanted, rtol=0, atol=0)
    is_split = preparation.alone(PICTURES[0]).dtype == np.uint8
    assert is_split == (name in PROCESSORS)


def test_transforms_of_another_form_are_left_to_the_library():
    steps = [Resize((24, 24)), ToTensor(), Normalize(0.5, 0.5), RandomGrayscale(1)]
    for transform in (Compose(steps), timm_transform(normalize=False)):
        preparation = preparing.of_transform(transform)
        wanted = torch.stack([transform(image) for image in PICTURES])
        assert_close(prepared(preparation, PICTURES), wanted, rtol=0, atol=0)
