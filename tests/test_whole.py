"""The plain engine is the blackboard, behind the contract of an objective."""

import numpy as np
from hypothesis import given

from strategies import networks
from twolayer import equations
from twolayer.engines.objective import make_objective


@given(networks())
def test_cost_and_gradients_are_those_of_the_blackboard(network):
    """Bit by bit: the whole batch is one call of each formula."""
    X, Y, parameters = network
    A2, cache = equations.forward_propagation(X, parameters)

    evaluation = make_objective(X, Y).evaluate(parameters)

    assert evaluation.cost == equations.compute_cost(A2, Y)
    for name, grad in equations.back_propagation(X, Y, parameters, cache).items():
        np.testing.assert_array_equal(grad, evaluation.grads[name])


@given(networks())
def test_measuring_tells_what_evaluating_tells(network):
    """A forward pass alone gives the same cost and number of right predictions."""
    X, Y, parameters = network
    objective = make_objective(X, Y, "whole")

    measure, evaluation = objective.measure(parameters), objective.evaluate(parameters)

    assert (measure.cost, measure.correct) == (evaluation.cost, evaluation.correct)
    assert 0 <= measure.correct <= objective.n_samples == X.shape[1]


@given(networks())
def test_right_predictions_are_counted_by_class(network):
    """With one output by the threshold, with several by the largest output."""
    X, Y, parameters = network
    n_y, m = Y.shape
    target = np.zeros_like(Y)
    target[Y[0].astype(int) % n_y, np.arange(m)] = 1
    target = Y if n_y == 1 else target
    A2, _ = equations.forward_propagation(X, parameters)

    right = sum(
        (A2[0, i] > 0.5) == target[0, i] if n_y == 1 else A2[:, i].argmax() == target[:, i].argmax() for i in range(m)
    )

    assert make_objective(X, target).measure(parameters).correct == right


def test_parameters_out_of_range_give_a_cost_that_is_not_finite_and_no_warning():
    """Inf times 0 is no number; the engine passes it on for the loop to see."""
    objective = make_objective(np.zeros((1, 1)), np.ones((1, 1)))
    far = {"W1": np.full((1, 1), np.inf), "b1": np.zeros((1, 1)), "W2": np.ones((1, 1)), "b2": np.zeros((1, 1))}

    assert not np.isfinite(objective.evaluate(far).cost)


def test_a_weight_out_of_range_shows_even_behind_a_sigmoid():
    """An infinite weight may give a finite output; the cost says that it is no usable parameter."""
    objective = make_objective(np.ones((1, 1)), np.ones((1, 1)))
    far = {"W1": np.full((1, 1), np.inf), "b1": np.zeros((1, 1)), "W2": np.ones((1, 1)), "b2": np.zeros((1, 1))}

    assert np.isnan(objective.measure(far).cost)
