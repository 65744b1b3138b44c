"""How parameters move. A solver makes steps, asks for evaluations on the way, and knows nothing of data.

A step is a generator: it yields a `Trial`, is sent the evaluation there, and returns where it went. So one loop can
drive one solver, or many side by side. What a solver remembers from step to step is its state: `get_state` gives it,
and a solver of the same settings that takes it by `set_state` goes on as if it had never stopped, bit by bit.

A new solver is one class and one line in `make_solver`.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from twolayer.engines.objective import Evaluation, range_overrun
from twolayer.equations import Arrays, update_parameters
from twolayer.errors import SettingError

AUTO = "auto"
_SPECK = 2.0**30  # times the smallest number of full precision: 1e-29 in float32
_NAMES = ("W1", "b1", "W2", "b2")

Vector = np.ndarray[Any, np.dtype[np.float64]]
State = dict[str, Any]
Blocks = tuple[int, ...]


@dataclass(frozen=True)
class Trial:
    """Parameters at which a solver asks for an evaluation.

    Attributes
    ----------
    parameters : dict
    rows : array of int, optional
        Of these samples only, a mini-batch; of all of them when None.
    """

    parameters: Arrays
    rows: np.ndarray[Any, Any] | None = None


Step = Generator[Trial, Evaluation, tuple[Arrays, Evaluation | None] | None]


class Solver(Protocol):
    """One step at a time from the parameters at hand to better ones.

    Attributes
    ----------
    needs_gradient : bool
        Whether a step begins from the gradient over all samples.
    """

    needs_gradient: bool

    def step(self, parameters: Arrays, evaluation: Evaluation | None, blocks: Blocks) -> Step:
        """Make one step.

        Parameters
        ----------
        parameters : dict
            Where the solver stands.
        evaluation : Evaluation
            The evaluation at `parameters`; None for a solver that does not need it.
        blocks : tuple of int
            Numbers of samples that are at hand together, for those that draw mini-batches: each is of one block.

        Yields
        ------
        Trial
            To be answered with an evaluation.

        Returns
        -------
        (dict, Evaluation or None), or None
            The next parameters and, where the step came to know it, the evaluation there; None if no step lowers the
            cost any further.
        """

    def get_state(self) -> State:
        """Return what the solver remembers: numbers, arrays, and lists and dicts of them."""

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` gave."""


class _Stateless:
    """A solver that remembers nothing."""

    needs_gradient = True

    def get_state(self) -> State:
        """Return what the solver remembers: nothing."""
        return {}

    def set_state(self, state: State) -> None:
        """Go on: there is nothing to remember."""


class GradientDescent(_Stateless):
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

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = _check_rate(learning_rate)

    def step(self, parameters: Arrays, evaluation: Evaluation | None, blocks: Blocks) -> Step:  # noqa: ARG002
        """Move against the gradient."""
        assert evaluation is not None
        with range_overrun():  # the loop sees a cost that is not finite, and ends
            return update_parameters(parameters, evaluation.grads, self.learning_rate), None
        yield  # a generator, though it never asks


class AutomaticDescent:
    """Gradient descent that finds its step: the cost never rises.

    A step t is taken where the cost falls by at least `_DECREASE` t |g|^2 (Armijo, 1966); else it is made shorter by
    the parabola through what is known, and tried again. The next first try is the shorter step of Barzilai and Borwein
    (1988), s.y / y.y, where that is positive, else twice the last one.
    """

    needs_gradient = True

    _DECREASE = 1e-4
    _MOST_TRIALS = 40

    def __init__(self) -> None:
        self._rate = 0.0

    def step(self, parameters: Arrays, evaluation: Evaluation | None, blocks: Blocks) -> Step:  # noqa: ARG002
        """Move against the gradient, as far as the cost falls well."""
        assert evaluation is not None
        g = _flatten(evaluation.grads, "d")
        square = _dot(g, g)
        if not square:
            return None
        rate = self._rate or 1 / math.sqrt(square)
        for _ in range(self._MOST_TRIALS):
            with range_overrun():
                trial = update_parameters(parameters, evaluation.grads, rate)
            found = yield Trial(trial)
            if found.cost <= evaluation.cost - self._DECREASE * rate * square:
                y = _flatten(found.grads, "d") - g
                s = _flatten(trial) - _flatten(parameters)
                curvature = _dot(s, y)
                self._rate = curvature / _dot(y, y) if curvature > 0 else 2 * rate
                return trial, found
            rate = _shorter(rate, evaluation.cost, -square, found.cost)
        return None

    def get_state(self) -> State:
        """Return the step to try next."""
        return {"rate": self._rate}

    def set_state(self, state: State) -> None:
        """Take the step to try next."""
        self._rate = float(state["rate"])


