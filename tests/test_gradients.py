"""Gradients are proved by differences, and the prover rejects a wrong one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import SEEDS, networks
from twolayer.equations import back_propagation, compute_cost, forward_propagation
from twolayer.explain.gradients import check_back_propagation, check_gradients


@given(networks(), SEEDS)
def test_back_propagation_is_the_slope_of_the_cost(network, seed):
    """For random shapes, one sample, one hidden unit and several outputs among them."""
    checks = check_back_propagation(*network, np.random.default_rng(seed))

    assert [check for check in checks if not check.agrees] == []
    assert [check.name for check in checks] == ["W1", "b1", "W2", "b2"]


def test_back_propagation_is_the_slope_of_the_cost_on_images():
    """At the assignment's size of network, too."""
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
    """The check of just that parameter fails."""
    X, Y, parameters = network
    random = np.random.default_rng(7)
    _, cache = forward_propagation(X, parameters)
    grads = back_propagation(X, Y, parameters, cache)
    if np.linalg.norm(grads[f"d{name}"]) < 1e-4:
        return  # so flat that rounding hides a thousandth of it

    grads[f"d{name}"] = factor * grads[f"d{name}"]
    checks = check_gradients(
        lambda p: float(compute_cost(forward_propagation(X, p)[0], Y)), parameters, grads, random, n_directions=12
    )

    assert [check.name for check in checks if not check.agrees] == [name]
