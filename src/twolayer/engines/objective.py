"""The objective, the one idea between data and steps: parameters in, cost and gradients out.

An engine makes an objective from data and knows nothing of steps; a solver makes steps and knows nothing of data.
A new engine is one file and one line in `ENGINES`.
"""

import importlib
from dataclasses import dataclass
from typing import Protocol

from twolayer.equations import Array, Arrays
from twolayer.errors import SettingError

ENGINES = {"whole": "twolayer.engines.whole:WholeBatch"}


@dataclass(frozen=True)
class Measure:
    """What a forward pass over all samples tells.

    Attributes
    ----------
    cost : float
        Mean square loss; not finite where the parameters have grown out of range.
    correct : int
        Number of samples whose predicted class is theirs.
    """

    cost: float
    correct: int


@dataclass(frozen=True)
class Evaluation(Measure):
    """A measure together with the gradient at the same parameters.

    Attributes
    ----------
    grads : dict
        dW1, db1, dW2, db2.
    """

    grads: Arrays

    def largest_slope(self) -> float:
        """Return the largest absolute entry of the gradient."""
        return max(float(abs(grad).max()) for grad in self.grads.values())


class Objective(Protocol):
    """Cost and gradients over all samples of one set of data."""

    n_samples: int

    def measure(self, parameters: Arrays) -> Measure:
        """Return the cost and the number of right predictions: one forward pass."""

    def evaluate(self, parameters: Arrays) -> Evaluation:
        """Return the cost, the number of right predictions and the gradients: one forward and one backward pass."""


def make_objective(X: Array, Y: Array, engine: str = "auto") -> Objective:
    """Make the objective of the samples X, Y.

    Parameters
    ----------
    X : floating array of shape (n_x, m)
    Y : floating array of shape (n_y, m), values in [0, 1]
    engine : str
        "whole", or "auto" for the engine that suits the work: "whole", as long as it is the only one.

    Returns
    -------
    Objective

    Raises
    ------
    SettingError
        If there is no such engine.
    """
    name = "whole" if engine == "auto" else engine
    if name not in ENGINES:
        raise SettingError(f"There is no engine {engine!r}: choose auto or one of {', '.join(ENGINES)}.")
    module, _, factory = ENGINES[name].partition(":")
    objective: Objective = getattr(importlib.import_module(module), factory)(X, Y)
    return objective
