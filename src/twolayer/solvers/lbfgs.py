"""Limited-memory BFGS with a line search."""

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from twolayer.aliases import Array
from twolayer.engines.objective import Evaluation, range_overrun
from twolayer.parameters import Parameters
from twolayer.solvers.solver import Moved, Trial, check_vector, dot

_LEAST_CURVATURE = 1e-300  # of a pair, which is divided by


@dataclass(frozen=True)
class Memory:
    """The last steps and the changes of the gradient along them, in float64."""

    steps: tuple[Array, ...] = ()
    changes: tuple[Array, ...] = ()


class LBFGS:
    """Limited-memory BFGS: steps that know the curvature from the last `memory` steps and changes of the gradient.

    The direction is the two-loop recursion of Nocedal (1980); the step along it satisfies the strong Wolfe conditions,
    found by bracketing and cubic interpolation (Nocedal and Wright, Numerical Optimization, 2006, algorithms 3.5, 3.6
    and 7.4). Where rounding leaves no such step, the lowest point found is taken.
    """

    needs_gradient = True

    _DECREASE, _CURVATURE = 1e-4, 0.9
    _MOST_TRIALS = 25

    def __init__(self, memory: int = 10) -> None:
        self.memory = memory

    def begin(self, start: Parameters) -> Memory:  # noqa: ARG002
        """Remember no pairs."""
        return Memory()

    def check(self, state: Memory, start: Parameters) -> None:
        """Check that each pair belongs to the parameters and has a curvature that can be divided by."""
        if len(state.steps) != len(state.changes) or len(state.steps) > self.memory:
            raise ValueError("its solver's steps and changes do not form pairs")
        for s, y in zip(state.steps, state.changes, strict=True):
            check_vector(s, start, np.float64)
            check_vector(y, start, np.float64)
            if not (np.isfinite(s).all() and np.isfinite(y).all() and _LEAST_CURVATURE < dot(s, y) < math.inf):
                raise ValueError("its solver's pairs have no curvature")

    def step(
        self, state: Memory, parameters: Parameters, evaluation: Evaluation, blocks: tuple[int, ...]
    ) -> Generator[Trial, Evaluation, Moved | None]:
        """Go along the direction to a point that satisfies the strong Wolfe conditions."""
        g = np.asarray(evaluation.gradient, float)
        with range_overrun():
            direction = -_apply_inverse_curvature(state, g)
            slope = dot(g, direction)
        if not slope < 0:  # the memory has gone bad by rounding: begin anew
            state, direction, slope = Memory(), -g, -dot(g, g)
        if not slope or not math.isfinite(slope):
            return None
        first = 1.0 if state.steps else min(1.0, 1 / math.sqrt(-slope))
        found = yield from self._search(parameters, evaluation, direction, slope, first)
        if found is None:
            return (yield from self.step(Memory(), parameters, evaluation, blocks)) if state.steps else None
        moved, there = found
        s, y = moved.vector.astype(float) - parameters.vector.astype(float), np.asarray(there.gradient, float) - g
        if dot(s, y) > np.finfo(float).eps * dot(y, y):
            state = Memory((*state.steps, s)[-self.memory :], (*state.changes, y)[-self.memory :])
        return Moved(moved, state, there)

    def _search(
        self, parameters: Parameters, evaluation: Evaluation, direction: Array, slope: float, first: float
    ) -> Generator[Trial, Evaluation, tuple[Parameters, Evaluation] | None]:
        """Return a point along the direction that satisfies the strong Wolfe conditions, or the lowest one found.

        `low` is the best step known and `high` the other end of the bracket, once there is one: (step, cost, slope).
        """
        start = parameters.vector.astype(float)
        low = (0.0, evaluation.cost, slope)
        high: tuple[float, float, float] | None = None
        best: tuple[Parameters, Evaluation] | None = None
        t = first
        for _ in range(self._MOST_TRIALS):
            with range_overrun():
                trial = parameters.moved_to(start + t * direction)
            there = yield Trial(trial)
            with range_overrun():
                point = (t, there.cost, dot(np.asarray(there.gradient, float), direction))
            enough = there.cost <= evaluation.cost + self._DECREASE * t * slope
            if not (enough and there.cost < low[1]):  # also where the cost is not a number
                high = point
            else:
                best = trial, there
                if abs(point[2]) <= -self._CURVATURE * slope:
                    return best
                if point[2] * ((math.inf if high is None else high[0]) - low[0]) >= 0:
                    high = low
                low = point
            t = 2 * t if high is None else _between(low, high)
            if high is not None and abs(high[0] - low[0]) <= np.finfo(float).eps * max(low[0], high[0]):
                break
        return best


def _apply_inverse_curvature(memory: Memory, g: Array) -> Array:
    """Return H g, where H is the inverse of the curvature as the memory knows it: the two loops."""
    q = g.copy()
    pairs = [(s, y, 1 / dot(s, y)) for s, y in zip(memory.steps, memory.changes, strict=True)]
    weights = []
    for s, y, rho in reversed(pairs):
        weights.append(rho * dot(s, q))
        q -= weights[-1] * y
    if pairs:
        s, y, rho = pairs[-1]
        q /= rho * dot(y, y)
    for (s, y, rho), weight in zip(pairs, reversed(weights), strict=True):
        q += (weight - rho * dot(y, q)) * s
    return q


def _between(low: tuple[float, float, float], high: tuple[float, float, float]) -> float:
    """Return a step inside the bracket: the lowest point of the cubic through both ends, or the middle near an end."""
    (a, cost_a, slope_a), (b, cost_b, slope_b) = low, high
    middle = (a + b) / 2
    if not (math.isfinite(cost_b) and math.isfinite(slope_b)):
        return a + (b - a) / 10
    d1 = slope_a + slope_b - 3 * (cost_a - cost_b) / (a - b)
    square = d1 * d1 - slope_a * slope_b
    if square < 0:
        return middle
    d2 = math.copysign(math.sqrt(square), b - a)
    if slope_b - slope_a + 2 * d2 == 0:
        return middle
    t = b - (b - a) * (slope_b + d2 - d1) / (slope_b - slope_a + 2 * d2)
    margin = 0.1 * abs(b - a)
    return t if min(a, b) + margin <= t <= max(a, b) - margin else middle
