"""How parameters move. A solver makes one step from one evaluation and knows nothing of data.

A new solver is one class and one line in `SOLVERS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from twolayer.engines.objective import Evaluation
from twolayer.equations import Arrays, update_parameters
from twolayer.errors import SettingError

Evaluate = Callable[[Arrays], Evaluation]


class Solver(Protocol):
    """One step at a time from the parameters at hand to better ones."""

    def step(
        self,
        evaluate: Evaluate,
        parameters: Arrays,
        evaluation: Evaluation,
    ) -> tuple[Arrays, Evaluation | None]:
        """Return the next parameters and, where the step came to know it, the evaluation there.

        Parameters
        ----------
        evaluate : callable
            The objective: parameters in, evaluation out.
        parameters : dict
            Where the solver stands.
        evaluation : Evaluation
            The evaluation at `parameters`.
        """


@dataclass(frozen=True)
class GradientDescent:
    """Gradient descent with a fixed step: p <- p - learning_rate * dp, the assignment's own iteration.

    Parameters
    ----------
    learning_rate : float
        The step, finite and greater than 0.

    Raises
    ------
    SettingError
        If it is not.
    """

    learning_rate: float

    def __post_init__(self) -> None:
        """Check the step."""
        if not 0 < self.learning_rate < float("inf"):
            raise SettingError(f"The learning rate must be a number greater than 0; got {self.learning_rate}.")

    def step(
        self,
        evaluate: Evaluate,  # noqa: ARG002 - part of the contract: this solver needs no further evaluation
        parameters: Arrays,
        evaluation: Evaluation,
    ) -> tuple[Arrays, Evaluation | None]:
        """Move against the gradient."""
        with np.errstate(over="ignore", invalid="ignore"):  # the loop sees a cost that is not finite, and ends
            return update_parameters(parameters, evaluation.grads, self.learning_rate), None


SOLVERS: dict[str, Callable[[float], Solver]] = {"gd": GradientDescent}
