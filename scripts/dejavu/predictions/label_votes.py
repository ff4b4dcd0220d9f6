"""What a predictor says of each crop: its best classes, and how sure it is.

Source: method.md, image models.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

TOP = 5
NONE = -1


@dataclass(frozen=True)
class Predictions:
    """A predictor's answers on n crops.

    Attributes:
        top: class codes int64 [n, 5], best first; `NONE` where fewer classes were voted for.
        confidence: how sure the predictor is, by which its most confident crops are chosen: of
            votes minus their entropy, of probabilities the highest, float64 [n].
        entropy: of votes or probabilities (natural log), which compares predictors, float64 [n].
        tiebreak: orders crops of equal confidence, higher first, float64 [n].
    """

    top: NDArray[np.int64]
    confidence: NDArray[np.float64]
    entropy: NDArray[np.float64]
    tiebreak: NDArray[np.float64]

    @property
    def first(self) -> NDArray[np.int64]:
        """The predicted class of each crop, int64 [n]."""
        return self.top[:, 0]


def from_votes(labels: NDArray[np.integer], distances: NDArray[np.floating]) -> Predictions:
    """Let the k nearest neighbours vote.

    Classes are ranked by votes, then by the rank of their nearest voter; the tiebreak is minus the
    mean distance.

    Args:
        labels: class codes of the neighbours, nearest first, int [n, k].
        distances: of the neighbours, float [n, k].
    """
    crops, neighbors = labels.shape
    classes = int(labels.max(initial=0)) + 1
    keys = np.arange(crops)[:, None] * classes + labels
    # The first of equal keys in row-major order is the class's nearest voter.
    voted, first_voter, votes = np.unique(keys.ravel(), return_index=True, return_counts=True)
    crop, label = np.divmod(voted, classes)
    fraction = votes / neighbors
    entropy = np.bincount(crop, weights=-xlogy(fraction, fraction), minlength=crops)
    order = np.lexsort((first_voter, -votes, crop))
    place = np.arange(len(order)) - np.searchsorted(crop, crop)[order]
    top = np.full((crops, TOP), NONE, dtype=np.int64)
    best = place < TOP
    top[crop[order][best], place[best]] = label[order][best]
    tiebreak = -distances.mean(axis=1, dtype=np.float64)
    exact: NDArray[np.float64] = entropy.astype(np.float64)
    return Predictions(top, 0.0 - exact, exact, tiebreak)


def from_probabilities(probabilities: NDArray[np.floating]) -> Predictions:
    """Rank classes by probability, float [n, classes]; ties by class order.

    The tiebreak is minus the entropy.
    """
    exact = probabilities.astype(np.float64)
    order = np.argsort(-exact, axis=1, kind="stable")[:, :TOP]
    top = np.full((len(exact), TOP), NONE, dtype=np.int64)
    top[:, : order.shape[1]] = order
    negative = xlogy(exact, exact).sum(axis=1)
    return Predictions(top, exact.max(axis=1), 0.0 - negative, negative)
