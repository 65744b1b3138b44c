"""Adam on mini-batches."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from twolayer.aliases import Array
from twolayer.engines.objective import Evaluation, range_overrun
from twolayer.parameters import Parameters
from twolayer.solvers.solver import Moved, Trial, check_vector

_DECAY1, _DECAY2, _EPSILON = 0.9, 0.999, 1e-8  # as in the paper
_SPECK = 2.0**30  # times the smallest number of full precision: 1e-29 in float32


@dataclass(frozen=True)
class Moments:
    """Means of the gradient and of its square, decaying; updates and passes over the samples so far."""

    first: Array
    second: Array
    n_updates: int
    n_passes: int


class Adam:
    """Adam (Kingma and Ba, 2015) on mini-batches; one step of the loop is one pass over all samples.

    The order of the samples in pass k follows from the seed and k alone.
    """

    needs_gradient = False

    def __init__(self, learning_rate: float = 0.01, batch_size: int = 200, random_state: int = 0) -> None:
        self.learning_rate, self.batch_size, self.random_state = learning_rate, batch_size, random_state

    def begin(self, start: Parameters) -> Moments:
        """Return moments of 0."""
        return Moments(np.zeros_like(start.vector), np.zeros_like(start.vector), 0, 0)

    def check(self, state: Moments, start: Parameters) -> None:
        """Check that the moments belong to the parameters."""
        for vector in (state.first, state.second):
            check_vector(vector, start, start.dtype)
        if min(state.n_updates, state.n_passes) < 0 or (state.second < 0).any():
            raise ValueError("its solver's moments or counts are invalid")

    def step(
        self,
        state: Moments,
        parameters: Parameters,
        evaluation: Evaluation,  # noqa: ARG002
        blocks: tuple[int, ...],
    ) -> Generator[Trial, Evaluation, Moved]:
        """Go through all samples once, in a new order, a mini-batch at a time; block by block, where there are some."""
        random = np.random.default_rng([self.random_state, state.n_passes])
        starts = np.cumsum((0, *blocks))
        for block in random.permutation(len(blocks)) if len(blocks) > 1 else (0,):
            order = starts[block] + random.permutation(blocks[block])
            for first in range(0, len(order), self.batch_size):
                batch = yield Trial(parameters, order[first : first + self.batch_size])
                with range_overrun():
                    parameters, state = self._update(parameters, state, batch.gradient)
        return Moved(parameters, Moments(state.first, state.second, state.n_updates, state.n_passes + 1))

    def _update(self, parameters: Parameters, state: Moments, g: Array) -> tuple[Parameters, Moments]:
        """Move by one mini-batch's gradient, the t-th.

        m <- d1 m + (1 - d1) g;   v <- d2 v + (1 - d2) g^2
        p <- p - learning_rate * (m / (1 - d1^t)) / (sqrt(v / (1 - d2^t)) + epsilon)
        """
        t = state.n_updates + 1
        m = _without_specks(_DECAY1 * state.first + (1 - _DECAY1) * g)
        v = _without_specks(_DECAY2 * state.second + (1 - _DECAY2) * g**2)
        step = self.learning_rate / (1 - _DECAY1**t) * m / (np.sqrt(v / (1 - _DECAY2**t)) + _EPSILON)
        moved = parameters.moved_to(_without_specks(parameters.vector - step))
        return moved, Moments(m, v, t, state.n_passes)


def _without_specks(array: Array) -> Array:
    """Return an array, its own entries that are next to nothing made 0.

    What decays step by step comes to numbers so small that processors compute with them many times more slowly.
    """
    array[abs(array) < np.finfo(array.dtype).tiny * _SPECK] = 0
    return array
