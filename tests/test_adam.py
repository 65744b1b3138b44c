"""Adam is the paper's."""

from dataclasses import replace

import numpy as np
import pytest

from strategies import finish, flat
from twolayer.engines.objective import Evaluation
from twolayer.parameters import Parameters, Sizes
from twolayer.solvers import Adam


def test_adam_is_the_papers():
    """Three updates by hand, bias correction and all, in an order that visits each sample once in a pass."""
    solver, p, gradients = Adam(0.1, batch_size=2), flat(W2=1.0), iter((2.0, -1.0, 0.5))

    step = solver.step(solver.begin(p), p, None, (5,))
    moved, _ = finish(step, lambda _: Evaluation(0.0, 0, np.full(4, next(gradients))))

    m, v, value = 0.0, 0.0, 1.0
    for t, g in enumerate((2.0, -1.0, 0.5), start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        value -= 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    assert moved.evaluation is None
    assert float(moved.parameters["W2"][0, 0]) == pytest.approx(value, rel=1e-12)
    assert (moved.state.n_updates, moved.state.n_passes) == (3, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_decays_never_comes_to_numbers_that_take_long(dtype):
    """Moments of a gradient that is 0 from now on end at 0, not at numbers below full precision."""
    solver = Adam(batch_size=1)
    p = Parameters(np.ones(4, dtype), Sizes(1, 1, 1))
    tiny = np.finfo(dtype).tiny
    state = replace(solver.begin(p), first=np.full(4, tiny * 100, dtype), second=np.full(4, tiny * 100, dtype))

    moved, _ = finish(solver.step(state, p, None, (1,)), lambda _: Evaluation(0.0, 0, np.zeros(4, dtype)))

    assert not moved.state.first.any()
    assert not moved.state.second.any()
    np.testing.assert_array_equal(moved.parameters.vector, p.vector)
