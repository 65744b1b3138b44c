"""Samples that a model finds hard, and those whose label is likely wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.evaluation.figures import check_probabilities

_ROUNDING = 1e-12  # of a mean of equal probabilities


def find_hardest(probabilities: Any, y: Any, classes: Sequence[Label], n: int = 10) -> Array:
    """Return the samples whose class a model finds least probable, the hardest first.

    Parameters
    ----------
    probabilities : array of shape (m, n_classes)
        As of `Model.predict_proba`.
    y : array of shape (m,)
        The true classes.
    classes : sequence of int or of str
        One for each column.
    n : int
        How many.

    Returns
    -------
    array of int of shape (n,)

    Raises
    ------
    DataError
        If there are no samples, or shapes or classes do not fit.
    """
    P, codes = check_probabilities(probabilities, y, classes)
    hardest: Array = np.argsort(P[np.arange(len(codes)), codes], kind="stable")[:n]
    return hardest


def find_mislabelled(probabilities: Any, y: Any, classes: Sequence[Label]) -> Array:
    """Return the samples whose label is likely wrong, the likeliest first, by confident learning.

    Parameters
    ----------
    probabilities : array of shape (m, n_classes)
        By models that were not trained on the sample in question: of held-out samples, or from
        `sklearn.model_selection.cross_val_predict(..., method="predict_proba")`.
    y : array of shape (m,)
        The labels, as they are.
    classes : sequence of int or of str
        One for each column.

    Returns
    -------
    array of int
        Rising by the probability of the label minus that of the likeliest other class.

    Raises
    ------
    DataError
        If there are no samples, or shapes or classes do not fit.

    Notes
    -----
    A sample counts as one of a class where its probability is at least the mean probability that samples with the
    label of that class get for it; it is likely mislabelled where that is the case for another class than its label's
    alone, or more so. Of such samples, as many are named for each pair of label and class as there are (C. Northcutt,
    L. Jiang, I. Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 70, 2021).
    """
    P, codes = check_probabilities(probabilities, y, classes)
    places = np.arange(len(codes))
    thresholds = np.array([P[codes == k, k].mean() if (codes == k).any() else np.inf for k in range(P.shape[1])])
    confident = np.where(thresholds - _ROUNDING <= P, P, -1.0)
    found = confident.argmax(axis=1)
    suspect = (confident.max(axis=1) >= 0) & (found != codes)
    others = P.copy()
    others[places, codes] = -1
    margin = P[places, codes] - others.max(axis=1)
    chosen = np.flatnonzero(suspect)
    likeliest: Array = chosen[np.argsort(margin[chosen], kind="stable")]
    return likeliest
