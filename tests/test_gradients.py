"""Gradients are checked by differences, and a wrong one is named."""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from strategies import SEEDS, networks
from twolayer.equations import ACTIVATIONS, LOSSES, back_propagation, compute_cost, forward_propagation
from twolayer.explain.gradients import check_back_propagation, check_gradients


def one_class(Y):
    """Return targets of the same shape of which each sample has one; with one output they stay as they are."""
    return Y if len(Y) == 1 else (np.arange(len(Y))[:, None] == (Y.sum(axis=0) % len(Y))).astype(float)


@pytest.mark.parametrize(("activation", "loss"), list(product(ACTIVATIONS, LOSSES)))
@given(networks(), SEEDS, st.booleans())
def test_back_propagation_is_the_slope_of_the_cost(activation, loss, network, seed, weighted):
    """For each activation and loss, one and several outputs, weighted samples, and random shapes."""
    X, Y, parameters = network
    random = np.random.default_rng(seed)
    assume(np.abs(forward_propagation(X, parameters)[1]["Z1"]).min() > 1e-3)  # away from the corner of the rectifier
    weight = random.random(X.shape[1]) + 0.1 if weighted else None

    checks = check_back_propagation(
        X, one_class(Y), parameters, random, activation=activation, loss=loss, sample_weight=weight
    )

    assert [check for check in checks if not check.agrees] == []
    assert [check.name for check in checks] == ["W1", "b1", "W2", "b2"]


def test_back_propagation_is_the_slope_of_the_cost_on_images():
    """The check holds at the assignment's size of network, too."""
    random = np.random.default_rng(0)
    X, Y = random.random((784, 30)), random.integers(0, 2, (1, 30)).astype(float)
    parameters = {
        "W1": random.standard_normal((10, 784)) / 28,
        "b1": np.zeros((10, 1)),
        "W2": random.standard_normal((1, 10)),
        "b2": np.zeros((1, 1)),
    }

    assert all(check.agrees for check in check_back_propagation(X, Y, parameters, random))


@pytest.mark.parametrize("name", ["W1", "b1", "W2", "b2"])
@given(networks(), st.sampled_from([0.999, 1.001]))
def test_a_gradient_wrong_by_a_thousandth_is_rejected(name, network, factor):
    """The check of that parameter fails, and of no other."""
    X, Y, parameters = network
    _, cache = forward_propagation(X, parameters)
    grads = back_propagation(X, Y, parameters, cache)
    assume(np.linalg.norm(grads[f"d{name}"]) > 1e-4)  # below, rounding hides a thousandth

    grads[f"d{name}"] = factor * grads[f"d{name}"]
    checks = check_gradients(
        lambda p: float(compute_cost(forward_propagation(X, p)[0], Y)),
        parameters,
        grads,
        np.random.default_rng(7),
        n_directions=12,
    )

    assert [check.name for check in checks if not check.agrees] == [name]
