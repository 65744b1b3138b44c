"""Shapley values, beside enumeration and beside their axioms."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.networks import model_of, table_model
from twolayer.explain.shapley import MOST_ENUMERATED, enumerate_subsets, value_units
from twolayer.explain.view import View

SEEDS, SERIES = st.integers(0, 999), st.sampled_from(["sigmoid", "tanh"])


def by_orders(view, x, x0):
    """Return Shapley values in the logits by their definition: the mean gain over all orders of the features."""
    n = view.n_features
    gains = np.zeros((len(view.W2), n))
    for order in itertools.permutations(range(n)):
        at = x0.copy()
        for feature in order:
            before = view.logits(at[None])[0]
            at[view.span(feature)] = x[view.span(feature)]
            gains[:, feature] += view.logits(at[None])[0] - before
    return gains / math.factorial(n)


def values_of(view, x, x0):
    """Return Shapley values in the logits, and the bounds of their errors."""
    values, error = value_units(view, x, x0)
    return view.W2 @ values, error


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_they_are_the_mean_gain_over_all_orders(activation):
    """By definition, with columns of several values as one player."""
    view = View.of(table_model(3, activation))
    x, x0 = np.random.default_rng(2).standard_normal((2, 5))

    np.testing.assert_allclose(values_of(view, x, x0)[0], by_orders(view, x, x0), rtol=0, atol=1e-8)


def compare(seed, activation, n_x, n_h, n_y, spread):
    """Compare values by the series with those by all subsets, within the bound; return the bound."""
    view = View.of(model_of(n_x, n_h, n_y, activation, seed=seed, spread=spread))
    x, x0 = np.random.default_rng(seed).standard_normal((2, n_x))
    values, error = value_units(view, x, x0)

    expected = enumerate_subsets(view.W1 * (x - x0), view.hidden(x0), view.activate)
    assert (np.abs(view.W2 @ (values - expected)).max(axis=1) <= error).all()
    return error.max()


@given(SEEDS, SERIES, st.integers(1, 9), st.integers(1, 6), st.sampled_from([1, 3]), st.sampled_from([0.1, 1, 10]))
def test_the_series_is_within_its_bound_of_enumeration(seed, activation, n_x, n_h, n_y, spread):
    """Of 1e-8 at most, also for units that saturate."""
    assert compare(seed, activation, n_x, n_h, n_y, spread) < 1e-8


def test_200_random_networks_are_within_their_bounds():
    """Of up to 14 features."""
    random = np.random.default_rng(0)
    bounds = [
        compare(
            k,
            ("sigmoid", "tanh")[k % 2],
            1 + k % 14,
            1 + k % 10,
            1 + 2 * (k % 3 == 0),
            float(random.choice([0.3, 1, 5])),
        )
        for k in range(200)
    ]

    assert max(bounds) < 1e-8


@given(st.integers(0, 99), st.sampled_from(["sigmoid", "tanh", "relu"]), st.integers(1, 40))
def test_values_add_up_to_the_difference_of_the_logits(seed, activation, n_x):
    """Efficiency: also sampled ones."""
    view = View.of(model_of(n_x, 3, 2 + 1, activation, seed=seed, spread=0.5))
    x, x0 = np.random.default_rng(seed).standard_normal((2, n_x))

    values, error = values_of(view, x, x0)

    gap = values.sum(axis=1) - (view.logits(x[None]) - view.logits(x0[None]))[0]
    sampled = activation == "relu" and n_x > MOST_ENUMERATED
    assert (np.abs(gap) <= (1e-11 if sampled else error * n_x + 1e-12)).all()


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_features_that_do_nothing_get_nothing_and_equal_ones_the_same(activation):
    """Shapley's axioms: a feature like the baseline, one without weights, and two that are alike."""
    model = model_of(30, 4, activation=activation)
    W1 = model.parameters["W1"]
    W1[:, 1], W1[:, 3] = 0, W1[:, 2]
    x0, x = np.zeros(30), np.ones(30)
    x[0] = 0

    values, error = values_of(View.of(model), x, x0)

    assert values[0, :2].tolist() == [0, 0]
    alike = 1e-8 if activation == "sigmoid" else 2 * error[0]
    assert abs(values[0, 2] - values[0, 3]) <= alike


def test_sampled_values_are_as_far_off_as_they_say():
    """Of a rectified network, with the interval that holds most of them: checked against all subsets."""
    view = View.of(model_of(MOST_ENUMERATED + 1, 5, activation="relu"))
    x, x0 = np.random.default_rng(3).standard_normal((2, MOST_ENUMERATED + 1))

    values, error = values_of(view, x, x0)
    expected = view.W2 @ enumerate_subsets(view.W1 * (x - x0), view.hidden(x0), view.activate)

    off = np.abs(values - expected)
    assert 0 < off.max() < 2 * error[0]
    assert (values_of(view, x, x0)[0] == values).all()


def test_a_hundred_features_have_a_bound_too():
    """Where nobody can enumerate, the sum still is right to the bound."""
    view = View.of(model_of(100, 10, spread=0.2))
    x, x0 = np.random.default_rng(4).standard_normal((2, 100))

    values, error = values_of(view, x, x0)

    assert error[0] < 1e-8
    assert abs(values.sum() - (view.logits(x[None]) - view.logits(x0[None]))[0, 0]) < 100 * error[0]


def test_a_sample_at_the_baseline_has_no_shares():
    """Nothing differs."""
    view, x = View.of(model_of(3, 2)), np.ones(3)

    values, error = value_units(view, x, x)

    assert not values.any()
    assert not error.any()
