"""Two models compared on the same samples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Label
from twolayer.evaluation.figures import check_probabilities

_TINY = np.finfo(np.float64).tiny
_Z = 1.96  # standard errors on both sides, of an interval that holds the value in 95 of 100 cases


@dataclass(frozen=True)
class Comparison:
    """How two models differ on the same samples.

    Attributes
    ----------
    n_samples : int
    accuracy : tuple of two floats
    only_first, only_second : int
        Samples that the first, or the second, model alone gets right.
    p_value : float
        McNemar's exact test: how probable so uneven numbers are if both models are equally accurate.
    accuracy_gain, accuracy_gain_error : float
        Accuracy of the second minus that of the first, and half the width of its 95 % interval.
    log_loss : tuple of two floats
    log_loss_added, log_loss_added_error : float
        Log loss of the second minus that of the first, and half the width of its 95 % interval.
    """

    n_samples: int
    accuracy: tuple[float, float]
    only_first: int
    only_second: int
    p_value: float
    accuracy_gain: float
    accuracy_gain_error: float
    log_loss: tuple[float, float]
    log_loss_added: float
    log_loss_added_error: float

    @property
    def verdict(self) -> str:
        """What can be said, in a sentence."""
        if self.p_value < 0.05:
            better = "second" if self.accuracy_gain > 0 else "first"
            return f"The {better} model is more accurate (p = {self.p_value:.2g})."
        if abs(self.log_loss_added) > self.log_loss_added_error:
            better = "first" if self.log_loss_added > 0 else "second"
            return f"As accurate as far as these samples can tell; the {better} model has better probabilities."
        return "No difference that these samples could tell."


def compare(first: Any, second: Any, y: Any, classes: Sequence[Label]) -> Comparison:
    """Compare the probabilities of two models for the same samples.

    Parameters
    ----------
    first, second : arrays of shape (m, n_classes)
        As of `Model.predict_proba`.
    y : array of shape (m,)
        The true classes.
    classes : sequence of int or of str
        One for each column.

    Returns
    -------
    Comparison

    Raises
    ------
    DataError
        If there are no samples, or shapes or classes do not fit.

    Notes
    -----
    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12
    (1947). Of the samples that one model alone gets right, each is as likely the first's as the second's where both are
    equally accurate.
    """
    from scipy.stats import binomtest

    P1, codes = check_probabilities(first, y, classes)
    P2, _ = check_probabilities(second, y, classes)
    n, places = len(codes), np.arange(len(codes))
    right1, right2 = P1.argmax(axis=1) == codes, P2.argmax(axis=1) == codes
    losses = [-np.log(np.maximum(P[places, codes], _TINY)) for P in (P1, P2)]
    only1, only2 = int((right1 & ~right2).sum()), int((right2 & ~right1).sum())
    gain, added = right2.astype(float) - right1, losses[1] - losses[0]
    return Comparison(
        n_samples=n,
        accuracy=(float(right1.mean()), float(right2.mean())),
        only_first=only1,
        only_second=only2,
        p_value=float(binomtest(only1, only1 + only2).pvalue) if only1 + only2 else 1.0,
        accuracy_gain=float(gain.mean()),
        accuracy_gain_error=_Z * float(gain.std()) / math.sqrt(n),
        log_loss=(float(losses[0].mean()), float(losses[1].mean())),
        log_loss_added=float(added.mean()),
        log_loss_added_error=_Z * float(added.std()) / math.sqrt(n),
    )
