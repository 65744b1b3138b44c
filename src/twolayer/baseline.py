"""The baseline that a network with hidden units has to beat: a logistic regression, trained in milliseconds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.engines.objective import Evaluation
from twolayer.equations import softmax
from twolayer.parameters import Parameters, Sizes
from twolayer.solvers.lbfgs import LBFGS
from twolayer.training.loop import Training, drive

_PENALTY = 1e-3
_ITERATIONS = 50
_TOLERANCE = 1e-4


class _Logistic:
    """The log loss of softmax outputs Z = W1 X + b1, with a penalty; what else parameters have is left as it is."""

    engine = "a logistic regression"
    blocks: tuple[int, ...]

    def __init__(self, X: Array, codes: Array, weight: Array) -> None:
        self._X, self._codes, self._mass = X, codes, weight / weight.sum()
        self.n_samples, self.blocks = len(codes), (len(codes),)

    def evaluate(self, networks: Sequence[Parameters], *, gradient: bool, **_: Any) -> list[Evaluation]:
        """Return cost and gradient of one regression."""
        (network,) = networks
        P = probabilities(network, self._X)
        chosen = np.arange(self.n_samples), self._codes
        loss = -float(self._mass @ np.log(np.maximum(P[chosen], np.finfo(P.dtype).tiny)))
        cost = loss + _PENALTY / 2 * float((network["W1"] ** 2).sum())
        correct = int((P.argmax(axis=1) == self._codes).sum())
        if not gradient:
            return [Evaluation(cost, correct)]
        P[chosen] -= 1
        P *= self._mass[:, None]
        slope = np.zeros_like(network.vector)
        parts = network.sizes.split(slope)
        parts["W1"] += P.T @ self._X + _PENALTY * network["W1"]
        parts["b1"] += P.sum(axis=0)[:, None]
        return [Evaluation(cost, correct, slope)]

    def descend(self, *_: Any) -> Any:
        """Have no way of its own for mini-batches."""
        return NotImplemented


def train_logistic(X: Array, codes: Array, n_classes: int, weight: Array | None = None) -> Parameters:
    """Train a logistic regression.

    Parameters
    ----------
    X : array of shape (m, n_inputs), of floats
    codes : array of int of shape (m,)
        The place of each sample's class.
    n_classes : int
    weight : array of shape (m,), optional

    Returns
    -------
    parameters : Parameters
        Of which `probabilities` takes W1 and b1.
    """
    objective = _Logistic(X, codes, np.ones(len(codes), X.dtype) if weight is None else weight.astype(X.dtype))
    sizes = Sizes(X.shape[1], n_classes, 1)
    start = Parameters(np.zeros(sizes.n_parameters, X.dtype), sizes)
    training = Training(objective, LBFGS(), start, _ITERATIONS, _TOLERANCE, None, None, None, ())
    (result,) = drive([training])
    return result.parameters


def probabilities(regression: Parameters, X: Array) -> Array:
    """Return the probability of each class, a row a sample."""
    found: Array = softmax(regression["W1"] @ X.T + regression["b1"]).T
    return found
