"""Gradient descent: with a fixed step, with one that it finds, and with momentum."""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.engines.objective import Evaluation, range_overrun
from twolayer.parameters import Parameters
from twolayer.solvers.solver import Moved, Trial, check_vector, dot


@dataclass(frozen=True)
class NoState:
    """What a solver remembers that remembers nothing."""


@dataclass(frozen=True)
class StepSize:
    """The step that is tried next; 0 before the first."""

    rate: float


@dataclass(frozen=True)
class Velocity:
    """How the parameters move, in their own type."""

    velocity: Array


class GradientDescent:
    """Gradient descent with a fixed step: p <- p - learning_rate * dp, the assignment's own iteration."""

    needs_gradient = True

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate

    def begin(self, start: Parameters) -> NoState:  # noqa: ARG002
        """Remember nothing."""
        return NoState()

    def check(self, state: NoState, start: Parameters) -> None:
        """Nothing can be wrong."""

    def step(self, state: NoState, parameters: Parameters, evaluation: Evaluation, blocks: Any) -> Moved:  # noqa: ARG002
        """Move against the gradient."""
        with range_overrun():  # the loop sees a cost that is not finite, and ends
            return Moved(parameters.moved_to(parameters.vector - self.learning_rate * evaluation.gradient), state)


class AutomaticDescent:
    """Gradient descent that finds its step: the cost never rises.

    A step t is taken where the cost falls by at least `_DECREASE` t |g|^2 (Armijo, 1966); else it is made shorter by
    the parabola through what is known, and tried again. The next first try is the shorter step of Barzilai and Borwein
    (1988), s.y / y.y, where that is positive, else twice the last one.
    """

    needs_gradient = True

    _DECREASE = 1e-4
    _MOST_TRIALS = 40

    def begin(self, start: Parameters) -> StepSize:  # noqa: ARG002
        """Return that no step is known."""
        return StepSize(0.0)

    def check(self, state: StepSize, start: Parameters) -> None:  # noqa: ARG002
        """Check that the step is one."""
        if not 0 <= state.rate < math.inf:
            raise ValueError("its solver's step is not a number of at least 0")

    def step(
        self,
        state: StepSize,
        parameters: Parameters,
        evaluation: Evaluation,
        blocks: Any,  # noqa: ARG002
    ) -> Generator[Trial, Evaluation, Moved | None]:
        """Move against the gradient, as far as the cost falls well."""
        g = np.asarray(evaluation.gradient, float)
        square = dot(g, g)
        if not square:
            return None
        rate = state.rate or 1 / math.sqrt(square)
        for _ in range(self._MOST_TRIALS):
            with range_overrun():
                trial = parameters.moved_to(parameters.vector - rate * evaluation.gradient)
            there = yield Trial(trial)
            if there.cost <= evaluation.cost - self._DECREASE * rate * square:
                y = np.asarray(there.gradient, float) - g
                s = trial.vector.astype(float) - parameters.vector.astype(float)
                curvature = dot(s, y)
                return Moved(trial, StepSize(curvature / dot(y, y) if curvature > 0 else 2 * rate), there)
            rate = _shorter(rate, evaluation.cost, -square, there.cost)
        return None


class Momentum:
    """Gradient descent with Nesterov's momentum (1983), in the form that evaluates where it looks ahead.

    v <- momentum v - learning_rate dp;   p <- p + momentum v - learning_rate dp
    """

    needs_gradient = True

    def __init__(self, learning_rate: float, momentum: float = 0.9) -> None:
        self.learning_rate, self.momentum = learning_rate, momentum

    def begin(self, start: Parameters) -> Velocity:
        """Return that nothing moves."""
        return Velocity(np.zeros_like(start.vector))

    def check(self, state: Velocity, start: Parameters) -> None:
        """Check that the velocity belongs to the parameters."""
        check_vector(state.velocity, start, start.dtype)

    def step(self, state: Velocity, parameters: Parameters, evaluation: Evaluation, blocks: Any) -> Moved:  # noqa: ARG002
        """Keep moving, turned by the gradient."""
        with range_overrun():
            push = self.learning_rate * evaluation.gradient
            velocity = self.momentum * state.velocity - push
            return Moved(parameters.moved_to(parameters.vector + self.momentum * velocity - push), Velocity(velocity))


def _shorter(t: float, cost: float, slope: float, cost_at_t: float) -> float:
    """Return a shorter step: the lowest point of the parabola through both costs, from a tenth to a half of t."""
    rise = cost_at_t - cost - slope * t
    lowest = -slope * t * t / (2 * rise) if rise > 0 and math.isfinite(rise) else 0.1 * t
    return min(max(lowest, 0.1 * t), 0.5 * t)
