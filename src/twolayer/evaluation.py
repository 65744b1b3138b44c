"""Figures about predictions, each share with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Scores:
    """How predictions compare with the true labels.

    Attributes
    ----------
    n_samples, n_errors : int
    accuracy : float
        Share of right predictions.
    interval : (float, float)
        Wilson's interval of the accuracy at 95 % confidence.
    classes : tuple
        Order of the rows and columns below.
    confusion : integer array of shape (n_classes, n_classes)
        Rows are the true classes, columns the predicted ones.
    """

    n_samples: int
    n_errors: int
    accuracy: float
    interval: tuple[float, float]
    classes: tuple[Any, ...]
    confusion: np.ndarray[Any, Any]


def score_predictions(y: Any, predictions: Any, classes: Sequence[Any]) -> Scores:
    """Compare predictions with the true labels.

    Parameters
    ----------
    y, predictions : arrays of shape (m,), m >= 1, entries from `classes`
    classes : the labels, in order

    Returns
    -------
    Scores
    """
    from sklearn.metrics import confusion_matrix

    confusion = confusion_matrix(y, predictions, labels=list(classes))
    n_samples, n_right = int(confusion.sum()), int(np.trace(confusion))
    interval = wilson_interval(n_right, n_samples)
    return Scores(n_samples, n_samples - n_right, n_right / n_samples, interval, tuple(classes), confusion)


def wilson_interval(n_right: int, n_samples: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of a share: Wilson's score interval, good also at 0 and 1.

    (k + z^2/2 -+ z sqrt(k (n - k)/n + z^2/4)) / (n + z^2), with z the normal quantile of (1 + confidence)/2.

    Parameters
    ----------
    n_right, n_samples : int
        k of n, 0 <= k <= n, n >= 1.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    (low, high) : tuple of float

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    from scipy.stats import binomtest

    interval = binomtest(n_right, n_samples).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)
