"""Zero-shot classification: the classes of samples, and the vectors that stand for classes."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

NONE = -1


def true_classes(objects: pl.Series, classes: Mapping[str, Sequence[str]]) -> NDArray[np.int64]:
    """The place of each sample's class, int64 [n], or -1.

    A sample is of a class if it has a label of that class and of no other.

    Args:
        objects: labels of each sample, a series of lists.
        classes: by name, in order, the labels that make a sample one of the class.
    """
    pairs = [(label, place) for place, labels in enumerate(classes.values()) for label in labels]
    known = pl.DataFrame(pairs, schema={"label": pl.String, "place": pl.Int64}, orient="row")
    found = (
        pl.DataFrame({"row": np.arange(len(objects)), "label": objects})
        .explode("label")
        .join(known, on="label")
        .group_by("row")
        .agg(place=pl.col("place").first(), different=pl.col("place").n_unique())
        .filter(pl.col("different") == 1)
    )
    places = np.full(len(objects), NONE, dtype=np.int64)
    places[found["row"].to_numpy()] = found["place"].to_numpy()
    return places


def class_vectors(
    encode: Callable[[Sequence[str]], NDArray[np.float32]],
    names: Sequence[str],
    templates: Sequence[str],
) -> NDArray[np.float64]:
    """Unit vectors [classes, d]: of each class the mean over its prompts (Radford et al. 2021).

    Args:
        encode: from texts to unit vectors.
        names: of the classes.
        templates: texts in which `{}` stands for the name.
    """
    means = np.stack(
        [
            encode([template.replace("{}", name) for template in templates])
            .astype(np.float64)
            .mean(axis=0)
            for name in names
        ]
    )
    return means / np.linalg.norm(means, axis=1, keepdims=True)
