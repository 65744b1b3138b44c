"""Integrated gradients in closed form, beside the integral they stand for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad_vec

from tests.networks import model_of
from twolayer.equations import ACTIVATIONS
from twolayer.explain.integrated import integrate, integrate_units, mean_slopes
from twolayer.explain.view import View

KINDS = st.sampled_from([*ACTIVATIONS])
NUMBERS = st.floats(-30, 30)


@given(KINDS, NUMBERS, st.one_of(st.just(0.0), st.floats(-0.1, 0.1), NUMBERS))
def test_mean_slopes_times_the_step_are_the_rise(activation, start, step):
    """And lie between the smallest and the largest slope, however near the ends are."""
    Z0, Z = np.array([start]), np.array([start + step])
    slope = mean_slopes(activation, Z, Z0)
    function = ACTIVATIONS[activation].function

    np.testing.assert_allclose(slope * (Z - Z0), function(Z) - function(Z0), rtol=0, atol=2e-14)
    assert -1e-15 <= slope[0] <= 1 + 1e-12


@given(st.integers(0, 99), KINDS, st.integers(1, 6), st.integers(1, 5), st.sampled_from([1, 3]))
def test_shares_add_up_to_the_difference_of_the_logits(seed, activation, n_x, n_h, n_y):
    """Within 1e-12, for each sample, class, activation and several rows of a baseline."""
    view = View.of(model_of(n_x, n_h, n_y, activation, seed=seed, spread=2.0))
    X = np.random.default_rng(seed).standard_normal((7, n_x))

    shares = integrate(view, X[:4], X[4:])

    assert shares.shape == (4, n_y, n_x)
    expected = view.logits(X[:4]) - view.logits(X[4:]).mean(axis=0)
    np.testing.assert_allclose(shares.sum(axis=2), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_shares_are_the_integral_of_the_gradient_on_the_path(activation):
    """By adaptive quadrature."""
    view = View.of(model_of(4, 3, 3, activation, spread=3.0))
    x, x0 = np.random.default_rng(1).standard_normal((2, 4))

    def gradient(t):
        slopes = ACTIVATIONS[activation].derivative(view.hidden(x0 + t * (x - x0)))
        return (view.W2 * slopes) @ view.W1

    expected, _ = quad_vec(gradient, 0, 1, epsabs=1e-12)
    np.testing.assert_allclose(integrate(view, x[None], x0[None])[0], expected * (x - x0), rtol=0, atol=1e-10)


@given(st.integers(0, 99), KINDS)
def test_the_shares_in_the_units_make_those_in_the_logits(seed, activation):
    """W2 times the former is the latter."""
    view = View.of(model_of(5, 4, 3, activation, seed=seed))
    x, x0 = np.random.default_rng(seed).standard_normal((2, 5))

    by_unit = integrate_units(view, x, x0)

    np.testing.assert_allclose(view.W2 @ by_unit, integrate(view, x[None], x0[None])[0], rtol=0, atol=1e-13)
