"""Naive Bayes from the tags of a background crop to its label.

Source: method.md, image models, `naive_bayes@m`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.naive_bayes import MultinomialNB

TAGS = pl.List(pl.Struct({"tag": pl.String, "score": pl.Float32}))


@dataclass(frozen=True)
class TagNaiveBayes:
    """A fitted predictor: make it with `fit`."""

    tags_per_crop: int
    vocabulary: pl.Series
    model: MultinomialNB

    @property
    def classes(self) -> list[str]:
        """The labels of the fitting set, sorted: the posterior's columns."""
        return self.model.classes_.tolist()

    def posterior(self, tags: pl.Series) -> NDArray[np.float64]:
        """Give P(label | tags), float64 [crops, classes].

        Tags that were not seen in fitting are ignored; a crop without any other gets the prior.
        """
        chosen = highest_scored(tags, self.tags_per_crop)
        return self.model.predict_proba(_features(chosen, self.vocabulary, len(tags)))


def fit(tags: pl.Series, labels: Sequence[str], tags_per_crop: int) -> TagNaiveBayes:
    """Fit `MultinomialNB(alpha=1)` on binary features, with its empirical prior.

    Args:
        tags: of each crop, `TAGS`; null is no tags.
        labels: of each crop.
        tags_per_crop: only so many of a crop's tags count, here and in prediction.
    """
    chosen = highest_scored(tags, tags_per_crop)
    vocabulary = chosen["tag"].unique().sort()
    model = MultinomialNB(alpha=1.0)
    model.fit(_features(chosen, vocabulary, len(tags)), np.asarray(labels, dtype=str))
    return TagNaiveBayes(tags_per_crop, vocabulary, model)


def highest_scored(tags: pl.Series, tags_per_crop: int) -> pl.DataFrame:
    """Choose each crop's highest-scored tags, ties by name; a tag given twice counts once.

    Returns:
        One row a chosen tag: `crop`, the position in `tags`, and `tag`.
    """
    crops = pl.DataFrame({"tags": tags.cast(TAGS)}).with_row_index("crop")
    return (
        crops.explode("tags", empty_as_null=False, keep_nulls=False)
        .unnest("tags")
        .group_by("crop", "tag")
        .agg(pl.col("score").max())
        .sort("crop", "score", "tag", descending=[False, True, False])
        .filter(pl.int_range(pl.len()).over("crop") < tags_per_crop)
        .select("crop", "tag")
    )


def _features(chosen: pl.DataFrame, vocabulary: pl.Series, crops: int) -> csr_array:
    columns = pl.DataFrame({"tag": vocabulary}).with_row_index("column")
    ones = chosen.join(columns, on="tag", how="inner")
    # scikit-learn refuses to fit zero features; one that is never set leaves the prior alone.
    shape = crops, max(len(vocabulary), 1)
    places = ones["crop"].to_numpy(), ones["column"].to_numpy()
    return csr_array((np.ones(len(ones)), places), shape=shape)
