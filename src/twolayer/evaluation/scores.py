"""How good predictions are: errors, accuracy with its confidence interval, confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Scores:
    """How predictions compare with the true labels."""

    n_samples: int
    n_errors: int
    accuracy: float  # proportion of correct predictions
    interval: tuple[float, float]  # Wilson's score interval of the accuracy at 95 % confidence
    classes: tuple[Any, ...]  # order of the rows and columns of `confusion`
    confusion: Array  # rows are true classes, columns predicted ones


def score_predictions(y: Any, predictions: Any, classes: Sequence[Any]) -> Scores:
    """Compare predictions with the true labels, both of `classes`, which are in order."""
    from sklearn.metrics import confusion_matrix

    confusion = confusion_matrix(y, predictions, labels=list(classes))
    n_samples, n_correct = int(confusion.sum()), int(np.trace(confusion))
    interval = wilson_interval(n_correct, n_samples)
    return Scores(n_samples, n_samples - n_correct, n_correct / n_samples, interval, tuple(classes), confusion)


def wilson_interval(n_correct: int, n_samples: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion, k of n, accurate also near 0 and 1.

    (k + z^2/2 -+ z sqrt(k (n - k)/n + z^2/4)) / (n + z^2), with z the normal quantile at (1 + confidence)/2.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    from scipy.stats import binomtest

    interval = binomtest(n_correct, n_samples).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)
