"""The blackboard on the whole batch: the plain engine, to which every faster one is held."""

import numpy as np

from twolayer.engines.objective import Evaluation, Measure
from twolayer.equations import Array, Arrays, back_propagation, compute_cost, forward_propagation


class WholeBatch:
    """Cost and gradients by the formulas of `twolayer.equations`, all samples at once.

    Parameters
    ----------
    X : floating array of shape (n_x, m), of any Array-API library
    Y : floating array of shape (n_y, m) of the same type, values in [0, 1]
    """

    def __init__(self, X: Array, Y: Array) -> None:
        self.X, self.Y = X, Y
        self.n_samples: int = X.shape[1]
        self._right_class = _predicted_class(Y)

    def measure(self, parameters: Arrays) -> Measure:
        """Return the cost and the number of right predictions: one forward pass."""
        measure, _ = self._forward(parameters)
        return measure

    def evaluate(self, parameters: Arrays) -> Evaluation:
        """Return the cost, the number of right predictions and the gradients."""
        measure, cache = self._forward(parameters)
        with _range_overrun():
            grads = back_propagation(self.X, self.Y, parameters, cache)
        return Evaluation(measure.cost, measure.correct, grads)

    def _forward(self, parameters: Arrays) -> tuple[Measure, Arrays]:
        with _range_overrun():
            A2, cache = forward_propagation(self.X, parameters)
            cost = float(compute_cost(A2, self.Y))
        if not all(bool(A2.__array_namespace__().all(abs(p) < float("inf"))) for p in parameters.values()):
            cost = float("nan")  # the sigmoid can hide a weight that is out of range
        correct = int((_predicted_class(A2) == self._right_class).sum())
        return Measure(cost, correct), cache


def _predicted_class(A2: Array) -> Array:
    """Return the class of each sample: A2 > 0.5 with one output, else the index of the largest output."""
    return A2[0, :] > 0.5 if A2.shape[0] == 1 else A2.__array_namespace__().argmax(A2, axis=0)


def _range_overrun() -> np.errstate:
    """Let parameters that grow out of range give a cost that is not finite, without a warning: the loop ends then."""
    return np.errstate(over="ignore", invalid="ignore")