class Momentum:
    """Gradient descent with Nesterov's momentum (1983), in the form that evaluates where it looks ahead.

    v <- momentum v - learning_rate dp;   p <- p + momentum v - learning_rate dp

    Parameters
    ----------
    learning_rate : float
        Finite and greater than 0.
    momentum : float
        From 0 to less than 1.

    Raises
    ------
    SettingError
        If they are not.
    """

    needs_gradient = True

    def __init__(self, learning_rate: float = 1.0, momentum: float = 0.9) -> None:
        self.learning_rate = _check_rate(learning_rate)
        if not 0 <= momentum < 1:
            raise SettingError(f"The momentum must be a number from 0 to less than 1; got {momentum}.")
        self.momentum = momentum
        self._velocity: Arrays = {}

    def step(self, parameters: Arrays, evaluation: Evaluation | None, blocks: Blocks) -> Step:  # noqa: ARG002
        """Keep moving, turned by the gradient."""
        assert evaluation is not None
        moved = {}
        with range_overrun():
            for name in _NAMES:
                push = self.learning_rate * evaluation.grads[f"d{name}"]
                self._velocity[name] = self.momentum * self._velocity.get(name, 0 * push) - push
                moved[name] = parameters[name] + self.momentum * self._velocity[name] - push
            return moved, None
        yield  # a generator, though it never asks

    def get_state(self) -> State:
        """Return the velocity."""
        return {"velocity": dict(self._velocity)}

    def set_state(self, state: State) -> None:
        """Take the velocity."""
        self._velocity = dict(state["velocity"])


class Adam:
    """Adam (Kingma and Ba, 2015) on mini-batches; one step of the loop is one pass over all samples.

    Parameters
    ----------
    learning_rate : float
        Finite and greater than 0.
    batch_size : int
        Samples in a mini-batch; all of them, where there are not so many.
    random_state : int
        Seed of the order of the samples.

    Raises
    ------
    SettingError
        If a setting is none.
    """

    needs_gradient = False

    _DECAY1, _DECAY2, _EPSILON = 0.9, 0.999, 1e-8  # as in the paper

    def __init__(self, learning_rate: float = 0.01, batch_size: int = 200, random_state: int = 0) -> None:
        self.learning_rate = _check_rate(learning_rate)
        if batch_size < 1:
            raise SettingError(f"A mini-batch needs at least 1 sample; got {batch_size}.")
        self.batch_size = batch_size
        self._random = np.random.default_rng(random_state)
        self._n_updates = 0
        self._first: Arrays = {}
        self._second: Arrays = {}

    def step(self, parameters: Arrays, evaluation: Evaluation | None, blocks: Blocks) -> Step:  # noqa: ARG002
        """Go through all samples once, in a new order, a mini-batch at a time; block by block, where there are some."""
        ends = np.cumsum(blocks)
        for block in self._random.permutation(len(blocks)) if len(blocks) > 1 else (0,):
            size = blocks[block]
            order = ends[block] - size + self._random.permutation(size)
            for start in range(0, size, self.batch_size):
                batch = yield Trial(parameters, order[start : start + self.batch_size])
                with range_overrun():
                    parameters = self._update(parameters, batch.grads)
        return parameters, None

    def _update(self, parameters: Arrays, grads: Arrays) -> Arrays:
        """Move by one mini-batch's gradient, the t-th.

        m <- d1 m + (1 - d1) g;   v <- d2 v + (1 - d2) g^2
        p <- p - learning_rate * (m / (1 - d1^t)) / (sqrt(v / (1 - d2^t)) + epsilon)
        """
        self._n_updates += 1
        correct1, correct2 = 1 - self._DECAY1**self._n_updates, 1 - self._DECAY2**self._n_updates
        moved = {}
        for name in _NAMES:
            g = grads[f"d{name}"]
            m = self._DECAY1 * self._first.get(name, 0 * g) + (1 - self._DECAY1) * g
            v = self._DECAY2 * self._second.get(name, 0 * g) + (1 - self._DECAY2) * g**2
            self._first[name], self._second[name] = _without_specks(m), _without_specks(v)
            step = self.learning_rate / correct1 * m / (np.sqrt(v / correct2) + self._EPSILON)
            moved[name] = _without_specks(parameters[name] - step)
        return moved

    def get_state(self) -> State:
        """Return both moments, the number of updates and the state of the random order."""
        moments = {"first": dict(self._first), "second": dict(self._second)}
        return {**moments, "n_updates": self._n_updates, "random": self._random.bit_generator.state}

    def set_state(self, state: State) -> None:
        """Take both moments, the number of updates and the state of the random order."""
        self._first, self._second = dict(state["first"]), dict(state["second"])
        self._n_updates = int(state["n_updates"])
        self._random.bit_generator.state = state["random"]


