"""Pairs of features that act together are found, and their strength is that of the definition."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twolayer import Model, save
from twolayer.errors import DataError, SettingError
from twolayer.explain import measure_interactions


def make_model(activation="tanh", n_x=5, n_h=4, classes=(0, 1), seed=0):
    random, n_y = np.random.default_rng(seed), 1 if len(classes) == 2 else len(classes)
    shapes = {"W1": (n_h, n_x), "b1": (n_h, 1), "W2": (n_y, n_h), "b2": (n_y, 1)}
    parameters = {name: random.normal(size=shape) for name, shape in shapes.items()}
    return Model(parameters, classes, (n_x,), activation=activation, output="softmax" if n_y > 1 else "sigmoid")


def by_definition(model, x, baseline, i, j):
    """Return the mean of f(S, i, j) - f(S, i) - f(S, j) + f(S) over all sets S, weighted as by Shapley."""
    n = len(x)
    others = [k for k in range(n) if k not in (i, j)]
    total = 0.0

    def logits(plays):
        return model.decision_function(np.where(np.isin(np.arange(n), plays), x, baseline)[None]).ravel()

    for size in range(n - 1):
        weight = math.factorial(size) * math.factorial(n - size - 2) / math.factorial(n - 1)
        for S in itertools.combinations(others, size):
            total = total + weight * (logits([*S, i, j]) - logits([*S, i]) - logits([*S, j]) + logits(S))
    return total


@settings(max_examples=20)
@given(st.sampled_from(["sigmoid", "tanh", "relu"]), st.sampled_from([(0, 1), ("a", "b", "c")]), st.integers(0, 99))
def test_shapley_interactions_are_those_of_the_definition(activation, classes, seed):
    """Of all pairs, each logit, up to the error that is told."""
    model = make_model(activation, classes=classes, seed=seed)
    x, baseline = np.random.default_rng(seed + 1).normal(size=(2, 5))
    found = measure_interactions(model, x[None], baseline[None])

    assert found.error.max() < 1e-7
    assert len(found.pairs) == 10
    for pair, strength in zip(found.pairs, found.strength.T, strict=True):
        i, j = (int(name[1:]) for name in pair)
        np.testing.assert_allclose(strength, by_definition(model, x, baseline, i, j), atol=1e-7)
    sizes = np.abs(found.strength).max(axis=0)
    assert (np.diff(sizes) <= 0).all()


@given(st.sampled_from(["sigmoid", "tanh"]), st.integers(0, 99))
def test_the_hessian_is_the_second_derivative(activation, seed):
    """Of the logit at the sample, by central differences, times both distances from the baseline."""
    model = make_model(activation, seed=seed)
    x, baseline = np.random.default_rng(seed + 1).normal(size=(2, 5))
    found, h = measure_interactions(model, x[None], baseline[None], method="hessian"), 1e-4

    for (one, other), strength in zip(found.pairs[:3], found.strength[0], strict=False):
        i, j = int(one[1:]), int(other[1:])
        corners = x + h * np.array([np.eye(5)[i] * a + np.eye(5)[j] * b for a in (1, -1) for b in (1, -1)])
        logits = model.decision_function(corners)
        second = (logits[0] - logits[1] - logits[2] + logits[3]) / (4 * h * h)
        assert strength == pytest.approx(second * (x - baseline)[i] * (x - baseline)[j], abs=1e-5)


def test_features_that_meet_in_no_unit_do_not_interact():
    """Two units of two features each: only pairs within a unit are found."""
    model = make_model(n_x=4, n_h=2)
    model.parameters["W1"][0, 2:] = model.parameters["W1"][1, :2] = 0
    found = measure_interactions(model, np.ones((1, 4)), np.zeros((1, 4)))

    assert {pair for pair, size in zip(found.pairs, found.strength[0], strict=True) if abs(size) > 1e-7} == {
        ("x0", "x1"), ("x2", "x3"),
    }  # fmt: skip


def test_interactions_are_shown_on_request(call, refused, tmp_path, monkeypatch):
    """As a table, as JSON, and only of a sample."""
    monkeypatch.chdir(tmp_path)
    save(make_model(), "model.safetensors")
    np.savez("samples.npz", X=np.random.default_rng(0).normal(size=(9, 5)))
    arguments = ("explain", "model.safetensors", "samples.npz", "--interactions")

    code, out, err = call(*arguments, "--row", 2)
    assert (code, err) == (0, "")
    assert "Pairs that act together" in out
    record = json.loads(call(*arguments, "--row", 2, "--json")[1])
    assert len(record["interactions"]) == 10
    assert set(record["interactions"][0]["strength"]) == {"1"}
    assert "name its --row" in refused(*arguments)


def test_what_has_no_interactions_is_told():
    """Several samples, an unknown method, and curvature where there is none."""
    X = np.ones((2, 5))
    with pytest.raises(DataError, match="one sample at a time; got 2"):
        measure_interactions(make_model(), X, "zero")
    with pytest.raises(SettingError, match="shapley or hessian"):
        measure_interactions(make_model(), X[:1], "zero", method="guess")
    with pytest.raises(SettingError, match="no curvature"):
        measure_interactions(make_model("relu"), X[:1], "zero", method="hessian")
