"""Captions of one image: they are no independent samples."""

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from dejavu.files.parquet import column_strings
from dejavu.samples.texts import image_ids


def image_ids_of(samples: pa.Table, captions: str) -> pl.Series:
    """The image's id of each sample; samples of one image stand one after the other."""
    ids = pl.DataFrame({"id": column_strings(samples, "id")})
    return ids.select(image_ids(pl.col("id"), captions))["id"]


def clusters_of(images: pl.Series) -> NDArray[np.int64]:
    """Number of each sample's image, from 0, int64 [n]."""
    return images.rle_id().to_numpy().astype(np.int64)