class LBFGS:
    """Limited-memory BFGS: steps that know the curvature from the last few gradients.

    The direction is the two-loop recursion of Nocedal (1980); the step along it satisfies the strong Wolfe conditions,
    found by bracketing and cubic interpolation (Nocedal and Wright, Numerical Optimization, 2006, algorithms 3.5, 3.6
    and 7.4). Where rounding leaves no such step, the lowest point found is taken.

    Parameters
    ----------
    memory : int
        Number of pairs of steps and changes of the gradient that are kept.

    Raises
    ------
    SettingError
        If it is less than 1.
    """

    needs_gradient = True

    _DECREASE, _CURVATURE = 1e-4, 0.9
    _MOST_TRIALS = 25

    def __init__(self, memory: int = 10) -> None:
        if memory < 1:
            raise SettingError(f"L-BFGS must remember at least 1 step; got {memory}.")
        self.memory = memory
        self._steps: list[Vector] = []
        self._changes: list[Vector] = []

    def step(self, parameters: Arrays, evaluation: Evaluation | None, blocks: Blocks) -> Step:
        """Go along the direction to a point that satisfies the strong Wolfe conditions."""
        assert evaluation is not None
        g = _flatten(evaluation.grads, "d")
        with range_overrun():
            direction = -self._apply_inverse_curvature(g)
            slope = _dot(g, direction)
        if not slope < 0:  # the memory has gone bad by rounding: begin anew
            self._steps, self._changes = [], []
            direction, slope = -g, -_dot(g, g)
        if not slope or not math.isfinite(slope):
            return None
        first = 1.0 if self._steps else min(1.0, 1 / math.sqrt(-slope))
        found = yield from self._search(parameters, evaluation, direction, slope, first)
        if found is None:
            if not self._steps:
                return None
            self._steps, self._changes = [], []
            return (yield from self.step(parameters, evaluation, blocks))
        moved, there = found
        s, y = _flatten(moved) - _flatten(parameters), _flatten(there.grads, "d") - g
        if _dot(s, y) > np.finfo(float).eps * _dot(y, y):
            self._steps, self._changes = [*self._steps, s][-self.memory :], [*self._changes, y][-self.memory :]
        return moved, there

    def _apply_inverse_curvature(self, g: Vector) -> Vector:
        """Return H g, where H is the inverse of the curvature as the memory knows it: the two loops."""
        q = g.copy()
        pairs = [(s, y, 1 / _dot(s, y)) for s, y in zip(self._steps, self._changes, strict=True)]
        weights = []
        for s, y, rho in reversed(pairs):
            weights.append(rho * _dot(s, q))
            q -= weights[-1] * y
        if pairs:
            s, y, rho = pairs[-1]
            q /= rho * _dot(y, y)
        for (s, y, rho), weight in zip(pairs, reversed(weights), strict=True):
            q += (weight - rho * _dot(y, q)) * s
        return q

    def _search(
        self, parameters: Arrays, evaluation: Evaluation, direction: Vector, slope: float, first: float
    ) -> Generator[Trial, Evaluation, tuple[Arrays, Evaluation] | None]:
        """Return a point along the direction that satisfies the strong Wolfe conditions, or the lowest one found.

        `low` is the best step known and `high` the other end of the bracket, once there is one: (step, cost, slope).
        """
        start = _flatten(parameters)
        low = (0.0, evaluation.cost, slope)
        high: tuple[float, float, float] | None = None
        best: tuple[Arrays, Evaluation] | None = None
        t = first
        for _ in range(self._MOST_TRIALS):
            with range_overrun():
                trial = _unflatten(start + t * direction, parameters)
            there = yield Trial(trial)
            with range_overrun():
                point = (t, there.cost, _dot(_flatten(there.grads, "d"), direction))
            enough = there.cost <= evaluation.cost + self._DECREASE * t * slope
            if not (enough and there.cost < low[1]):  # also where the cost is no number
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

    def get_state(self) -> State:
        """Return the memory."""
        return {"steps": list(self._steps), "changes": list(self._changes)}

    def set_state(self, state: State) -> None:
        """Take the memory."""
        self._steps, self._changes = list(state["steps"]), list(state["changes"])


