"""Steps: the fixed one is the assignment's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import networks
from twolayer import equations
from twolayer.engines.objective import make_objective
from twolayer.errors import SettingError
from twolayer.solvers import SOLVERS, GradientDescent


@given(networks(), st.floats(1e-6, 1e3))
def test_a_fixed_step_is_the_assignments_update(network, learning_rate):
    """The new parameters are those of `update_parameters`, and no evaluation is spent."""
    X, Y, parameters = network
    evaluation = make_objective(X, Y).evaluate(parameters)

    moved, known = GradientDescent(learning_rate).step(pytest.fail, parameters, evaluation)

    assert known is None
    for name, value in equations.update_parameters(parameters, evaluation.grads, learning_rate).items():
        np.testing.assert_array_equal(value, moved[name])


@given(networks())
def test_a_small_step_lowers_the_cost(network):
    """Against the gradient is downhill."""
    X, Y, parameters = network
    objective = make_objective(X, Y)
    evaluation = objective.evaluate(parameters)

    moved, _ = GradientDescent(1e-3).step(objective.evaluate, parameters, evaluation)

    assert objective.measure(moved).cost <= evaluation.cost


def test_a_step_out_of_range_does_not_warn():
    """The loop sees the cost that follows."""
    X, Y = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    parameters = {
        name: value.astype(np.float32)
        for name, value in equations.initialize_parameters(1, 1, 1, np.random.default_rng(0)).items()
    }
    moved, _ = GradientDescent(1e308).step(pytest.fail, parameters, make_objective(X, Y).evaluate(parameters))

    assert not np.isfinite(moved["W2"]).all()


@pytest.mark.parametrize("learning_rate", [0, -1.0, float("nan"), float("inf")])
def test_a_wrong_step_is_told(learning_rate):
    """It must be a number greater than 0."""
    with pytest.raises(SettingError, match="greater than 0"):
        SOLVERS["gd"](learning_rate)
