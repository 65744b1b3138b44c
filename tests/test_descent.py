"""Gradient descent: the fixed step is the assignment's, the automatic one needs no guess, momentum is Nesterov's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import Case, cases, coded, evaluated, flat, steps
from twolayer import equations
from twolayer.engines.objective import Evaluation
from twolayer.parameters import Sizes, random_start
from twolayer.solvers import AutomaticDescent, GradientDescent, Momentum


@given(cases(), st.floats(1e-6, 1e3))
def test_a_fixed_step_is_the_assignments_update(case, learning_rate):
    """The new parameters are those of `update_parameters`, and no evaluation is spent."""
    p, solver = case.networks[0], GradientDescent(learning_rate)
    here = evaluated(case.objective(), p)

    moved = solver.step(solver.begin(p), p, here, (1,))

    grads = {f"d{name}": grad for name, grad in p.sizes.split(here.gradient).items()}
    assert moved.evaluation is None
    for name, value in equations.update_parameters(p, grads, learning_rate).items():
        np.testing.assert_array_equal(value, moved.parameters[name])


@given(cases())
def test_a_cost_never_rises_with_the_automatic_step(case):
    """From any start, with any data, at every step; and the evaluation that comes back is the one there."""
    objective = case.objective()
    for _, before, moved in steps(AutomaticDescent(), objective, case.networks[0], 5):
        assert moved.evaluation.cost <= before.cost
        assert moved.evaluation.cost == evaluated(objective, moved.parameters).cost


@pytest.mark.parametrize("scale", [0.01, 1.0, 10.0])
def test_the_automatic_step_needs_no_guess(scale):
    """Whether features are small or large, the cost falls to less than half within 60 steps."""
    X = np.random.default_rng(0).standard_normal((50, 3)) / scale
    case = Case(X, coded(X[:, 0] > 0), [])
    start = random_start(Sizes(3, 4, 1), "float64", 0)

    walked = list(steps(AutomaticDescent(), case.objective(), start, 60))

    assert walked[-1][1].cost < 0.5 * walked[0][1].cost


def test_momentum_is_nesterovs():
    """Two steps by hand: v = mu v - rate g, p = p + mu v - rate g."""
    solver, p = Momentum(0.1, 0.5), flat(W1=1.0, b1=1.0, W2=1.0, b2=1.0)
    state, v, value = solver.begin(p), 0.0, 1.0
    for g in (2.0, -1.0):
        moved = solver.step(state, p, Evaluation(0.0, 0, np.full(4, g)), (1,))
        p, state = moved.parameters, moved.state
        v = 0.5 * v - 0.1 * g
        value = value + 0.5 * v - 0.1 * g
        assert set(p.vector.tolist()) == {value}