SOLVERS = ("gd", "momentum", "adam", "lbfgs")


def make_solver(
    name: str, learning_rate: float | str = AUTO, *, batch_size: int | None = None, random_state: int = 0
) -> Solver:
    """Make a solver from its settings.

    Parameters
    ----------
    name : str
        "gd", "momentum", "adam" or "lbfgs".
    learning_rate : float or "auto"
        With "auto" gradient descent finds each step, momentum and Adam take 1 and 0.01; L-BFGS takes no other.
    batch_size : int, optional
        Samples in a mini-batch of Adam, the only one that has them; 200 when not given.
    random_state : int
        Seed of the order of the samples in mini-batches.

    Raises
    ------
    SettingError
        If a setting is none, or the solver does not have it.
    """
    if name not in SOLVERS:
        raise SettingError(f"There is no solver {name!r}: choose one of {', '.join(SOLVERS)}.")
    auto = isinstance(learning_rate, str)
    if auto and learning_rate != AUTO:
        raise SettingError(f"The learning rate must be a number greater than 0 or auto; got {learning_rate!r}.")
    if batch_size is not None and name != "adam":
        raise SettingError(f"The solver {name} takes all samples at once: leave the batch size out, or take adam.")
    if name == "lbfgs" and not auto:
        raise SettingError("L-BFGS finds its own steps: leave the learning rate at auto, or take gd.")
    if name == "lbfgs":
        return LBFGS()
    if name == "gd":
        return AutomaticDescent() if auto else GradientDescent(float(learning_rate))
    rate = {} if auto else {"learning_rate": float(learning_rate)}
    if name == "momentum":
        return Momentum(**rate)
    return Adam(**rate, batch_size=200 if batch_size is None else batch_size, random_state=random_state)


def _check_rate(learning_rate: float) -> float:
    if not 0 < learning_rate < math.inf:
        raise SettingError(f"The learning rate must be a number greater than 0; got {learning_rate}.")
    return learning_rate


def _flatten(arrays: Arrays, prefix: str = "") -> Vector:
    """Return W1, b1, W2, b2 one after the other, in float64."""
    return np.concatenate([np.asarray(arrays[prefix + name], float).ravel() for name in _NAMES])


def _dot(a: Vector, b: Vector) -> float:
    """Return the scalar product, not by BLAS: its threads would wait in a loop where the objective's are to run."""
    return float(np.einsum("i,i->", a, b))


def _unflatten(vector: Vector, like: Arrays) -> Arrays:
    """Return the parameters that a vector holds, in the shapes and types of others."""
    parts = np.split(vector, np.cumsum([like[name].size for name in _NAMES])[:-1])
    return {
        name: part.reshape(like[name].shape).astype(like[name].dtype) for name, part in zip(_NAMES, parts, strict=True)
    }


def _without_specks(array: Any) -> Any:
    """Return an array, its own entries that are next to nothing made 0.

    What decays step by step comes to numbers so small that processors compute with them many times more slowly.
    """
    array[abs(array) < np.finfo(array.dtype).tiny * _SPECK] = 0
    return array


def _shorter(t: float, cost: float, slope: float, cost_at_t: float) -> float:
    """Return a shorter step: the lowest point of the parabola through both costs, from a tenth to a half of t."""
    rise = cost_at_t - cost - slope * t
    lowest = -slope * t * t / (2 * rise) if rise > 0 and math.isfinite(rise) else 0.1 * t
    return min(max(lowest, 0.1 * t), 0.5 * t)


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
