"""One shard of samples through a model of images and captions, batch by batch."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dejavu import tables
from dejavu.job import Progress
from dejavu.sources.images import open_available


class DualEncoder(Protocol):
    """A model that embeds images and captions: float32 [n, d], rows of length 1."""

    facts: dict[str, Any]

    def encode_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Embed RGB images."""

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed captions."""


def embed_records(
    encoder: DualEncoder, records_path: str, column: str, batch: int, output: str
) -> None:
    """Embed the images or captions of a shard and write them with their provenance.

    Args:
        encoder: the model.
        records_path: the shard.
        column: `image` or `caption`.
        batch: how many pass the model at a time.
        output: the file to appear.

    Raises:
        InputError: an image can no longer be read.
    """
    records = tables.read_parquet(records_path, ["sample", column])
    progress = Progress(f"embedding with {encoder.facts['model']}", len(records), f"{column}s")
    vectors = []
    for part in records.to_batches(max_chunksize=batch):
        values = part.column(column).to_pylist()
        vectors.append(
            encoder.encode_images([open_available(value) for value in values])
            if column == "image"
            else encoder.encode_texts(values)
        )
        progress.advance(len(values))
    facts = {**encoder.facts, "input": column}
    tables.write_embeddings(output, records["sample"].to_numpy(), np.concatenate(vectors), facts)
