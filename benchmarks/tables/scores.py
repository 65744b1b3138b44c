"""How good probabilities are: error, log loss, area under the curve and calibration error."""

import numpy as np
from sklearn.metrics import roc_auc_score

from twolayer.aliases import Array

_LEAST = 1e-7  # probability, so that one sample cannot decide the log loss of all
_BINS = 15


def score(probabilities: Array, codes: Array) -> dict[str, float]:
    """Return the figures of predicted probabilities.

    Parameters
    ----------
    probabilities : array of shape (m, n_classes)
    codes : integer array of shape (m,)
        The true classes, as columns of the probabilities.

    Returns
    -------
    dict
        In percent, except for the log loss: `error`; `logloss`, of probabilities of at least 1e-7; `auc`, for more than
        two classes the mean of each against the rest; `ece`, the calibration error: how far the probability of the
        predicted class is from the accuracy, averaged over 15 bins of that probability, weighted by their samples.

    Raises
    ------
    ValueError
        If a probability is not a number.
    """
    if not np.isfinite(probabilities).all():
        raise ValueError("it predicts probabilities that are not numbers")
    P = np.clip(np.asarray(probabilities, float), _LEAST, 1)
    P /= P.sum(axis=1, keepdims=True)
    correct, confidence = P.argmax(axis=1) == codes, P.max(axis=1)
    bins = np.digitize(confidence, np.linspace(0, 1, _BINS + 1)[1:-1])
    classes = [1] if P.shape[1] == 2 else [k for k in range(P.shape[1]) if (codes == k).any()]
    return {
        "error": 100 * float(1 - correct.mean()),
        "logloss": float(-np.log(P[np.arange(len(P)), codes]).mean()),
        "auc": 100 * float(np.mean([roc_auc_score(codes == k, P[:, k]) for k in classes])),
        "ece": 100 * float(np.abs(np.bincount(bins, confidence - correct)).sum() / len(P)),
    }
