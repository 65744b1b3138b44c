"""What solvers on mini-batches have in common: one step of the loop is one pass over all samples."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.engines.objective import Descent, Evaluation, range_overrun
from twolayer.engines.rules import Rule
from twolayer.parameters import Parameters
from twolayer.solvers.schedules import Schedule
from twolayer.solvers.solver import Moved, Steps, Trial, check_vector


@dataclass(frozen=True)
class MiniBatches:
    """Passes over mini-batches, whose order in pass k follows from the seed and k alone.

    Attributes
    ----------
    rule : Rule
        How the gradient of a mini-batch moves the parameters.
    to_state : type
        The dataclass that is remembered: the rule's vectors, then the numbers of updates and of passes so far.
    learning_rate : float
    batch_size : int
    random_state : int
    schedule : Schedule
        Of the learning rate.
    """

    rule: Rule
    to_state: Callable[..., Any]
    learning_rate: float
    batch_size: int = 200
    random_state: int = 0
    schedule: Schedule = field(default_factory=Schedule)
    needs_gradient = False

    def begin(self, start: Parameters) -> Any:
        """Return vectors of 0."""
        return self.to_state(*(np.zeros_like(start.vector) for _ in range(self.rule.n_vectors)), 0, 0)

    def check(self, state: Any, start: Parameters) -> None:
        """Check that the vectors belong to the parameters."""
        *vectors, n_updates, n_passes = _parts(state)
        for vector in vectors:
            check_vector(vector, start, start.dtype)
        if min(n_updates, n_passes) < 0:
            raise ValueError("its solver's counts are invalid")

    def step(
        self,
        state: Any,
        parameters: Parameters,
        evaluation: Evaluation,  # noqa: ARG002
        blocks: tuple[int, ...],
    ) -> Steps:
        """Go through all samples once, in a new order, a mini-batch at a time; block by block, where there are some."""
        *begin, n_updates, n_passes = _parts(state)
        vectors: tuple[Array, ...] = tuple(begin)
        random, starts = np.random.default_rng([self.random_state, n_passes]), np.cumsum((0, *blocks))
        rates = self._rates(n_passes, sum(-(-size // self.batch_size) for size in blocks))
        for block in random.permutation(len(blocks)) if len(blocks) > 1 else (0,):
            order = starts[block] + random.permutation(blocks[block])
            n = -(-len(order) // self.batch_size)
            descent = Descent(parameters, self.rule, vectors, order, self.batch_size, rates[:n], n_updates)
            done = yield descent
            parameters, vectors = (
                (yield from _one_by_one(descent)) if done is NotImplemented else (done.parameters, done.vectors)
            )
            rates, n_updates = rates[n:], n_updates + n
        return Moved(parameters, self.to_state(*vectors, n_updates, n_passes + 1))

    def _rates(self, n_passes: int, n: int) -> Array:
        """Return the rate of each of the n mini-batches of a pass: that of the schedule in its midst."""
        return self.learning_rate * self.schedule.factors(n_passes + (np.arange(n) + 0.5) / n)


def _parts(state: Any) -> list[Any]:
    return [getattr(state, each.name) for each in fields(state)]


def _one_by_one(descent: Descent) -> Generator[Trial, Evaluation, tuple[Parameters, tuple[Array, ...]]]:
    """Ask for the gradient of each mini-batch, and move by it."""
    parameters, vectors = descent.parameters, descent.vectors
    each = zip(descent.batches, descent.rates.tolist(), strict=True)
    for t, (rows, rate) in enumerate(each, descent.n_updates + 1):
        found = yield Trial(parameters, rows)
        with range_overrun():
            parameters, vectors = descent.rule.move(parameters, vectors, found.gradient, rate, t)
    return parameters, vectors
