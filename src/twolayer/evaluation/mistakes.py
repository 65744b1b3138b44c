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
    label of that class get for it, and of the likeliest such class where there are several. It is named if that is
    another class than its label's; so are, for each label and class, the samples that lean most from the one to the
    other, as many as the counts say are mislabelled so (C. Northcutt, L. Jiang, I. Chuang, "Confident learning:
    estimating uncertainty in dataset labels", JAIR 70, 2021).
    """
    P, codes = check_probabilities(probabilities, y, classes)
    places = np.arange(len(codes))
    thresholds = np.array([P[codes == k, k].mean() if (codes == k).any() else np.inf for k in range(P.shape[1])])
    confident = np.where(thresholds - _ROUNDING <= P, P, -1.0)
    found = confident.argmax(axis=1)
    counts = confident.max(axis=1) >= 0
    suspect = counts & (found != codes)
    pairs = np.zeros((P.shape[1], P.shape[1]))
    np.add.at(pairs, (codes[counts], found[counts]), 1)
    for label, total in enumerate(np.bincount(codes, minlength=P.shape[1])):
        here = np.flatnonzero(codes == label)
        of_label = _round_to(pairs[label] * (total / max(1.0, pairs[label].sum())), total)
        for other in np.flatnonzero(of_label):
            if other != label:
                lean = P[here, other] - P[here, label]
                suspect[here[np.argsort(-lean, kind="stable")[: of_label[other]]]] = True
    others = P.copy()
    others[places, codes] = -1
    margin = P[places, codes] - others.max(axis=1)
    chosen = np.flatnonzero(suspect)
    likeliest: Array = chosen[np.argsort(margin[chosen], kind="stable")]
    return likeliest


def _round_to(numbers: Array, total: int) -> Array:
    """Return whole numbers near to others that add up to a total: what is missing goes to the largest remainders."""
    whole = np.floor(numbers).astype(int)
    missing = max(0, min(int(total - whole.sum()), len(whole)))
    whole[np.argsort(whole - numbers, kind="stable")[:missing]] += 1
    return whole
