"""One shard through a model, batch by batch: further images are read while the model works."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice, pairwise
from math import prod
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from dejavu.encoders.protocols import DualEncoder, PictureEncoder, Vectors
from dejavu.files.embeddings import write_embeddings
from dejavu.files.parquet import column_strings, read_parquet
from dejavu.job import Progress
from dejavu.samples.images import read_places
from dejavu.sources.images import open_available

Prepared = TypeVar("Prepared")
BATCHES_AHEAD = 2
# Fixed: which captions are sorted and batched together shows in the last bits of a vector.
CAPTIONS_A_CALL = 2**14
# On a CPU, images of 224 x 224 pixels that pass a model at a time: activations of more leave the
# caches. Of fewer, oneDNN computes convolutions in another order, which shows in the last bits.
IMAGES_A_PASS, VALUES_OF_IMAGE = 16, 3 * 224 * 224


def embed_images(
    places: Sequence[tuple[str, Mapping[str, int] | None]],
    prepare: Callable[[Image.Image], Prepared],
    encode: Callable[[Sequence[Prepared]], Vectors],
    batch: int,
    workers: int,
    progress: Progress,
) -> Vectors:
    """Embed images, or crops of them.

    Args:
        places: for each of n images its reference and, where a crop is meant, the rectangle.
        prepare: what is done to an image alone; threads do it, some batches ahead of the model.
        encode: what is done to a batch.
        batch: how many pass the model at a time.
        workers: threads that read, decode and prepare images.
        progress: of this shard.

    Returns:
        Float32 [n, d]; [0, 0] of no images.

    Raises:
        InputError: an image can no longer be read.
    """

    def ready(place: tuple[str, Mapping[str, int] | None]) -> Prepared:
        return prepare(open_available(*place))

    waiting = iter(places)
    vectors = []
    pool = ThreadPoolExecutor(workers)
    try:
        ahead = deque(pool.submit(ready, place) for place in islice(waiting, BATCHES_AHEAD * batch))
        while ahead:
            some = [ahead.popleft().result() for _ in range(min(batch, len(ahead)))]
            ahead.extend(pool.submit(ready, place) for place in islice(waiting, len(some)))
            vectors.append(encode(some))
            progress.advance(len(some))
    finally:
        pool.shutdown(cancel_futures=True)
    return np.concatenate(vectors) if vectors else np.empty((0, 0), dtype=np.float32)


def encoding(encoder: Any) -> Callable[[Sequence[Any]], Vectors]:
    """A model's `encode_images`, on a CPU in parts whose activations its caches hold.

    A batch of `IMAGES_A_PASS` or more has no part of fewer. Vectors depend on the parts in
    their last bits at most, and not at all on the processors that were tried.
    """
    if encoder.device.type != "cpu":
        whole: Callable[[Sequence[Any]], Vectors] = encoder.encode_images
        return whole

    def encode(prepared: Sequence[Any]) -> Vectors:
        parts = in_parts(prepared, prod(prepared[0].shape))
        return np.concatenate([encoder.encode_images(part) for part in parts])

    return encode


def in_parts(batch: Sequence[Prepared], values: int) -> list[Sequence[Prepared]]:
    """A batch of images of so many values each, cut evenly into as many parts as may be."""
    least = IMAGES_A_PASS * max(1, VALUES_OF_IMAGE // values)
    count = max(1, len(batch) // least)
    edges = [len(batch) * place // count for place in range(count + 1)]
    return [batch[start:end] for start, end in pairwise(edges)]


def embed_pictures(
    encoder: PictureEncoder, records_path: str, part: str, batch: int, workers: int, output: str
) -> None:
    """Embed the images of a shard, or the background crops that there are, and write them.

    Args:
        encoder: the model.
        records_path: the shard.
        part: `image` or `crop`.
        batch: how many pass the model at a time.
        workers: threads that read and prepare images.
        output: the file to appear.

    Raises:
        InputError: an image can no longer be read.
    """
    samples, places = read_places(records_path, part)
    progress = Progress(f"embedding with {encoder.facts['model']}", len(samples), f"{part}s")
    prepare = partial(encoder.prepare_image, part=part)
    vectors = embed_images(places, prepare, encoding(encoder), batch, workers, progress)
    facts = {**encoder.facts, "input": part}
    write_embeddings(output, samples, vectors.reshape(-1, encoder.dimension), facts)


def embed_texts(
    texts: Sequence[str], encode: Callable[[Sequence[str]], Vectors], most: int, progress: Progress
) -> Vectors:
    """Embed texts, `most` a call: float32 [n, d]."""
    vectors = []
    for start in range(0, max(1, len(texts)), most):
        vectors.append(encode(texts[start : start + most]))
        progress.advance(len(texts[start : start + most]))
    return np.concatenate(vectors)


def embed_records(
    encoder: DualEncoder, records_path: str, column: str, batch: int, workers: int, output: str
) -> None:
    """Embed the images or captions of a shard and write them with their provenance.

    Args:
        encoder: the model.
        records_path: the shard.
        column: `image` or `caption`.
        batch: how many pass the model at a time.
        workers: threads that read and prepare images.
        output: the file to appear.

    Raises:
        InputError: an image can no longer be read.
    """
    records = read_parquet(records_path, ["sample", column])
    progress = Progress(f"embedding with {encoder.facts['model']}", len(records), f"{column}s")
    values = column_strings(records, column)
    if column == "image":
        places = [(value, None) for value in values]
        prepare, encode = encoder.prepare_image, encoding(encoder)
        vectors = embed_images(places, prepare, encode, batch, workers, progress)
    else:
        vectors = embed_texts(values, encoder.encode_texts, batch, progress)
    facts = {**encoder.facts, "input": column}
    write_embeddings(output, records["sample"].to_numpy(), vectors, facts)
