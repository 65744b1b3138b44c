"""What is seen of a training is what is there: in its history, its network, its labels and its features."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer import Model
from twolayer.explain.symptoms import (
    Case,
    balanced_accuracy,
    predict_apart,
    see_data,
    see_history,
    see_labels,
    see_leak,
    see_network,
    see_shift,
)
from twolayer.explain.view import View
from twolayer.training.history import Epoch


def make_case(X, y, X_test=None, y_test=None, *, costs=(), activation="tanh", W1=None, **settings):
    n_x = X.shape[1]
    W1 = np.random.default_rng(0).normal(size=(4, n_x)) if W1 is None else W1
    parameters = {"W1": W1, "b1": np.zeros((len(W1), 1)), "W2": np.ones((1, len(W1))), "b2": np.zeros((1, 1))}
    model = Model(parameters, (0, 1), (n_x,), activation=activation, settings=settings)
    epochs = [Epoch(k, cost, 0.5, None, 0.1) for k, cost in enumerate(costs)]
    test = (X, y) if X_test is None else (X_test, y_test)
    return Case(View.of(model), X, np.asarray(y), *map(np.asarray, test), epochs, settings)


def draw(m=300, n_x=4, seed=0):
    random = np.random.default_rng(seed)
    X = random.normal(size=(m, n_x))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


def test_the_history_says_how_the_cost_went():
    """How much it fell, how often it rose, and how it began beside a guess."""
    seen = see_history(make_case(*draw(), costs=[2.0, 1.0, 1.5, 0.5, 0.5], loss="log"))

    assert (seen["first_cost"], seen["last_cost"], seen["fell"], seen["rises"]) == (2.0, 0.5, 0.75, 0.25)
    assert seen["start_ratio"] == pytest.approx(2 / np.log(2))
    assert see_history(make_case(*draw(), costs=[1.0])) == {}


def test_the_network_shows_units_that_cannot_learn():
    """Saturated ones, dead ones and twins, as shares of all."""
    X, y = draw()
    W1 = np.ones((4, 4))
    W1[:2] = 1e4

    assert see_network(make_case(X, y, W1=W1))["saturated_units"] == 0.5
    assert see_network(make_case(X, y, W1=W1))["twin_units"] == 0.5
    dead = make_case(np.abs(X), y, W1=np.vstack([-W1[:3], W1[3:]]), activation="relu")
    assert see_network(dead)["dead_units"] == 0.75


def test_the_data_show_their_sizes():
    """The largest value, unequal spreads, what varies, and the smallest class."""
    X, _ = draw(100)
    X = np.c_[1000 * X[:, 0], X[:, 1:], np.full(100, 3.0)]
    seen = see_data(make_case(X, np.arange(100) < 10))

    assert seen["largest_value"] == np.abs(X).max()
    assert seen["spread_ratio"] > 500
    assert seen["varying"] == 0.8
    assert (seen["smallest_class"], seen["samples_of_smallest"]) == (0.1, 10)


def test_balanced_accuracy_is_the_mean_recall():
    """Of the classes that occur."""
    assert balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])) == 0.75
    assert balanced_accuracy(np.array([0, 2]), np.array([0, 0])) == 0.5


def test_wrong_labels_show_where_a_model_is_sure():
    """A quarter of wrong ones as often there as elsewhere; without, hardly ever; shuffled ones look like chance."""
    X, y = draw(600)
    random = np.random.default_rng(1)
    noisy = np.where(random.random(600) < 0.25, 1 - y, y)

    assert see_labels(make_case(X, y))["wrong_where_sure"] < 0.02
    assert 0.12 < see_labels(make_case(X, noisy))["wrong_where_sure"] < 0.4
    assert abs(see_labels(make_case(X, random.permutation(y)))["above_chance"]) < 3


def test_a_feature_that_holds_the_class_is_found():
    """By its place, with how well the others do; without it, no feature alone tells."""
    X, y = draw()
    seen = see_leak(make_case(np.c_[X, 5 * y + 0.1], y))

    assert (seen["best_feature"], seen["best_alone"]) == (4, 1.0)
    assert seen["others"] > 0.9
    assert see_leak(make_case(X, y))["best_alone"] < 0.9


@given(st.lists(st.integers(0, 3), min_size=4, max_size=12).flatmap(
    lambda values: st.tuples(st.just(values), st.lists(st.integers(0, 1), min_size=len(values), max_size=len(values)))
))  # fmt: skip
def test_the_best_rule_of_one_column_is_the_best_of_all(drawn):
    """Of two classes: one threshold, either way round."""
    from twolayer.explain.symptoms import _stump

    values, y = map(np.array, drawn)
    best = max(max(((values > t) == y).mean(), ((values > t) != y).mean()) for t in np.r_[-1, np.unique(values)])
    assert _stump(values.astype(float), y, 2) == (pytest.approx(best) if len(np.unique(values)) > 1 else 0)


def test_other_test_samples_are_told_apart_and_other_shares_of_classes_are_not():
    """Moved features are seen; more samples of a class alone are none of it."""
    (X, y), (X_test, y_test) = draw(seed=1), draw(seed=2)

    assert see_shift(make_case(X, y, X_test + 1, y_test))["told_apart"] > 0.75
    for kept in (np.ones(300, bool), (y_test == 1) | (np.arange(300) < 30)):
        seen = see_shift(make_case(X, y, X_test[kept], y_test[kept]))
        assert abs(seen["told_apart"] - 0.5) < 4 * seen["told_apart_error"]


def test_no_sample_is_predicted_by_what_learned_from_it():
    """A regression that only remembers its samples tells nothing of the others."""
    seen = []

    def learn(X, codes, n_classes, judged):  # noqa: ARG001
        seen.append({tuple(row) for row in X} & {tuple(row) for row in judged})
        return np.full((len(judged), n_classes), 1 / n_classes)

    predict_apart(*draw(), 2, learn)

    assert len(seen) == 5
    assert set.union(*seen) == set()
