"""Logistic regression on embeddings, as the blind baseline and linear probes fit it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
FOLDS = 3
ITERATIONS = 500


def fit(features: NDArray[Any], labels: NDArray[Any]) -> Pipeline:
    """Fit standardised features [n, d] to labels [n], binary or not.

    The inverse strength of the L2 penalty is that of the grid whose log loss is the lowest over
    three stratified folds; the folds follow the order of the rows, which must be random.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS))
    fewest = int(np.unique(labels, return_counts=True)[1].min())
    if fewest < FOLDS:
        return model.fit(features, labels)
    search = GridSearchCV(
        model,
        {"logisticregression__C": STRENGTHS},
        scoring="neg_log_loss",
        cv=StratifiedKFold(FOLDS),
        error_score="raise",
    )
    return search.fit(features, labels).best_estimator_
